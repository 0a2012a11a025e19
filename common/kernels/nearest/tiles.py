"""Rows kept in float32 as matrix products take them, in tiles of columns."""

import math

import numpy as np
from numba import njit

from common.model import FloatArray, PointArray

TILE_ROWS = 512
"""So few that BLAS needs no copies of its own where columns and centroids are not many."""


def scale_of(exponent: int) -> float:
    """Return the power of two that brings numbers below 2**exponent to near 1."""
    return math.ldexp(1.0, -max(exponent, -1000) - 1)


class Tiles:
    """All rows as products take them, so that those of whole tiles need not be gathered.

    Parameters
    ----------
    points
        Shape (n, d), float32 or float64.
    offset, scale
        As for `Products`.
    """

    def __init__(self, points: PointArray, offset: FloatArray, scale: float) -> None:
        n, d = points.shape
        tiles = -(-n // TILE_ROWS)
        self.points = np.zeros((tiles, d, TILE_ROWS), np.float32)
        self.squares = np.zeros(tiles * TILE_ROWS, np.float32)
        _cut_into_tiles(points, offset, scale, self.points, self.squares)


@njit(cache=True, nogil=True)
def _cut_into_tiles(points, offset, scale, tiles, squares):  # type: ignore[no-untyped-def]
    """Copy rows, less the offset and scaled, into tiles of columns, and find their squares."""
    for i in range(len(points)):
        tile, r = i // TILE_ROWS, i % TILE_ROWS
        for c in range(points.shape[1]):
            x = np.float32((points[i, c] - offset[c]) * scale)
            tiles[tile, c, r] = x
            squares[i] += x * x
