"""The jobs that measure how well separated clusters are, for rows with weights; see `common.jobs.weighted`.

A row of weight w counts as w rows, for fractions, too: a cluster that weighs at most 1 has no other rows.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.measures import Dispersion, Means, MeasureJob, Silhouette
from common.jobs.weighted import Weighted, WeightedLloydStep
from common.jobs.weights import sum_products, weights_of
from common.model import Block, FloatArray, IntArray, State


@dataclass(frozen=True)
class WeightedMeans(WeightedLloydStep, Means):
    """The weighted means of clusters, and their weights."""

    name: ClassVar[str] = "weighted_means"


@dataclass(frozen=True)
class _WeightedMeasure(Weighted, MeasureJob):
    """Adds up each row's two numbers by its weight; the third sum is the weight, all of it times 2**shift."""

    shift: int

    summed: ClassVar[int] = 3

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return what it is for any rows."""
        return MeasureJob.result_shape(self, state, columns)

    def sums(self, found: FloatArray) -> FloatArray:
        """Return both sums of each key, without that of the weights."""
        return np.ldexp(super().sums(found)[:2], -self.shift)

    def _add(self, block: Block, keys: IntArray, numbers: FloatArray, k: int) -> FloatArray:
        weights = np.ldexp(weights_of(block), self.shift)
        return sum_products(self.grid, keys, numbers, weights, k)[1]


@dataclass(frozen=True)
class WeightedDispersion(_WeightedMeasure, Dispersion):
    """Add up how far each cluster's members are from its mean, each by its weight."""

    name: ClassVar[str] = "weighted_dispersion"


@dataclass(frozen=True)
class WeightedSilhouette(_WeightedMeasure, Silhouette):
    """Add up the silhouettes of all rows, each by its weight."""

    name: ClassVar[str] = "weighted_silhouette"
