"""The jobs of K-Means; all take state["centroids"], float64, shape (k, d).

Some also serve several starts at once, of as many clusters each as it likes: then the centroids are those of
all starts, one after the other, and state["starts"] says whose they are; see `state_of`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar, cast

import numpy as np

from common.jobs.base import Job, Memory
from common.kernels.exact import LARGEST_MAGNITUDE, SumGrid, sum_all, sum_by_key
from common.kernels.nearest.distance import labels_of, nearest, worth_compiled_code
from common.kernels.sparse import SparseRows
from common.model import Block, BoolArray, FloatArray, IntArray, Key, LongArray, PointArray, Records, State

_MOST_KEYS = (1 << 31) - 1

_PIECE_NUMBERS = 1 << 21
"""Of a piece of rows that is made dense."""

KEPT_BOUNDS = "bounds"
"""What an iteration keeps in memory: a `BoundsIndex`, or `SparseSums` of sparse rows; both know labels."""

KEPT_OF_START = "candidates"
"""What choosing a start keeps in memory, see `common.jobs.candidates`; an iteration forgets it."""


class CentroidsJob(Job):
    """A job that compares rows with centroids."""

    def check(self, state: State, columns: int) -> None:
        """Refuse what are no (k, d) of float64, or not those of the starts; compiled code trusts it."""
        centroids = state.get("centroids")
        if centroids is None or centroids.dtype != np.float64 or centroids.ndim != 2 or not centroids.size:
            raise ValueError("the centroids are not an array of centroids")
        if (width := centroids.shape[-1]) != columns:
            raise ValueError(f"the centroids have {width} columns, the input {columns}")
        if max(centroids.max(), -centroids.min()) > LARGEST_MAGNITUDE:
            raise ValueError("a centroid is larger than any point may be")
        starts = _starts(state)
        if starts.dtype != np.int64 or starts.ndim != 2 or starts.shape[1] != 2 or not starts.size:
            raise ValueError("the starts are not pairs of integers")
        first_keys, counts = starts.T
        if min(first_keys.min(), counts.min() - 1) < 0 or starts.max() > _MOST_KEYS // 2:
            raise ValueError("a start has other keys than there are")
        if counts.sum() != len(centroids):
            raise ValueError(f"the starts have {counts.sum()} centroids, not {len(centroids)}")

    def points_of(self, block: Block) -> PointArray:
        """Return what of the rows is compared with centroids, shape (n, d)."""
        return block.points

    def _keys(self, state: State) -> int:
        """Return how many keys the clusters of all starts have."""
        return int(_starts(state).sum(axis=1).max())


def key_ranges(counts: Iterable[int]) -> list[range]:
    """Return the keys of each start's clusters, in the order of their centroids, given how many these are."""
    return [range(*bounds) for bounds in pairwise(accumulate(counts, initial=0))]


def state_of(keys: Iterable[range], starts: Iterable[FloatArray]) -> dict[str, FloatArray | LongArray]:
    """Return the state for several starts, given their clusters' keys, and their centroids of shape (k, d).

    Its "starts", int64, shape (starts, 2), are each one's first key and number of clusters.
    """
    counts = [(own.start, len(own)) for own in keys]
    return {"centroids": all_of(starts), "starts": np.array(counts, np.int64)}


def all_of(starts: Iterable[FloatArray]) -> FloatArray:
    """Return the centroids of starts one after the other; those of one alone are not copied."""
    first, *others = starts
    return np.concatenate([first, *others]) if others else first


@dataclass(frozen=True)
class Score(CentroidsJob):
    """Measure the clusters.

    Result: per cluster with members one row: their number, then the limbs of the exact sum of their
    squared distances; `grid` has one column.
    """

    grid: SumGrid

    name: ClassVar[str] = "score"
    aggregates: ClassVar[bool] = True
    takes_float32: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def check(self, state: State, columns: int) -> None:
        """Refuse a grid of more than one column, too."""
        super().check(state, columns)
        if self.grid.columns != 1:
            raise ValueError(f"the grid has {self.grid.columns} columns, the distances 1")

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the clusters, and a number with the limbs of a sum."""
        return self._keys(state), 1 + self.grid.limbs

    def map(self, block: Block, state: State) -> Records:
        """Sum up a block, by cluster."""
        parts, points = [], self.points_of(block)
        for first_key, centroids in starts_of(state):
            parts.append(self.measure(first_key, block, centroids, *nearest(points, centroids)))
        return Records.concatenate(parts)

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Take the labels that an iteration has left."""
        parts = []
        for first_key, centroids in starts_of(state):
            found = _known_nearest(self.points_of(rows), centroids, memory)
            if found is None:
                return None
            parts.append(self.measure(first_key, rows, centroids, *found))
        return Records.concatenate(parts)

    def measure(
        self, first_key: int, rows: Block, centroids: FloatArray, labels: IntArray, squared: FloatArray
    ) -> Records:
        """Sum up rows whose nearest centroids of a start, and squared distances to these, are known."""
        add = self._add_compiled if worth_compiled_code(rows.points, len(centroids)) else self._add
        return members(first_key, add(labels, squared, len(centroids)))

    def _add(self, labels: IntArray, squared: FloatArray, k: int) -> FloatArray:
        """Return each cluster's count and limbs, shape (k, 1 + limbs)."""
        return sum_by_key(labels, np.vstack([np.ones(len(labels)), self.grid.cut(squared[:, None])[:, 0]]), k)

    def _add_compiled(self, labels: IntArray, squared: FloatArray, k: int) -> FloatArray:
        from common.kernels.limbs import add_numbers

        counts, sums = np.zeros(k), np.zeros((k, self.grid.limbs))
        add_numbers(labels, squared, self.grid.constants, counts, sums)
        return np.column_stack([counts, sums])

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add up; limbs add without rounding."""
        return sum_all(values.T)[None]

    def total(self, clusters: FloatArray) -> tuple[LongArray | FloatArray, float]:
        """Return the sizes and the inertia of a start's clusters, a row each, as `reduce` returns them."""
        return clusters[:, 0].astype(np.int64), math.fsum(clusters[:, 1:].ravel().tolist())


@dataclass(frozen=True)
class Spread(Score):
    """Measure how far all rows are from one point, under a name of its own in the log and the folders."""

    name: ClassVar[str] = "spread"

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Map all rows at once if compiled code does it: that is for more distances than a block has."""
        return self.map(rows, state) if worth_compiled_code(rows.points, 1) else None


@dataclass(frozen=True)
class FarthestRows(CentroidsJob):
    """Find the `limit` points farthest from their nearest centroids; ties go to the lowest row.

    Points that equal their centroid do not count. Result: under key 0, rows of (squared distance, row index,
    point), farthest first.
    """

    limit: int

    name: ClassVar[str] = "farthest"
    beside_point: ClassVar[int | None] = 2
    aggregates: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def map(self, block: Block, state: State) -> Records:
        """Keep the block's farthest."""
        return self._pick(block, centroids_of(state), *nearest(self.points_of(block), centroids_of(state)))

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Take the labels that an iteration has left."""
        found = _known_nearest(self.points_of(rows), centroids_of(state), memory)
        return None if found is None else self._pick(rows, centroids_of(state), *found)

    def _pick(self, block: Block, centroids: FloatArray, labels: IntArray, squared: FloatArray) -> Records:
        points, may_move = self.points_of(block), self._may_move(block)
        far = may_move & (squared > 0)
        if np.count_nonzero(far) < self.limit:  # squares of small differences vanish
            far = may_move & _differ(points, centroids, labels)
        places = np.flatnonzero(far)
        kept = places[self._farthest(squared[places], places)]
        farthest = points.take(kept, axis=0)
        return Records.of_key(0, np.column_stack([squared[kept], block.row_start + kept, farthest]))

    def _may_move(self, block: Block) -> BoolArray:
        """Tell which rows may leave their clusters."""
        return np.ones(len(block.points), np.bool_)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Keep the farthest over all."""
        return values[self._farthest(values[:, 0], values[:, 1])]

    def _farthest(self, squared: FloatArray, rows: FloatArray | LongArray) -> LongArray:
        order: LongArray = np.lexsort((rows, -squared))
        return order[: self.limit]


def _differ(points: PointArray, centroids: FloatArray, labels: IntArray) -> BoolArray:
    """Tell which points are not where the centroids of their labels are."""
    pieces = np.array_split(np.arange(len(labels)), 1 + labels.size * centroids.shape[1] // _PIECE_NUMBERS)
    return np.concatenate([(points.take(i, axis=0) != centroids[labels[i]]).any(axis=1) for i in pieces])


@dataclass(frozen=True)
class Label(CentroidsJob):
    """Name each row's nearest centroid. The map output, in input order, is the result."""

    name: ClassVar[str] = "label"
    maps_at_once: ClassVar[bool] = True
    takes_float32: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def map(self, block: Block, state: State) -> Records:
        """Give each row its cluster as the key, and no value."""
        return _named(labels_of(self.points_of(block), centroids_of(state)))

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Take the labels that an iteration has left."""
        labels = _known_labels(centroids_of(state), memory)
        return None if labels is None else _named(labels)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return what it is given; nothing is reduced here."""
        return values


def _named(labels: IntArray) -> Records:
    return Records(labels, np.empty((len(labels), 0)))


def _known_nearest(
    points: PointArray | SparseRows, centroids: FloatArray, memory: Memory
) -> tuple[IntArray, FloatArray] | None:
    """Find what `nearest` finds by what an iteration has left; None if there is nothing."""
    labels = _known_labels(centroids, memory)
    if labels is None:
        return None
    if isinstance(points, SparseRows):
        from common.kernels.sparse_nearest import squared_to_own

        return labels, squared_to_own(points, labels, centroids)
    from common.kernels.nearest.plain import squared_to

    return labels, squared_to(points, centroids, labels)


def _known_labels(centroids: FloatArray, memory: Memory) -> IntArray | None:
    index = memory.pop(KEPT_BOUNDS, None)  # taken, so that nobody else works with it meanwhile
    if index is None:
        return None
    labels: IntArray | None = index.labels(centroids)
    memory[KEPT_BOUNDS] = index
    return labels


def members(first_key: int, partials: FloatArray) -> Records:
    """Put partials, a row a cluster with the count first, under their keys; none without members."""
    filled = np.flatnonzero(partials[:, 0])
    kept = partials if len(filled) == len(partials) else partials[filled]  # they may be wide
    return Records((filled + first_key).astype(np.int32), kept)


def starts_of(state: State) -> Iterator[tuple[int, FloatArray]]:
    """Yield each start's first key and its centroids, shape (k, d)."""
    centroids, stop = centroids_of(state), 0
    for first_key, count in _starts(state).tolist():
        stop += count
        yield first_key, centroids[stop - count : stop]


def _starts(state: State) -> LongArray:
    """Return the first key and the number of clusters of each start."""
    alone: LongArray = np.array([[0, len(state["centroids"])]])
    return cast(LongArray, state.get("starts", alone))


def centroids_of(state: State) -> FloatArray:
    """Return a state's centroids as compiled code takes them."""
    return np.ascontiguousarray(state["centroids"], np.float64)
