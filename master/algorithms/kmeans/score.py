"""What the input's ranges are, and how good centroids are; all sums exact."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.jobs.base import Engine
from common.jobs.centroids import Score, Spread, key_ranges, state_of
from common.jobs.rows import Describe
from common.kernels.exact import SumGrid, last_bit
from common.model import FloatArray, LongArray


@dataclass(frozen=True)
class Ranges:
    """The input's rows and, per column, its range.

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

    @property
    def magnitudes(self) -> tuple[float, ...]:
        """Per column, the greatest magnitude."""
        return tuple(max(-low, high) for low, high in zip(self.lowest, self.highest, strict=True))

    @property
    def widest(self) -> float:
        """The range of the widest column."""
        return max(high - low for low, high in zip(self.lowest, self.highest, strict=True))

    def column_grid(self) -> SumGrid:
        """Return the cuts for exact sums of the columns."""
        return SumGrid.covering(self.magnitudes, self.smallest, self.rows)

    def distance_grid(self, centroids: FloatArray) -> SumGrid:
        """Return the cuts for exact sums of squared distances to centroids of shape (k, d)."""
        largest, smallest = self._squared_distances(centroids)
        return SumGrid.covering([largest], [smallest], self.rows)

    def root_grid(self, centroids: FloatArray) -> SumGrid:
        """Return the cuts for exact sums of distances, not squared, to centroids of shape (k, d)."""
        largest, smallest = self._squared_distances(centroids)
        return SumGrid.covering([math.sqrt(largest)], [math.sqrt(smallest)], self.rows)

    def deviation_grid(self, means: FloatArray) -> SumGrid:
        """Return the cuts for exact sums of each column's squared deviations from its mean, shape (d,)."""
        largest = [2.0 * (most + abs(mean)) ** 2 for most, mean in zip(self.magnitudes, means, strict=True)]
        least = [_least_square(column) for column in zip(self.smallest, means, strict=True)]
        return SumGrid.covering(largest, least, self.rows)

    def _squared_distances(self, centroids: FloatArray) -> tuple[float, float]:
        """Return what no squared distance is greater than, and what none is less than that is not zero."""
        largest = np.abs(centroids).max(axis=0) + self.magnitudes
        # Doubling covers the sum's rounding.
        return 2.0 * math.fsum(largest**2), _least_square((*self.smallest, *centroids.ravel().tolist()))


def _least_square(numbers: Iterable[float]) -> float:
    """Return what no squared difference of such numbers is less than, unless it is zero."""
    # They are multiples of 2**q, so differences are too, and a square that is not zero is at least 2**(2q).
    q = min((last_bit(abs(x)) for x in numbers if x), default=0)
    return math.ldexp(1.0, max(2 * q, -1074))


@dataclass(frozen=True)
class SpreadAround:
    """The sum of all rows' squared distances to one point, exact but for its rounding.

    When each centroid is the mean of its members, the inertia follows without another look at the rows: it is
    `total` less the sum of size * (squared distance of the centroid to the point).
    """

    point: FloatArray
    total: float

    def inertia(self, centroids: FloatArray, sizes: LongArray) -> float | None:
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
    ((_, total),) = score(engine, ranges, [middle[None]], Spread)
    return SpreadAround(middle, total)


def describe(engine: Engine, rows: int) -> Ranges:
    """Find the ranges of an input of that many rows."""
    found = engine.map_reduce(Describe(), {})
    lowest, highest, smallest = np.concatenate([found[column] for column in sorted(found)]).T.tolist()
    return Ranges(rows, tuple(lowest), tuple(highest), tuple(0.0 if math.isinf(x) else x for x in smallest))


def score(
    engine: Engine, ranges: Ranges, starts: Sequence[FloatArray], kind: type[Score] = Score
) -> list[tuple[LongArray, float]]:
    """Measure the centroids of several starts, each of shape (k, d).

    Returns
    -------
    list of (sizes, inertia), one a start
        Shape (k,): rows nearest to each. And the sum of all rows' squared distances to their nearest
        centroids, rounded once.
    """
    job = kind(ranges.distance_grid(np.concatenate([*starts])))
    keys = key_ranges(map(len, starts))
    found = engine.map_reduce(job, state_of(keys, starts))
    empty = np.zeros((1, 1 + job.grid.limbs))
    clusters = [np.concatenate([found.get(key, empty) for key in each]) for each in keys]
    return [(each[:, 0].astype(np.int64), math.fsum(each[:, 1:].ravel().tolist())) for each in clusters]
