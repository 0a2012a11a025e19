"""Sparse rows, as scipy.sparse.csr_array keeps them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.model import FloatArray, PointArray


@dataclass(frozen=True)
class SparseRows:
    """Rows of numbers most of which are 0, and not kept; jobs get them dense, block by block.

    Row i has `values[starts[i]:starts[i + 1]]`, and `places` has the columns where they stand, each once.
    Slices share them.
    """

    values: PointArray
    places: npt.NDArray[np.integer]
    starts: npt.NDArray[np.integer]
    columns: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, where: slice) -> "SparseRows":
        rows = range(len(self))[where]
        starts = self.starts[rows.start : rows.stop + 1]
        return SparseRows(self.values, self.places, starts, self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return len(self), self.columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the numbers."""
        return self.values.dtype

    def dense(self) -> FloatArray:
        """Return the rows with all their numbers, shape (rows, columns)."""
        kept = slice(self.starts[0], self.starts[-1])
        found = np.zeros(self.shape)
        found[np.repeat(np.arange(len(self)), np.diff(self.starts)), self.places[kept]] = self.values[kept]
        return found

    def beside(self, column: FloatArray) -> "SparseRows":
        """Put a column of numbers, shape (rows,), after the last one."""
        ends = self.starts[1:]
        return SparseRows(
            np.insert(self.values.astype(np.float64), ends, column),
            np.insert(self.places, ends, self.columns),
            self.starts + np.arange(len(self.starts)),
            self.columns + 1,
        )
