"""Nearest centroids by scores, |c|² - 2 x·c, which are found many times faster than by the plain formula.

The squared distance is |x|² + |c|² - 2 x·c. Scores round differently than the plain formula. So where the
least two scores of a row are nearer to each other than the rounding errors together, the row is in doubt,
and the plain formula decides. The labels are always those of `distance.nearest`.

A common offset is subtracted first, so that data far from the origin do not leave every row in doubt. A
power of two brings all numbers near 1, so that nothing overflows. If float32 leaves many rows in doubt,
float64 takes over.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.kernels.nearest.fused import Frame, Table, Tile, compare, empty_tile, table_of
from common.kernels.nearest.rounding import Rounding, margin_of, root_above, root_below, rounding_of
from common.model import FloatArray, PointArray

BLOCK_ROWS = 1 << 15
"""The most rows that are assigned at once."""

_FAR = 2.0**20
"""Centroids farther out than this, in units of the data's range, need float64's range."""
_FEW_ROWS = 512
"""Of a block: some of them in doubt say nothing of the others."""

RowNumbers = npt.NDArray[np.uint32]


class Prepared(NamedTuple):
    """The centroids as compiled code takes them, and memory for it to use."""

    frame: Frame
    columns: FloatArray  # (d, k): the centroids as they are given
    table: Table
    rounding: Rounding
    tile: Tile
    distances: FloatArray  # (k,)


class Found(NamedTuple):
    """What was found of each row of a block; distances are scaled."""

    labels: npt.NDArray[np.uint32]  # the nearest centroid
    upper: npt.NDArray[np.float32]  # at least the distance to it
    lower: npt.NDArray[np.float32]  # at most the distance to any other


class Scores:
    """Assigns blocks of rows to centroids.

    Every number of the data is smaller in magnitude than 2**exponent; `offset`, shape (columns,), is a
    point amid the data.
    """

    def __init__(self, columns: int, exponent: int, offset: FloatArray) -> None:
        self.frame = Frame(offset, math.ldexp(1.0, -max(exponent, -1000) - 1))
        """With the power of two that brings the data to near 1."""
        upper, lower = np.empty((2, BLOCK_ROWS), np.float32)
        self.found = Found(labels=np.empty(BLOCK_ROWS, np.uint32), upper=upper, lower=lower)
        """Of the last block."""
        self._take_type(columns, np.float32)

    @property
    def in_single(self) -> bool:
        """Whether float32 still does."""
        return self._dtype == np.float32

    def _take_type(self, columns: int, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._tile = empty_tile(columns, self._dtype)

    def set_centroids(self, centroids: FloatArray) -> None:
        """Take centroids of shape (k, d)."""
        columns = centroids.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):  # then all is in doubt
            moved = (centroids - self.frame.offset) * self.frame.scale
            if self.in_single and np.abs(moved).max() > _FAR:
                self._take_type(columns, np.float64)
            squares = (moved**2).sum(axis=1)
            tiny = float(np.finfo(self._dtype).tiny) + 5e-324 * self.frame.scale * self.frame.scale
            self._centroids = centroids
            self.prepared = Prepared(
                frame=self.frame,
                columns=read_only(np.ascontiguousarray(centroids.T)),
                table=table_of(moved.astype(self._dtype), squares.astype(self._dtype)),
                rounding=rounding_of(columns, float(squares.max()), self._dtype, tiny),
                tile=self._tile,
                distances=np.empty(len(centroids)),
            )

    def assign(self, points: PointArray, rows: RowNumbers) -> None:
        """Find the nearest centroids of some points, at most `BLOCK_ROWS`; the results are in `found`."""
        if find_nearest(points, rows, self.prepared, self.found):
            self.take_double()

    def take_double(self) -> None:
        """Go on in float64."""
        self._take_type(self._centroids.shape[1], np.float64)
        self.set_centroids(self._centroids)


@kernel
def find_nearest(points, rows, prepared, found):  # type: ignore[no-untyped-def]
    """Find labels and bounds of rows; return whether float32 leaves too many of them in doubt."""
    frame, columns, table, rounding, tile, distances = prepared
    doubtful, size = 0, len(tile.least)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        stop = start + len(some)
        labels, upper, lower = found.labels[start:stop], found.upper[start:stop], found.lower[start:stop]
        compare(points, some, frame, tile, table)
        in_doubt = _bound(tile, rounding, labels, upper, lower)
        for r in range(len(some) if in_doubt else 0):
            gap = np.float64(tile.second[r]) - np.float64(tile.least[r])
            if not gap > margin_of(np.float64(tile.squares[r]), rounding):
                labels[r] = _nearest_by_plain_formula(points, some[r], columns, distances)
        doubtful += in_doubt
    in_single = tile.least.itemsize == 4
    # With more, float64 takes less time.
    return in_single and doubtful > max(len(rows), _FEW_ROWS) // 8


@kernel
def _bound(tile, rounding, labels, upper, lower):  # type: ignore[no-untyped-def]
    """Turn the scores of rows into bounds; count the rows in doubt.

    Without a branch, so that the compiler makes vector code of the loop.
    """
    doubtful = 0
    for r in range(len(labels)):
        square, least = np.float64(tile.squares[r]), np.float64(tile.least[r])
        second = np.float64(tile.second[r])
        margin = margin_of(square, rounding)
        in_doubt = not second - least > margin
        doubtful += in_doubt
        labels[r] = tile.labels[r]
        upper[r] = root_above(least + square + margin)
        lower[r] = root_below((least if in_doubt else second) + square - margin)
    return doubtful


@kernel
def _nearest_by_plain_formula(points, i, columns, distances):  # type: ignore[no-untyped-def]
    """Find the nearest centroid of points[i]."""
    distances[:] = 0.0
    for c in range(len(columns)):
        x, column = points[i, c], columns[c]
        for k in range(len(distances)):
            difference = x - column[k]
            distances[k] += difference * difference
    return np.uint32(distances.argmin())
