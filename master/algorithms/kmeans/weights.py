"""Rows with weights, which stand in the input's last column: what follows for the jobs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from common.errors import UsageError
from common.jobs.base import Engine
from common.jobs.centroids import Score
from common.jobs.lloyd import LloydStep
from common.jobs.weighted import (
    DrawByWeight,
    WeightedCandidates,
    WeightedDistinct,
    WeightedFarthest,
    WeightedLabel,
    WeightedLloydStep,
    WeightedSample,
    WeightedScore,
    WeightedSpread,
)
from common.kernels.exact import LOWEST_EXPONENT, SumGrid, last_bit
from common.model import FloatArray
from master.algorithms.kmeans.score import Jobs, Ranges, describe

_MOST_EXPONENT = 960
"""Of a number that is cut into limbs: far enough below where float64 ends."""


@dataclass(frozen=True)
class WeightedRanges(Ranges):
    """The ranges of the columns that are clustered, and of the weights."""

    heaviest: float
    lightest: float
    """Of those that are not 0."""

    jobs: ClassVar[Jobs] = Jobs(
        WeightedScore,
        WeightedCandidates,
        WeightedSpread,
        WeightedSample,
        WeightedFarthest,
        WeightedDistinct,
        WeightedLabel,
    )

    def step(self) -> LloydStep:
        """Return the job of an iteration."""
        bits = [last_bit(value) if value else None for value in self.smallest]
        return WeightedLloydStep(*self._products(self.magnitudes, bits))

    def scoring(self, kind: type[Score], centroids: FloatArray) -> Score:
        """Return the job that measures centroids of shape (k, d)."""
        largest, bit = self.distances(centroids)
        return cast(type[WeightedScore], kind)(*self._products([largest], [bit]))

    def draw_one(self, engine: Engine, rng: np.random.Generator) -> FloatArray:
        """Draw a row by its weight, shape (1, d)."""
        return self.draw(engine, 1, rng)(1)

    def draw(self, engine: Engine, limit: int, rng: np.random.Generator) -> Callable[[int], FloatArray]:
        """Draw different rows by their weights; return a function that gives the first so many of them."""
        drawn = engine.map_reduce(DrawByWeight(limit, int(rng.integers(2**63))), {})[0][:, 2:]
        return lambda n: drawn[:n]

    def _products(self, largest: Sequence[float], bits: Sequence[int | None]) -> tuple[SumGrid, int]:
        """Return the cuts for exact sums of products with weights, and of weights; and how far to shift them.

        The numbers are at most so large, and multiples of two to the power of `bits`; None where all are 0.
        A product has the last bits of both, and they must not be below those of float64.
        """
        weight_bit = last_bit(self.lightest)
        lowest = [0 if bit is None else bit for bit in bits]
        shift = max(0, LOWEST_EXPONENT - weight_bit - min(0, *lowest))
        tops = [value * self.heaviest for value in (*largest, 1.0)]
        if math.frexp(max(tops))[1] + shift > _MOST_EXPONENT:
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
    found = describe(engine, rows)
    heaviest, lightest = found.highest[-1], found.smallest[-1]
    if not heaviest:
        raise UsageError(f"--weights {weights}: all weights are 0")
    ranges = (found.lowest[:-1], found.highest[:-1], found.smallest[:-1])
    return WeightedRanges(rows, *ranges, heaviest, lightest)
