"""Sparse rows, as scipy.sparse.csr_array keeps them."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from common.kernels.grouping import first_distinct
from common.model import FloatArray, IntArray, LongArray, PointArray

_FEW = 64
"""If less than one in so many numbers is not 0, leaving the zeros out saves time."""


class Kept(NamedTuple):
    """The arrays of sparse rows, for kernels."""

    values: PointArray
    places: IntArray
    starts: LongArray


@dataclass(frozen=True)
class SparseRows:
    """Rows of numbers most of which are 0, and not kept.

    Row i has `values[starts[i]:starts[i + 1]]`, none of them 0. `places` has the columns where they stand, in
    order. Slices share them.
    """

    values: PointArray
    places: IntArray
    starts: LongArray
    columns: int

    @classmethod
    def of(cls, points: PointArray) -> "SparseRows":
        """Return points, shape (n, d), without what is 0."""
        numbers = points.ravel()
        found = np.flatnonzero(numbers != 0)
        starts = np.searchsorted(found, np.arange(len(points) + 1) * points.shape[1])
        return cls(numbers[found], (found % points.shape[1]).astype(np.int32), starts, points.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, where: slice) -> "SparseRows":
        rows = range(len(self))[where]
        return replace(self, starts=self.starts[rows.start : rows.stop + 1])

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return len(self), self.columns

    @property
    def size(self) -> int:
        """Return how many numbers are kept."""
        return int(self.starts[-1] - self.starts[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the numbers."""
        return self.values.dtype

    @property
    def kept(self) -> Kept:
        """Return the arrays, for kernels: these can't write to them, and are compiled for no other kind."""
        from common.kernels.limbs import read_only

        return Kept(read_only(self.values), read_only(self.places), read_only(self.starts))

    def turned(self) -> "SparseRows":
        """Return the columns as rows."""
        order = np.argsort(self.places, kind="stable")
        starts = np.searchsorted(self.places[order], np.arange(self.columns + 1))
        return SparseRows(self.values[order], self.rows[order], starts, len(self))

    @property
    def rows(self) -> IntArray:
        """Return the row of each number that is kept."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))

    def column(self, index: int) -> FloatArray:
        """Return a column with all its numbers, shape (rows,)."""
        found, where = np.zeros(len(self)), self.places == index
        found[self.rows[where]] = self.values[where]
        return found

    def pick(self, rows: LongArray) -> "SparseRows":
        """Return rows by their indexes."""
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        kept = np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
        return SparseRows(self.values[kept], self.places[kept], starts, self.columns)

    def take(self, rows: npt.NDArray[np.integer], axis: Literal[0] = 0) -> FloatArray:
        """Return some rows with all their numbers, shape (n, columns), as an array does."""
        found = np.zeros((len(rows), self.columns))
        for row, out in zip(rows.tolist(), found, strict=True):
            kept = slice(self.starts[row], self.starts[row + 1])
            out[self.places[kept]] = self.values[kept]
        return found

    def first_distinct(self, limit: int) -> LongArray:
        """Return the indexes of the first distinct rows, so many of them at most, in order."""
        bounds = pairwise(self.starts.tolist())
        rows = ((self.places[i:j].tobytes(), self.values[i:j].tobytes()) for i, j in bounds)
        return first_distinct(rows, limit)

    def dense(self) -> FloatArray:
        """Return the rows with all their numbers, shape (rows, columns)."""
        return self.take(np.arange(len(self)))

    def beside(self, weights: FloatArray) -> "WeightedSparseRows":
        """Put weights, shape (rows,), after the last column."""
        return WeightedSparseRows(self.values, self.places, self.starts, self.columns, weights)


def without_zeros(points: FloatArray) -> FloatArray | SparseRows:
    """Return points without their zeros if these are nearly all."""
    return SparseRows.of(points) if int(np.count_nonzero(points)) * _FEW < points.size else points


@dataclass(frozen=True)
class WeightedSparseRows(SparseRows):
    """Sparse rows with their weights in one more column, the last; it is not among `columns`."""

    weights: FloatArray

    def __getitem__(self, where: slice) -> "WeightedSparseRows":
        return replace(self, starts=super().__getitem__(where).starts, weights=self.weights[where])

    @property
    def points(self) -> SparseRows:
        """Return the rows without their weights."""
        return SparseRows(self.values, self.places, self.starts, self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns, with that of the weights."""
        return len(self), self.columns + 1

    def dense(self) -> FloatArray:
        """Return the rows with all their numbers, and their weights."""
        return np.column_stack([self.points.dense(), self.weights])
