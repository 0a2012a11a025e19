"""Exact sums and ranges of sparse rows: a 0 adds nothing to a sum."""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.exact import SumGrid
from common.kernels.limbs import low_part
from common.kernels.sparse import SparseRows
from common.kernels.sparse_nearest import labels_of
from common.model import FloatArray, IntArray


class SparseSums:
    """The exact sums of the rows of each cluster, kept from iteration to iteration: few rows change theirs.

    Sums are exact, so a row that leaves a cluster can be subtracted. The last labels are kept, too: a fit
    that has converged asks for those of the same centroids once more.
    """

    def __init__(self, rows: SparseRows, grid: SumGrid) -> None:
        self.grid = grid
        self._rows = rows
        self._labelled = np.empty((0, 0)), np.empty(0, np.int32)
        self._of_start: dict[int, tuple[IntArray, FloatArray, FloatArray]] = {}

    def labels(self, centroids: FloatArray) -> IntArray:
        """Return the label of each row, shape (n,), which nobody writes to."""
        if not np.array_equal(self._labelled[0], centroids):
            self._labelled = centroids.copy(), labels_of(self._rows, centroids)
        return self._labelled[1]

    def of(self, labels: IntArray, k: int, start: int) -> tuple[FloatArray, FloatArray]:
        """Return each cluster's number of rows, and the limbs of their sums, shape (k, limbs * columns).

        They are written to by the next call for the same start, whose first key is given.
        """
        known, counts, sums = self._of_start.get(start, (labels[:0], np.empty(0), np.empty(0)))
        if len(counts) != k or np.count_nonzero(known != labels) * 2 > len(labels):
            sums = np.zeros((k, self.grid.limbs * self.grid.columns))
            known, counts = np.full_like(labels, -1), np.zeros(k)
        self._move(known, labels, counts, sums)
        self._of_start[start] = labels, counts, sums
        return counts, sums

    def _move(self, old: IntArray, new: IntArray, counts: FloatArray, sums: FloatArray) -> None:
        _move(self._rows.kept, old, new, self.grid.constants, counts, sums)


class WeightedSparseSums(SparseSums):
    """The exact sums of the rows of each cluster times their weights, and of the weights, beside them.

    Rows that weigh nothing are not counted.
    """

    def __init__(self, rows: SparseRows, weights: FloatArray, grid: SumGrid) -> None:
        super().__init__(rows, grid)
        self._weights = weights

    def _move(self, old: IntArray, new: IntArray, counts: FloatArray, sums: FloatArray) -> None:
        _move_weighted(self._rows.kept, self._weights, old, new, self.grid.constants, counts, sums)


def ranges_of(rows: SparseRows) -> FloatArray:
    """Return each column's least and greatest number, and its least magnitude but 0, shape (d, 3)."""
    ranges, counts = np.tile([np.inf, -np.inf, np.inf], (rows.columns, 1)), np.zeros(rows.columns, np.int64)
    _describe(rows.kept, ranges, counts)
    has_zeros = counts < len(rows)
    ranges[has_zeros, 0] = np.minimum(ranges[has_zeros, 0], 0)
    ranges[has_zeros, 1] = np.maximum(ranges[has_zeros, 1], 0)
    return ranges


@kernel
def _move(rows, old, new, constants, counts, sums):  # type: ignore[no-untyped-def]
    """Add rows whose key is another to the sums of the new one; subtract them from the old one's, from 0."""
    for i in range(len(new)):
        if old[i] != new[i]:
            _add(rows, i, 1.0, new[i], constants, counts, sums)
            if old[i] >= 0:
                _add(rows, i, -1.0, old[i], constants, counts, sums)


@njit(inline="always")
def _add(rows, i, sign, key, constants, counts, sums):  # type: ignore[no-untyped-def]
    counts[key] += sign
    for p in range(rows.starts[i], rows.starts[i + 1]):
        _add_number(sign * np.float64(rows.values[p]), rows.places[p], key, constants, sums)


@kernel
def _move_weighted(rows, weights, old, new, constants, counts, sums):  # type: ignore[no-untyped-def]
    """Move rows as `_move` does; the last column's sum is that of the weights."""
    for i in range(len(new)):
        if old[i] != new[i] and weights[i] > 0:
            _add_weighted(rows, i, 1.0, weights[i], new[i], constants, counts, sums)
            if old[i] >= 0:
                _add_weighted(rows, i, -1.0, weights[i], old[i], constants, counts, sums)


@njit(inline="always")
def _add_weighted(rows, i, sign, weight, key, constants, counts, sums):  # type: ignore[no-untyped-def]
    counts[key] += sign
    _add_number(sign * weight, constants.shape[1] - 1, key, constants, sums)
    for p in range(rows.starts[i], rows.starts[i + 1]):
        x = np.float64(rows.values[p])
        product = x * weight
        _add_number(sign * product, rows.places[p], key, constants, sums)
        _add_number(sign * low_part(x, weight, product), rows.places[p], key, constants, sums)


@njit(inline="always")
def _add_number(number, column, key, constants, sums):  # type: ignore[no-untyped-def]
    """Cut a number as `SumGrid.cut` does, and add its limbs up."""
    cuts, d = constants.shape
    rest = number
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
