"""The job of an iteration of K-Means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from common.jobs.base import Memory
from common.jobs.centroids import (
    KEPT_BOUNDS,
    KEPT_OF_START,
    CentroidsJob,
    centroids_of,
    members,
    starts_of,
)
from common.kernels.exact import SumGrid, round_once, sum_all, sum_by_key
from common.kernels.grouping import add_by_key
from common.kernels.nearest.distance import labels_of, worth_compiled_code
from common.kernels.sparse import SparseRows
from common.model import Block, FloatArray, IntArray, Key, LongArray, Records, State

if TYPE_CHECKING:  # compiled code takes half a second to import
    from common.kernels.sparse_sums import SparseSums


@dataclass(frozen=True)
class LloydStep(CentroidsJob):
    """One iteration of Lloyd's algorithm ("Least squares quantization in PCM", 1982).

    map: a point, under the key of its nearest centroid, for each start. combine: the points of one
    key become one partial: their count and the limbs of their exact sums, as integers. reduce: the
    centroid, the exact sum of the members rounded once, divided by their count.

    state["moved_rows"] and state["moved_keys"], both int64 and optional: input rows that go
    under a given key instead of the nearest centroid's, to fill clusters that have no member.
    """

    grid: SumGrid

    name: ClassVar[str] = "lloyd"
    counts: ClassVar[bool] = True
    emits_rows: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def check(self, state: State, columns: int) -> None:
        """Refuse a grid that is not as wide as the rows, too."""
        super().check(state, columns)
        if self.grid.columns != columns:
            raise ValueError(f"the grid has {self.grid.columns} columns, the input {columns}")

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the clusters, and a centroid with its number of members."""
        return self._keys(state), columns + 1

    def map(self, block: Block, state: State) -> Records:
        """Give each point the key of its nearest centroid, once for each start."""
        parts, points = [], self.points_of(block)
        for first_key, centroids in starts_of(state):
            own_keys = range(first_key, first_key + len(centroids))
            labels = self._with_moved(labels_of(points, centroids), block, state, own_keys)
            parts.append(Records(labels + np.int32(first_key), block.points))
        return Records.concatenate(parts)

    def _with_moved(self, labels: IntArray, block: Block, state: State, own_keys: range) -> IntArray:
        """Return a start's labels of a block, changed where rows go under given keys."""
        if "moved_rows" not in state:
            return labels
        moved, moved_keys = self._moved(block, state, own_keys)
        changed = labels.copy()
        changed[moved] = moved_keys - own_keys.start
        return changed

    def _moved(self, block: Block, state: State, known: range) -> tuple[LongArray, LongArray]:
        """Return the moved rows of a block, as offsets, and their keys, of those that are known."""
        moved_keys = state["moved_keys"]
        offsets = state["moved_rows"] - block.row_start
        mine = (offsets >= 0) & (offsets < len(block.points))
        mine &= (moved_keys >= known.start) & (moved_keys < known.stop)
        return offsets[mine], moved_keys[mine]

    def combine(self, records: Records) -> Records:
        """Turn the records of each key into one partial."""
        if not len(records):
            return records
        if self._are_partials(records.values):
            return add_by_key(records)
        keys, dense = np.unique(cast(IntArray, records.keys), return_inverse=True)
        return Records(keys, self._partials(*self._sum_rows(dense, records.values, len(keys))))

    def _sum_rows(self, keys: LongArray, rows: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
        """Return each key's number of rows, shape (k,), and the limbs of their sums, shape (k, limbs * d)."""
        limbs = self.grid.cut(rows).reshape(-1, len(rows))
        return np.bincount(keys, minlength=k).astype(np.float64), sum_by_key(keys, limbs, k)

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Find the partials without a look at every row, if the rows are many."""
        memory.pop(KEPT_OF_START, None)
        if isinstance(rows.rows, SparseRows):
            return self._summarize_sparse(rows, state, memory)
        if not worth_compiled_code(rows.points, len(centroids_of(state))):
            return None
        index = memory.pop(KEPT_BOUNDS, None)  # taken, so that nobody else works with it meanwhile
        if index is None or index.grid != self.grid:
            from common.kernels.nearest.bounds import BoundsIndex

            index = BoundsIndex(rows.points, self.grid)
        parts = []
        for first_key, centroids in starts_of(state):
            counts, sums = index.cluster_sums(centroids, first_key)
            if "moved_rows" in state:
                moved, keys = self._moved(rows, state, range(first_key, first_key + len(centroids)))
                index.move(moved, keys - first_key, counts, sums, first_key)
            parts.append(members(first_key, self._partials(counts, sums)))
        memory[KEPT_BOUNDS] = index
        return Records.concatenate(parts)

    def _summarize_sparse(self, rows: Block, state: State, memory: Memory) -> Records:
        sums = memory.pop(KEPT_BOUNDS, None)  # taken, as above
        if sums is None or sums.grid != self.grid:
            sums = self._sparse_sums(rows)
        parts = []
        for first_key, centroids in starts_of(state):
            own_keys = range(first_key, first_key + len(centroids))
            labels = self._with_moved(sums.labels(centroids), rows, state, own_keys)
            parts.append(members(first_key, self._partials(*sums.of(labels, len(centroids), first_key))))
        memory[KEPT_BOUNDS] = sums
        return Records.concatenate(parts)

    def _sparse_sums(self, rows: Block) -> "SparseSums":
        from common.kernels.sparse_sums import SparseSums

        return SparseSums(cast(SparseRows, rows.rows), self.grid)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return the members' mean and their number, shape (1, d + 1)."""
        if self._are_partials(values):
            return self._means(sum_all(values.T)[None])
        return np.append(round_once(self.grid.sum(values)) / len(values), len(values))[None]

    def reduce_runs(self, runs: Sequence[Records]) -> Records:
        """Round the sums of all keys at once, if they are partials."""
        filled = [run for run in runs if len(run)]
        if not filled or not all(self._are_partials(run.values) for run in filled):
            return super().reduce_runs(runs)
        totals = add_by_key(Records.concatenate(filled))
        return Records(totals.keys, self._means(totals.values))

    def _means(self, totals: FloatArray) -> FloatArray:
        """Return the mean of each cluster and its number of rows, shape (k, d + 1), of its partial."""
        counts = totals[:, :1]
        return np.hstack([self._sums(totals) / counts, counts])

    def _sums(self, totals: FloatArray) -> FloatArray:
        """Return the sums that partials of shape (k, 1 + limbs * d) hold, each rounded once, shape (k, d)."""
        scales = self.grid.scales[:, None]
        limbs = np.moveaxis(totals[:, 1:].reshape(len(totals), len(scales), -1), 1, 0)
        scaled = np.multiply(limbs, scales, order="C").reshape(len(scales), -1)
        return round_once(scaled).reshape(len(totals), -1)

    def _partials(self, counts: FloatArray | LongArray, limbs: FloatArray) -> FloatArray:
        """Make a row of each cluster's count and limbs, shape (k, limbs * d), which fit in few digits."""
        partials = np.empty((len(counts), 1 + limbs.shape[1]))
        partials[:, 0] = counts
        np.divide(limbs, self.grid.scales.ravel(), out=partials[:, 1:])
        return partials

    def _are_partials(self, values: FloatArray) -> bool:
        """Tell partials, (count, every column's first limb, second limb, ...), from points.

        A partial is always wider than a point.
        """
        return bool(values.shape[1] > self.grid.columns)
