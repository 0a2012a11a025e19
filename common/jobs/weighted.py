"""The jobs of K-Means for rows with weights, which stand in the last column.

A row of weight w counts as w rows of weight 1 would, and a row of weight 0 as none; it only gets a label. A
weight times a number is two float64 numbers, exactly, and both are added exactly (`two_product`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from common.jobs.base import Job, Memory, check_floats
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import CentroidsJob, FarthestRows, Label, Score, Spread, members
from common.jobs.lloyd import LloydStep
from common.jobs.rows import Describe, FirstDistinctRows, SquaredDeviationsOfRows
from common.jobs.weights import points_of, sum_products, weighing, weights_of
from common.kernels.draws import uniforms
from common.kernels.exact import round_once, sum_all
from common.kernels.sparse import SparseRows
from common.model import Block, BoolArray, FloatArray, IntArray, Key, LongArray, PointArray, Records, State

if TYPE_CHECKING:  # compiled code takes half a second to import
    from common.kernels.sparse_sums import SparseSums


class Weighted(CentroidsJob):
    """A job that leaves the weights out of what it compares with centroids."""

    def check(self, state: State, columns: int) -> None:
        """Expect centroids that are as wide as the rows without their weights."""
        super().check(state, columns - 1)

    def result_shape(self, state: State, columns: int) -> tuple[int, int] | None:
        """Return what it is for rows without weights."""
        return super().result_shape(state, columns - 1)

    def points_of(self, block: Block) -> PointArray:
        """Return the rows without their weights."""
        return points_of(block)


@dataclass(frozen=True)
class WeightedLloydStep(Weighted, LloydStep):
    """One iteration of Lloyd's algorithm with weights.

    The columns of `grid` are those of the input, each times the weight, and the weight, all of it times
    2**shift. A centroid is the exact sum of its members times their weights, rounded once, divided by the
    exact sum of their weights, rounded once; that is the cluster's size. A cluster without weight is empty.
    """

    shift: int

    name: ClassVar[str] = "weighted_lloyd"

    def check(self, state: State, columns: int) -> None:
        """Refuse a grid that is not as wide as the rows with their weights, too."""
        CentroidsJob.check(self, state, columns - 1)
        if self.grid.columns != columns:
            raise ValueError(f"the grid has {self.grid.columns} columns, the input {columns}")

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the clusters, and a centroid with its weight."""
        return self._keys(state), columns

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Have each block mapped and combined, but for sparse rows."""
        if isinstance(rows.rows, SparseRows):
            return super().summarize(rows, state, memory)
        return None

    def _sparse_sums(self, rows: Block) -> "SparseSums":
        from common.kernels.sparse_sums import WeightedSparseSums

        weights = np.ldexp(weights_of(rows), self.shift)
        return WeightedSparseSums(cast(SparseRows, points_of(rows)), weights, self.grid)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return the members' weighted mean and their weight, shape (1, d + 1); nothing if they have none."""
        if not self._are_partials(values):
            values = self._partials(*self._sum_rows(np.zeros(len(values), np.int64), values, 1))
        sums = self._sums(sum_all(values.T)[None])
        if not sums[0, -1]:
            return np.empty((0, sums.shape[1]))
        return np.hstack([sums[:, :-1] / sums[:, -1:], np.ldexp(sums[:, -1:], -self.shift)])

    def reduce_runs(self, runs: Sequence[Records]) -> Records:
        """Reduce one key after the other, for one without weight has no result."""
        return Job.reduce_runs(self, runs)

    def _sum_rows(self, keys: LongArray, rows: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
        rows = np.asarray(rows, np.float64)
        return sum_products(self.grid, keys, rows[:, :-1], np.ldexp(rows[:, -1], self.shift), k)


@dataclass(frozen=True)
class WeightedScore(Weighted, Score):
    """Measure the clusters, each row by its weight.

    The columns of `grid` are the weighted squared distance, and the weight, both times 2**shift. Result: per
    cluster with members one row: the number of those that weigh anything, then the limbs of both sums.
    """

    shift: int

    name: ClassVar[str] = "weighted_score"

    def check(self, state: State, columns: int) -> None:
        """Refuse a grid of other than two columns, too."""
        CentroidsJob.check(self, state, columns - 1)
        if self.grid.columns != 2:
            raise ValueError(f"the grid has {self.grid.columns} columns, not one for distances and weights")

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the clusters, and a number with the limbs of two sums."""
        return self._keys(state), 1 + 2 * self.grid.limbs

    def measure(
        self, first_key: int, rows: Block, centroids: FloatArray, labels: IntArray, squared: FloatArray
    ) -> Records:
        """Sum up rows whose nearest centroids of a start, and squared distances to these, are known."""
        weights = np.ldexp(weights_of(rows), self.shift)
        counts, limbs = sum_products(self.grid, labels, squared[:, None], weights, len(centroids))
        return members(first_key, np.column_stack([counts, limbs]))

    def total(self, clusters: FloatArray) -> tuple[LongArray | FloatArray, float]:
        """Return the weights and the weighted inertia of a start's clusters."""
        limbs = clusters[:, 1:].reshape(-1, self.grid.limbs, 2)
        inertia = round_once(limbs[:, :, 0].reshape(-1, 1))
        sizes = np.ldexp(round_once(limbs[:, :, 1].T), -self.shift)
        return sizes, float(np.ldexp(inertia, -self.shift)[0])


@dataclass(frozen=True)
class WeightedCandidates(WeightedScore, WeighCandidates):
    """Measure the candidates of one start: each weighs what the rows nearest to it do."""

    name: ClassVar[str] = "weighted_weigh"


@dataclass(frozen=True)
class WeightedSpread(WeightedScore, Spread):
    """Measure how far all rows are from one point, each by its weight."""

    name: ClassVar[str] = "weighted_spread"

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Leave it to `map`: rows without their weights are a copy, which only a block may be."""
        return None


@dataclass(frozen=True)
class WeightedSample(Weighted, SampleRows):
    """One round of k-means||: draw rows with probabilities proportional to weight times squared distance."""

    name: ClassVar[str] = "weighted_sample"

    def _pull(self, block: Block, squared: FloatArray) -> FloatArray:
        return squared * weights_of(block)


@dataclass(frozen=True)
class WeightedFarthest(Weighted, FarthestRows):
    """Find the farthest points that weigh anything."""

    name: ClassVar[str] = "weighted_farthest"

    def _may_move(self, block: Block) -> BoolArray:
        return weights_of(block) > 0


@dataclass(frozen=True)
class WeightedLabel(Weighted, Label):
    """Name each row's nearest centroid, whatever the row weighs."""

    name: ClassVar[str] = "weighted_label"


@dataclass(frozen=True)
class WeightedDescribe(Describe):
    """Find the range of each column, and of the weights, in rows that weigh anything."""

    name: ClassVar[str] = "weighted_describe"

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Have each block mapped."""
        return None

    def map(self, block: Block, state: State) -> Records:
        """Leave out what weighs nothing; the key of the weights comes after those of the columns."""
        kept, points, weights = weighing(block)
        if not kept.size:
            return Records.empty()
        of_weights = super().map(Block(weights[:, None], 0), state)
        key = np.int32(points.points.shape[1])
        return Records.concatenate(
            [super().map(points, state), Records(of_weights.keys + key, of_weights.values)]
        )


@dataclass(frozen=True)
class WeightedDeviations(SquaredDeviationsOfRows):
    """Add up each column's squared deviations from state["means"], each by its weight, exactly.

    The columns of `grid` are the weighted squares, and the weight, all of it times 2**shift.
    """

    shift: int

    name: ClassVar[str] = "weighted_squares"

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if there is not one mean for each column, and one column of the grid more."""
        check_floats(state, means=(columns - 1,))
        if self.grid.columns != columns:
            raise ValueError(f"the grid has {self.grid.columns} columns, the input {columns}")

    def map(self, block: Block, state: State) -> Records:
        """Add a block up."""
        squared = (block.points[:, :-1] - state["means"]) ** 2
        weights = np.ldexp(weights_of(block), self.shift)
        _, sums = sum_products(self.grid, np.zeros(len(squared), np.int32), squared, weights, 1)
        return Records.of_key(0, sums[: len(squared)])

    def sums(self, found: FloatArray) -> FloatArray:
        """Return each column's sum, rounded once, of what `reduce` returned."""
        return np.ldexp(super().sums(found)[:-1], -self.shift)


@dataclass(frozen=True)
class WeightedDistinct(FirstDistinctRows):
    """Find the first distinct points that weigh anything."""

    name: ClassVar[str] = "weighted_distinct"

    def result_shape(self, state: State, columns: int) -> tuple[int, int] | None:
        """Return what it is for rows without weights."""
        return super().result_shape(state, columns - 1)

    def map(self, block: Block, state: State) -> Records:
        """Leave out what weighs nothing; then the row's index, too, is found by its place."""
        kept, points, _ = weighing(block)
        found = super().map(points, state)
        found.values[:, 0] = block.row_start + kept[found.values[:, 0].astype(np.int64)]
        return found


@dataclass(frozen=True)
class DrawByWeight(Job):
    """Draw `limit` rows, one after another, each with a probability proportional to its weight.

    Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (Information Processing Letters 97,
    2006): the rows of least -log(u) / weight, with one uniform number u for each row.

    Result: under key 0, rows of (that quotient, row index, point), in the order drawn.
    """

    limit: int
    seed: int

    name: ClassVar[str] = "draw"
    beside_point: ClassVar[int | None] = 2
    aggregates: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def result_shape(self, state: State, columns: int) -> tuple[int, int] | None:
        """Return what it is for rows without weights."""
        return super().result_shape(state, columns - 1)

    def map(self, block: Block, state: State) -> Records:
        """Draw from a block."""
        from common.kernels.logistic.elementary import logs

        rows, points, weights = weighing(block)
        draws = 1 - uniforms(self.seed, 0, block.row_start, len(block.points))[rows]
        with np.errstate(over="ignore"):
            waits = np.minimum(-logs(draws) / weights, np.finfo(np.float64).max)
        first = self._first(waits, rows)
        chosen = points.points.take(first, axis=0)
        return Records.of_key(0, np.column_stack([waits[first], block.row_start + rows[first], chosen]))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Keep the first ones over all."""
        return values[self._first(values[:, 0], values[:, 1])]

    def _first(self, waits: FloatArray, rows: FloatArray | LongArray) -> LongArray:
        order: LongArray = np.lexsort((rows, waits))
        return order[: self.limit]
