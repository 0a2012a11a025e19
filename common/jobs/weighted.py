"""The jobs of K-Means for rows with weights, which stand in the last column.

A row of weight w counts as w rows of weight 1 would, and a row of weight 0 as none; it only gets a label. A
weight times a number is two float64 numbers, exactly, and both are added exactly (`two_product`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Job, Memory, check_floats
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import CentroidsJob, FarthestRows, Label, Score, Spread, members
from common.jobs.lloyd import LloydStep
from common.jobs.rows import Describe, FirstDistinctRows, SquaredDeviationsOfRows
from common.kernels.draws import uniforms
from common.kernels.exact import SumGrid, round_once, sum_all, sum_by_key, two_product
from common.kernels.nearest.distance import worth_compiled_code
from common.model import Block, BoolArray, FloatArray, IntArray, Key, LongArray, Records, State


class Weighted(CentroidsJob):
    """A job that leaves the weights out of what it compares with centroids."""

    def check(self, state: State, columns: int) -> None:
        """Expect centroids that are as wide as the rows without their weights."""
        super().check(state, columns - 1)

    def result_shape(self, state: State, columns: int) -> tuple[int, int] | None:
        """Return what it is for rows without weights."""
        return super().result_shape(state, columns - 1)

    def points_of(self, block: Block) -> FloatArray:
        """Return the rows without their weights."""
        return block.points[:, :-1]


def weights_of(block: Block) -> FloatArray:
    """Return the weights of a block's rows, shape (n,)."""
    return np.asarray(block.points[:, -1], np.float64)


def sum_products(
    grid: SumGrid, keys: IntArray | LongArray, rows: FloatArray, weights: FloatArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """Add rows times weights, shape (n, d) and (n,), and the weights, exactly, by key.

    Return each key's number of rows that weigh anything, shape (k,), and limbs, shape (k, limbs * (d + 1)).
    """
    counts, sums = np.zeros(k), np.zeros((k, grid.limbs * grid.columns))
    if worth_compiled_code(rows, grid.limbs):
        from common.kernels.limbs import add_weighted

        rows, weights = np.ascontiguousarray(rows, np.float64), np.ascontiguousarray(weights)
        add_weighted(keys.astype(np.int32), rows, weights, grid.constants, counts, sums)
        return counts, sums
    high, low = two_product(rows, weights[:, None])
    limbs = grid.cut(np.column_stack([high, weights]))
    limbs += grid.cut(np.column_stack([low, np.zeros(len(weights))]))
    counts += np.bincount(keys, weights > 0, k)
    return counts, sum_by_key(keys, limbs.reshape(sums.shape[1], -1), k)


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
        """Have each block mapped and combined."""
        return None

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return the members' weighted mean and their weight, shape (1, d + 1); nothing if they have none."""
        if not self._are_partials(values):
            values = self._partials(*self._sum_rows(np.zeros(len(values), np.int64), values, 1))
        sums = self._sums(sum_all(values.T)[None])
        if not sums[0, -1]:
            return np.empty((0, sums.shape[1]))
        return np.hstack([sums[:, :-1] / sums[:, -1:], np.ldexp(sums[:, -1:], -self.shift)])

    def reduce_all(self, runs: Sequence[Records]) -> Records | None:
        """Have each key reduced, for one without weight has no result."""
        return None

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

    def _may_move(self, block: Block, centroids: FloatArray) -> BoolArray:
        differ: BoolArray = super()._may_move(block, centroids) & (block.points[:, -1] > 0)
        return differ


@dataclass(frozen=True)
class WeightedLabel(Weighted, Label):
    """Name each row's nearest centroid, whatever the row weighs."""

    name: ClassVar[str] = "weighted_label"


@dataclass(frozen=True)
class WeightedDescribe(Describe):
    """Find the range of each column, and of the weights, in rows that weigh anything."""

    name: ClassVar[str] = "weighted_describe"

    def map(self, block: Block, state: State) -> Records:
        """Leave out what weighs nothing."""
        return super().map(Block(block.points[weights_of(block) > 0], 0), state)


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
        kept = np.flatnonzero(block.points[:, -1] > 0)
        found = super().map(Block(block.points[kept, :-1], 0), state)
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

    def result_shape(self, state: State, columns: int) -> tuple[int, int] | None:
        """Return what it is for rows without weights."""
        return super().result_shape(state, columns - 1)

    def map(self, block: Block, state: State) -> Records:
        """Draw from a block."""
        from common.kernels.logistic.elementary import logs

        weights = weights_of(block)
        rows = np.flatnonzero(weights > 0)
        draws = 1 - uniforms(self.seed, 0, block.row_start, len(weights))[rows]
        with np.errstate(over="ignore"):
            waits = np.minimum(-logs(draws) / weights[rows], np.finfo(np.float64).max)
        found = np.column_stack([waits, block.row_start + rows, block.points[rows, :-1]])
        return Records.of_key(0, self._first(found))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Keep the first ones over all."""
        return self._first(values)

    def _first(self, found: FloatArray) -> FloatArray:
        kept: FloatArray = found[np.lexsort((found[:, 1], found[:, 0]))[: self.limit]]
        return kept
