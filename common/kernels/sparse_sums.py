"""Exact sums and ranges of sparse rows: a 0 adds nothing to a sum."""

import numpy as np

from common.kernels.compiling import kernel
from common.kernels.exact import SumGrid
from common.kernels.sparse import SparseRows
from common.model import FloatArray, LongArray


def sums_of(grid: SumGrid, keys: LongArray, rows: SparseRows, k: int) -> tuple[FloatArray, FloatArray]:
    """Return each key's number of rows, shape (k,), and the limbs of their sums, shape (k, limbs * d)."""
    counts, sums = np.zeros(k), np.zeros((k, grid.limbs * rows.columns))
    _add(rows.kept, keys, grid.constants, counts, sums)
    return counts, sums


def ranges_of(rows: SparseRows) -> FloatArray:
    """Return each column's least and greatest number, and its least magnitude but 0, shape (d, 3)."""
    ranges, counts = np.tile([np.inf, -np.inf, np.inf], (rows.columns, 1)), np.zeros(rows.columns, np.int64)
    _describe(rows.kept, ranges, counts)
    has_zeros = counts < len(rows)
    ranges[has_zeros, 0] = np.minimum(ranges[has_zeros, 0], 0)
    ranges[has_zeros, 1] = np.maximum(ranges[has_zeros, 1], 0)
    return ranges


@kernel
def _add(rows, keys, constants, counts, sums):  # type: ignore[no-untyped-def]
    """Cut the numbers as `SumGrid.cut` does, and add their limbs up by key."""
    cuts, d = constants.shape
    for i in range(len(keys)):
        key = keys[i]
        counts[key] += 1
        for p in range(rows.starts[i], rows.starts[i + 1]):
            rest, column = np.float64(rows.values[p]), rows.places[p]
            for limb in range(cuts):
                high = (rest + constants[limb, column]) - constants[limb, column]
                sums[key, limb * d + column] += high
                rest -= high
            sums[key, cuts * d + column] += rest


@kernel
def _describe(rows, ranges, counts):  # type: ignore[no-untyped-def]
    for p in range(rows.starts[0], rows.starts[-1]):
        x, column = np.float64(rows.values[p]), rows.places[p]
        counts[column] += 1
        ranges[column, 0] = min(ranges[column, 0], x)
        ranges[column, 1] = max(ranges[column, 1], x)
        ranges[column, 2] = min(ranges[column, 2], abs(x))
