"""What the input's ranges are, and how good centroids are; all sums exact."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from common.jobs.base import Engine
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import FarthestRows, Score, Spread, all_of, key_ranges, state_of
from common.jobs.lloyd import LloydStep
from common.jobs.measures import Dispersion, Means, Silhouette
from common.jobs.rows import Describe, FirstDistinctRows, SquaredDeviationsOfRows, take_rows
from common.kernels.exact import LOWEST_EXPONENT, SumGrid, last_bit
from common.model import FloatArray, Key, LongArray

_PIECE_NUMBERS = 1 << 16
"""Of a piece of centroids, of which copies are made; with thousands of columns, copies take much memory."""


@dataclass(frozen=True)
class Jobs:
    """The jobs of K-Means for rows of a kind."""

    score: type[Score] = Score
    candidates: type[Score] = WeighCandidates
    spread: type[Score] = Spread
    sample: type[SampleRows] = SampleRows
    farthest: type[FarthestRows] = FarthestRows
    distinct: type[FirstDistinctRows] = FirstDistinctRows


@dataclass(frozen=True)
class Ranges:
    """The input's rows and, per column, its range; and what follows for the jobs.

    Parameters
    ----------
    rows
        Number of rows.
    lowest, highest
        Per column, the least and the greatest value.
    smallest
        Per column, the least magnitude that is not zero; 0 where all are.
    """

    rows: int
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    smallest: tuple[float, ...]

    jobs: ClassVar[Jobs] = Jobs()

    def step(self) -> LloydStep:
        """Return the job of an iteration."""
        return LloydStep(self.column_grid())

    def scoring(self, kind: type[Score], centroids: FloatArray) -> Score:
        """Return the job that measures centroids of shape (k, d)."""
        return kind(self.distance_grid(centroids))

    def weighing(self) -> Score:
        """Return the job that measures candidates, which are rows of the input."""
        return self.scoring(self.jobs.candidates, np.array([self.lowest, self.highest]))

    def means(self) -> LloydStep:
        """Return the job that finds the means of clusters."""
        return Means(self.column_grid())

    def deviations(self, means: FloatArray) -> SquaredDeviationsOfRows:
        """Return the job that adds up squared deviations from the columns' means, shape (d,)."""
        largest, bits = self.squared_deviations(means)
        smallest = [math.ldexp(1.0, bit) for bit in bits]
        return SquaredDeviationsOfRows(SumGrid.covering(largest, smallest, self.rows))

    def dispersion(self, means: FloatArray) -> Dispersion:
        """Return the job that measures how far rows are from the means of clusters, shape (k, d)."""
        largest, bit = self.distances(means)
        square = math.ldexp(1.0, bit)
        grid = SumGrid.covering([largest, math.sqrt(largest)], [square, math.sqrt(square)], self.rows)
        return Dispersion(grid)

    def silhouette(self) -> Silhouette:
        """Return the job that adds up silhouettes, which are multiples of 2**-53."""
        return Silhouette(SumGrid.covering([1.0, 1.0], [0.5, 0.5], self.rows))

    def draw_one(self, engine: Engine, rng: np.random.Generator) -> FloatArray:
        """Draw a row, each as likely as any other, shape (1, d)."""
        return take_rows(engine, rng.integers(self.rows, size=1))

    def draw(self, engine: Engine, limit: int, rng: np.random.Generator) -> Callable[[int], FloatArray]:
        """Draw different rows; return a function that fetches the first so many of them, shape (n, d)."""
        drawn = rng.choice(self.rows, min(self.rows, limit), replace=False)
        return lambda n: take_rows(engine, drawn[:n])

    @cached_property
    def magnitudes(self) -> tuple[float, ...]:
        """Per column, the greatest magnitude."""
        found: list[float] = np.maximum(np.negative(self.lowest), self.highest).tolist()
        return tuple(found)

    @cached_property
    def widest(self) -> float:
        """The range of the widest column."""
        return float(np.subtract(self.highest, self.lowest).max())

    def column_grid(self) -> SumGrid:
        """Return the cuts for exact sums of the columns."""
        return SumGrid.covering(self.magnitudes, self.smallest, self.rows)

    def distance_grid(self, centroids: FloatArray) -> SumGrid:
        """Return the cuts for exact sums of squared distances to centroids of shape (k, d)."""
        largest, bit = self.distances(centroids)
        return SumGrid.covering([largest], [math.ldexp(1.0, bit)], self.rows)

    def squared_deviations(self, means: FloatArray) -> tuple[list[float], list[int]]:
        """Bound each column's squared deviations from its mean; and tell what powers of two divide them."""
        largest = [2.0 * (most + abs(mean)) ** 2 for most, mean in zip(self.magnitudes, means, strict=True)]
        return largest, [_bit_of_squares(column) for column in np.column_stack([self.smallest, means])]

    def distances(self, centroids: FloatArray) -> tuple[float, int]:
        """Bound squared distances to centroids of shape (k, d); and tell what power of two divides them."""
        largest = np.maximum(centroids.max(axis=0), -centroids.min(axis=0)) + self.magnitudes
        # Doubling covers the sum's rounding.
        bit = _bit_of_squares(self.smallest, centroids)
        return 2.0 * math.fsum(largest**2), bit


def _bit_of_squares(*points: FloatArray | Sequence[float]) -> int:
    """Return the exponent of a power of two that divides all squared differences of the points' numbers."""
    # All are multiples of the last bit of the least one that is not 0, so differences are, too.
    least = min(_least_magnitude(np.asarray(point)) for point in points)
    return max(2 * last_bit(least), LOWEST_EXPONENT) if math.isfinite(least) else 0


def _least_magnitude(numbers: FloatArray) -> float:
    """Return the least magnitude that is not 0; infinity if all are."""
    pieces = np.array_split(numbers.ravel(), 1 + numbers.size // _PIECE_NUMBERS)
    return min(float(np.abs(piece[piece != 0]).min(initial=np.inf)) for piece in pieces)


@dataclass(frozen=True)
class SpreadAround:
    """The sum of all rows' squared distances to one point, exact but for its rounding.

    When each centroid is the mean of its members, the inertia follows without another look at the rows: it is
    `total` less the sum of size * (squared distance of the centroid to the point).
    """

    point: FloatArray
    total: float

    def inertia(self, centroids: FloatArray, sizes: LongArray | FloatArray) -> float | None:
        """Return the inertia of centroids, shape (k, d), that are the means of so many members, shape (k,).

        None if rounding leaves less than three digits of it: the clusters are tiny, or far from the origin.
        """
        squared = ((centroids - self.point) ** 2).sum(axis=1)
        inertia = self.total - math.fsum(sizes * squared)
        # A centroid's own rounding, relative to its size, counts twice its distance to the point.
        uncertain = squared + np.sqrt(squared) * np.sqrt((centroids**2).sum(axis=1))
        error = 2.0**-50 * math.fsum([self.total, *(sizes * uncertain).tolist()])
        # Twelve digits are shown: the last ones differ from those of the sum over all rows.
        return float(f"{inertia:.12g}") if error < 1e-3 * inertia else None


def measure_spread(engine: Engine, ranges: Ranges) -> SpreadAround:
    """Measure the input's spread around the middle of its ranges."""
    middle = (np.array(ranges.lowest) + np.array(ranges.highest)) / 2
    ((_, total),) = score(engine, ranges, [middle[None]], ranges.scoring(ranges.jobs.spread, middle[None]))
    return SpreadAround(middle, total)


def describe(engine: Engine, rows: int) -> Ranges:
    """Find the ranges of an input of that many rows."""
    return ranges_of_columns(rows, engine.map_reduce(Describe(), {}))


def ranges_of_columns(rows: int, found: Mapping[Key, FloatArray]) -> Ranges:
    """Return the ranges that a job has found, for an input of that many rows."""
    ranges = np.concatenate([found[column] for column in sorted(found)])
    ranges[np.isinf(ranges[:, 2]), 2] = 0.0
    lowest, highest, smallest = map(tuple, ranges.T.tolist())
    return Ranges(rows, lowest, highest, smallest)


def score(
    engine: Engine, ranges: Ranges, starts: Sequence[FloatArray], job: Score | None = None
) -> list[tuple[LongArray | FloatArray, float]]:
    """Measure the centroids of several starts, each of shape (k, d), by a job if that is not the usual one.

    Returns
    -------
    list of (sizes, inertia), one a start
        Shape (k,): rows nearest to each, or their weight. And the sum of all rows' squared distances to their
        nearest centroids, rounded once.
    """
    job = job or ranges.scoring(ranges.jobs.score, all_of(starts))
    keys = key_ranges(map(len, starts))
    found = engine.map_reduce(job, state_of(keys, starts))
    empty = np.zeros((1, 1 + job.grid.limbs * job.grid.columns))
    clusters = [np.concatenate([found.get(key, empty) for key in each]) for each in keys]
    return [job.total(each) for each in clusters]
