"""Jobs about the input's rows, for any algorithm: ranges, distinct rows, rows by index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Engine, Job, Memory, check_floats
from common.kernels.exact import SumGrid, round_once, sum_all
from common.kernels.grouping import first_distinct, key_starts, sort_by_key
from common.kernels.nearest.distance import worth_compiled_code
from common.kernels.sparse import SparseRows
from common.model import Block, FloatArray, Key, LongArray, Records, State

_PIECE_NUMBERS = 1 << 17
"""Of a piece that stays in the cache: 1 MiB."""


@dataclass(frozen=True)
class Describe(Job):
    """Find each column's range.

    Result: per column (the key) one row: least value, greatest value, and the least magnitude that
    is not zero (infinity if all are zero). Exact sums are built on these.
    """

    name: ClassVar[str] = "describe"
    aggregates: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the columns, and three numbers for each."""
        return columns, 3

    def map(self, block: Block, state: State) -> Records:
        """Describe each piece of a block, or sparse rows in one pass."""
        if isinstance(block.rows, SparseRows):
            from common.kernels.sparse_sums import ranges_of

            return _of_columns(ranges_of(block.rows))
        return Records.concatenate([self._describe(piece) for piece in _pieces(block.points)])

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Let compiled code look at all rows, if they are dense and many."""
        if isinstance(rows.rows, SparseRows):
            return None
        if not worth_compiled_code(rows.points, 1):
            return None
        from common.kernels.ranges import ranges_of

        return _of_columns(ranges_of(rows.points))

    def _describe(self, points: FloatArray) -> Records:
        columns = np.ascontiguousarray(points.T)  # NumPy is fast along rows, if they are long
        magnitudes = np.abs(columns)
        magnitudes[magnitudes == 0] = np.inf
        ranges = np.column_stack([columns.min(axis=1), columns.max(axis=1), magnitudes.min(axis=1)])
        return _of_columns(ranges)

    def combine(self, records: Records) -> Records:
        """Merge the ranges of all columns at once: they may be thousands."""
        if not len(records):
            return records
        ordered = sort_by_key(records)
        first = key_starts(ordered.keys)
        lowest, highest, smallest = ordered.values.T
        merged = np.minimum.reduceat(lowest, first), np.maximum.reduceat(highest, first)
        ranges = np.column_stack([*merged, np.minimum.reduceat(smallest, first)])
        return Records(ordered.keys[first], ranges)

    def reduce_runs(self, runs: Sequence[Records]) -> Records:
        """Merge as `combine` does."""
        return self.combine(Records.concatenate([*runs]))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Merge ranges."""
        return np.array([[values[:, 0].min(), values[:, 1].max(), values[:, 2].min()]])


def _pieces(points: FloatArray) -> Iterator[FloatArray]:
    """Cut rows into pieces that stay in the cache."""
    size = max(1, _PIECE_NUMBERS // points.shape[1])
    return (points[start : start + size] for start in range(0, len(points), size))


def _of_columns(ranges: FloatArray) -> Records:
    return Records(np.arange(len(ranges), dtype=np.int32), ranges + 0.0)  # 0, not -0, which is equal


@dataclass(frozen=True)
class SquaredDeviationsOfRows(Job):
    """Add up each column's squared deviations from state["means"], exactly.

    Result: under key 0, the sums' limbs, shape (1, limbs * d).
    """

    grid: SumGrid

    name: ClassVar[str] = "squares"
    aggregates: ClassVar[bool] = True

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if there is not one mean, and one column of the grid, for each column."""
        check_floats(state, means=(columns,))
        if self.grid.columns != columns:
            raise ValueError(f"the grid has {self.grid.columns} columns, the input {columns}")

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return one key, and the limbs of a sum for each column."""
        return 1, self.grid.limbs * columns

    def map(self, block: Block, state: State) -> Records:
        """Add a block up."""
        sums = self.grid.sum((block.points - state["means"]) ** 2).reshape(1, -1)
        return Records.of_key(0, sums[: len(block.points)])

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add up; limbs add without rounding."""
        return sum_all(values.T)[None]

    def sums(self, found: FloatArray) -> FloatArray:
        """Return each column's sum, rounded once, of what `reduce` returned."""
        return round_once(found.reshape(self.grid.limbs, -1))


@dataclass(frozen=True)
class FirstDistinctRows(Job):
    """Find the first `limit` distinct rows of the input, fewer if there are not so many.

    Result: under key 0, rows of (row index, point), by row index.
    """

    limit: int

    name: ClassVar[str] = "distinct"
    beside_point: ClassVar[int | None] = 1
    aggregates: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def map(self, block: Block, state: State) -> Records:
        """Look at the block until there is enough."""
        if isinstance(block.rows, SparseRows):
            found = block.rows.first_distinct(self.limit)
        else:
            found = self._first_distinct(block.points)
        points = block.points.take(found, axis=0)
        return Records.of_key(0, np.column_stack([block.row_start + found, points]))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Keep the first ones over all."""
        in_order = values[np.argsort(values[:, 0])]
        return in_order[self._first_distinct(in_order[:, 1:])]

    def _first_distinct(self, points: FloatArray) -> LongArray:
        # Adding 0.0 makes -0.0 and 0.0, which are equal, the same row.
        return first_distinct((row.tobytes() for piece in _pieces(points) for row in piece + 0.0), self.limit)


@dataclass(frozen=True)
class TakeRows(Job):
    """Fetch rows by index: state["rows"], int64, shape (n,).

    Result: under key i, the one row of points with index state["rows"][i].
    """

    name: ClassVar[str] = "take"
    takes_sparse: ClassVar[bool] = True

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return a key for each row, and a point."""
        return len(state["rows"]), columns

    def map(self, block: Block, state: State) -> Records:
        """Pick those that lie in the block."""
        offsets = state["rows"].astype(np.int64) - block.row_start
        inside = np.flatnonzero((offsets >= 0) & (offsets < len(block.points)))
        return Records(inside.astype(np.int32), block.points.take(offsets[inside], axis=0))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Every key has one value."""
        return values


def take_rows(engine: Engine, rows: LongArray) -> FloatArray:
    """Fetch rows of the input by index, shape (n, columns)."""
    found = engine.map_reduce(TakeRows(), {"rows": rows.astype(np.int64)})
    return np.concatenate([found[i] for i in range(len(rows))])
