"""How good clusters are, apart from their inertia: measures by which to choose their number.

Each is computed from exact sums, so it is the same on every engine, for any M and R. docs/CHOOSING_K.md says
what each measure is.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.jobs.base import Engine
from common.jobs.centroids import key_ranges, state_of
from common.kernels.nearest.distance import squared_distances
from common.model import FloatArray, Key, LongArray
from master.algorithms.kmeans.score import Ranges


@dataclass(frozen=True)
class Measures:
    """How good clusters are; None where it is not defined: for one cluster, and if there are no more rows."""

    calinski_harabasz: float | None = None
    davies_bouldin: float | None = None
    silhouette: float | None = None
    simplified_silhouette: float | None = None


MEASURES: Mapping[str, Callable[..., int]] = {
    "calinski_harabasz": max,
    "davies_bouldin": min,
    "silhouette": max,
    "simplified_silhouette": max,
}


def preferred(by_k: Mapping[int, Measures]) -> dict[str, int]:
    """Return the K that each measure prefers, of equal ones the least; none where it is defined for none."""
    found = {}
    for name, better in MEASURES.items():
        values = {k: getattr(by_k[k], name) for k in sorted(by_k)}
        if defined := [k for k, value in values.items() if value is not None]:
            found[name] = better(defined, key=values.__getitem__)
    return found


@dataclass(frozen=True)
class _Clusters:
    """The clusters of a start that have members, and what is known of them.

    `means` have shape (k, d), all else shape (k,). `squared` and `distances` are the sums over the members
    of their squared distances to the mean, and of their distances.
    """

    means: FloatArray
    sizes: FloatArray
    squared: FloatArray
    distances: FloatArray

    def calinski_harabasz(self) -> float:
        """Return the dispersion between clusters over that within, each by its degrees of freedom."""
        rows, k = math.fsum(self.sizes), len(self.sizes)
        middle = [math.fsum(column) / rows for column in (self.means * self.sizes[:, None]).T.tolist()]
        between = math.fsum(self.sizes * _squared_between(self.means, np.array([middle]))[0])
        within = math.fsum(self.squared)
        return between * (rows - k) / (within * (k - 1)) if within else 1.0

    def davies_bouldin(self) -> float:
        """Return the mean over the clusters of how much each is mixed up with the one most like it."""
        spreads = self.distances / self.sizes
        gaps = np.sqrt(_squared_between(self.means, self.means))
        gaps[gaps == 0] = np.inf
        return math.fsum(((spreads[:, None] + spreads) / gaps).max(axis=1)) / len(spreads)


def measure(
    engine: Engine, ranges: Ranges, clusterings: Sequence[tuple[FloatArray, LongArray | FloatArray]]
) -> list[Measures]:
    """Measure several clusterings at once: the centroids, shape (k, d), and the sizes, shape (k,), of each.

    Rows belong to their nearest centroids; clusters without members do not count. A row of weight w counts as
    w rows.
    """
    filled = [(centroids[sizes > 0], sizes[sizes > 0]) for centroids, sizes in clusterings]
    defined = [(centroids, sizes) for centroids, sizes in filled if _are_defined(sizes)]
    found = iter(_measure(engine, ranges, defined) if defined else ())
    return [next(found) if _are_defined(sizes) else Measures() for _, sizes in filled]


def _are_defined(sizes: LongArray | FloatArray) -> bool:
    return 1 < len(sizes) < math.fsum(sizes)


def _measure(
    engine: Engine, ranges: Ranges, clusterings: Sequence[tuple[FloatArray, LongArray | FloatArray]]
) -> Iterator[Measures]:
    """Measure clusterings of two or more clusters, all with members."""
    keys = key_ranges(len(sizes) for _, sizes in clusterings)
    sizes = np.concatenate([sizes for _, sizes in clusterings]).astype(np.float64)
    state = state_of(keys, [centroids for centroids, _ in clusterings])
    means = _rows_by_key(engine.map_reduce(ranges.means(), state))[:, :-1]
    state["means"] = np.ascontiguousarray(means)
    dispersion, silhouette = ranges.dispersion(means), ranges.silhouette()
    squared, distances = dispersion.sums(_rows_by_key(engine.map_reduce(dispersion, state)))
    state |= {"variances": squared / sizes, "sizes": sizes}
    totals = silhouette.sums(_rows_by_key(engine.map_reduce(silhouette, state)))
    for own, of_rows in zip(keys, totals.T.tolist(), strict=True):
        clusters = _Clusters(*(each[own.start : own.stop] for each in (means, sizes, squared, distances)))
        silhouettes = [total / math.fsum(clusters.sizes) for total in of_rows]
        yield Measures(clusters.calinski_harabasz(), clusters.davies_bouldin(), *silhouettes)


def _rows_by_key(found: Mapping[Key, FloatArray]) -> FloatArray:
    """Return the results of all keys as one array."""
    return np.concatenate([found[key] for key in sorted(found, key=int)])


def _squared_between(points: FloatArray, others: FloatArray) -> FloatArray:
    """Return all squared distances between points, shape (n, d), and others, shape (k, d): shape (k, n)."""
    return squared_distances(points.T, others, np.empty((2, len(others), len(points))))
