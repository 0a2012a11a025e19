"""Rows with weights, which stand in the input's last column: what follows for the jobs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from common.errors import UsageError
from common.jobs.base import Engine
from common.jobs.centroids import Label, Score
from common.jobs.lloyd import LloydStep
from common.jobs.weighted import (
    DrawByWeight,
    WeightedCandidates,
    WeightedDescribe,
    WeightedDeviations,
    WeightedDistinct,
    WeightedFarthest,
    WeightedLabel,
    WeightedLloydStep,
    WeightedSample,
    WeightedScore,
    WeightedSpread,
)
from common.jobs.weighted_measures import WeightedDispersion, WeightedMeans, WeightedSilhouette
from common.kernels.exact import LOWEST_EXPONENT, SumGrid, last_bit
from common.model import FloatArray, Input
from master.algorithms.kmeans.score import Jobs, Ranges, describe, ranges_of_columns

_MOST_EXPONENT = 960
"""Of a number that is cut into limbs: far enough below where float64 ends."""


@dataclass(frozen=True)
class WeightedRanges(Ranges):
    """The ranges of the columns that are clustered, and of the weights, in rows that weigh anything."""

    heaviest: float
    lightest: float
    jobs: ClassVar[Jobs] = Jobs(
        WeightedScore,
        WeightedCandidates,
        WeightedSpread,
        WeightedSample,
        WeightedFarthest,
        WeightedDistinct,
    )

    def step(self) -> LloydStep:
        """Return the job of an iteration."""
        return WeightedLloydStep(*self._column_products())

    def scoring(self, kind: type[Score], centroids: FloatArray) -> Score:
        """Return the job that measures centroids of shape (k, d)."""
        largest, bit = self.distances(centroids)
        return cast(type[WeightedScore], kind)(*self._products([largest], [bit]))

    def means(self) -> LloydStep:
        """Return the job that finds the means of clusters."""
        return WeightedMeans(*self._column_products())

    def deviations(self, means: FloatArray) -> WeightedDeviations:
        """Return the job that adds up squared deviations from the columns' means, shape (d,)."""
        return WeightedDeviations(*self._products(*self.squared_deviations(means)))

    def dispersion(self, means: FloatArray) -> WeightedDispersion:
        """Return the job that measures how far rows are from the means of clusters, shape (k, d)."""
        largest, bit = self.distances(means)
        bits = [bit, last_bit(math.sqrt(math.ldexp(1.0, bit)))]
        return WeightedDispersion(*self._products([largest, math.sqrt(largest)], bits))

    def silhouette(self) -> WeightedSilhouette:
        """Return the job that adds up silhouettes, which are multiples of 2**-53."""
        return WeightedSilhouette(*self._products([1.0, 1.0], [-53, -53]))

    def draw_one(self, engine: Engine, rng: np.random.Generator) -> FloatArray:
        """Draw a row by its weight, shape (1, d)."""
        return self.draw(engine, 1, rng)(1)

    def draw(self, engine: Engine, limit: int, rng: np.random.Generator) -> Callable[[int], FloatArray]:
        """Draw different rows by their weights; return a function that gives the first so many of them."""
        drawn = engine.map_reduce(DrawByWeight(limit, int(rng.integers(2**63))), {})[0][:, 2:]
        return lambda n: drawn[:n]

    def _column_products(self) -> tuple[SumGrid, int]:
        bits = [last_bit(value) if value else None for value in self.smallest]
        return self._products(self.magnitudes, bits)

    def _products(self, largest: Sequence[float], bits: Sequence[int | None]) -> tuple[SumGrid, int]:
        """Return the cuts for exact sums of products with weights, and of weights; and how far to shift them.

        The numbers are at most so large, and multiples of two to the power of `bits`; None where all are 0.
        A product has the last bits of both, and they must not be below those of float64.
        """
        weight_bit = last_bit(self.lightest)
        lowest = [0 if bit is None else bit for bit in bits]
        shift = max(0, LOWEST_EXPONENT - weight_bit - min(0, *lowest))
        tops = [value * self.heaviest for value in (*largest, 1.0)]
        if math.isinf(max(tops)) or math.frexp(max(tops))[1] + shift > _MOST_EXPONENT:
            raise UsageError(
                f"the weights, from {self.lightest:.3g} to {self.heaviest:.3g}, and the values of the input "
                "differ too much in size to be multiplied and added exactly; scale them"
            )
        # A number of this size may have its last bit there.
        smallest = [
            0.0 if bit is None else math.ldexp(1.0, bit + weight_bit + shift + 52) for bit in (*bits, 0)
        ]
        grid = SumGrid.covering([math.ldexp(top, shift) for top in tops], smallest, 2 * self.rows)
        return grid, shift


def ranges_of(engine: Engine, rows: int, weights: str | None) -> Ranges:
    """Find the ranges of an input of that many rows; `weights` names its column of weights, if it has one."""
    return describe(engine, rows) if weights is None else _describe_weighted(engine, rows, weights)


def _describe_weighted(engine: Engine, rows: int, weights: str) -> WeightedRanges:
    """Find the ranges of an input of that many rows with weights; UsageError if all of these are 0."""
    if not (columns := engine.map_reduce(WeightedDescribe(), {})):
        raise UsageError(f"--weights {weights}: all weights are 0")
    found = ranges_of_columns(rows, columns)
    heaviest, lightest = found.highest[-1], found.lowest[-1]
    ranges = (found.lowest[:-1], found.highest[:-1], found.smallest[:-1])
    return WeightedRanges(rows, *ranges, heaviest, lightest)


def labelling(weights: str | None) -> Label:
    """Return the job that labels rows; `weights` names their column of weights, if they have one."""
    return Label() if weights is None else WeightedLabel()


def points_in(source: Input) -> int:
    """Return how many columns are clustered."""
    return len(source.columns) - source.has_weights
