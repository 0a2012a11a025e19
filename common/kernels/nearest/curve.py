"""The order of points along a space-filling curve: points that are near in space come near in the order."""

import numpy as np
from numba import njit

from common.model import PointArray

BLOCK_ROWS = 64
_CURVE_BITS = 20
"""Of a cell's place on the curve, over all columns: at most 2**20 cells."""
_SAMPLE_ROWS = 1 << 12


def blocks_along_curve(points: PointArray) -> PointArray:
    """Order the points by their grid cells' places on the Z-order curve; shape (blocks, d, BLOCK_ROWS).

    The last block may not be full. The grid spans the middle 99 % of each column, so that outliers do not
    make it coarse.
    """
    n, d = points.shape
    bits = min(_CURVE_BITS, n.bit_length() + 1) // d
    sample = np.asarray(points[:: max(1, n // _SAMPLE_ROWS)], np.float64)
    lowest, highest = np.quantile(sample, [0.005, 0.995], axis=0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        scale = 2.0**bits / (highest - lowest)
    scale[~np.isfinite(scale)] = 0.0
    # spread[c, x] has the bits of x, d apart, from bit d - 1 - c on: columns take turns.
    cells = np.arange(1 << bits)
    spread = np.zeros((d, 1 << bits), np.int32)
    for bit in range(bits):
        for c in range(d):
            spread[c] |= ((cells >> bit & 1) << (bit * d + d - 1 - c)).astype(np.int32)
    ordered = np.empty((-(-n // BLOCK_ROWS), d, BLOCK_ROWS), points.dtype)
    _sort_by_cell(points, lowest, scale, spread, np.empty(n, np.int32), ordered)
    return ordered


@njit(cache=True, nogil=True)
def _sort_by_cell(points, lowest, scale, spread, places, ordered):  # type: ignore[no-untyped-def]
    """Order points by their cells' places on the curve: a counting sort."""
    n, d = points.shape
    cells = spread.shape[1]
    starts = np.zeros(cells**d + 1, np.int32)
    for i in range(n):
        place = 0
        for c in range(d):
            cell = (points[i, c] - lowest[c]) * scale[c]
            place |= spread[c, int(min(max(cell, 0.0), cells - 1.0))]
        places[i] = place
        starts[place + 1] += 1
    for place in range(len(starts) - 1):
        starts[place + 1] += starts[place]
    for i in range(n):
        at = starts[places[i]]
        starts[places[i]] += 1
        for c in range(d):
            ordered[at // BLOCK_ROWS, c, at % BLOCK_ROWS] = points[i, c]
