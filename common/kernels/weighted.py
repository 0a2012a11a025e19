"""K-Means of weighted points that fit in this process: how k-means|| chooses among its candidates.

Every operation is elementwise, or a sum in a fixed order, so the result is the same on every machine.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from common.kernels.nearest.distance import nearest, squared_distances
from common.kernels.sparse import SparseRows
from common.model import FloatArray, IntArray, LongArray

_Measure: TypeAlias = Callable[[slice, int], FloatArray]

_LLOYD_STEPS = 10
_MOST_TRIES = 10
_FEW = 16
"""If less than one in so many numbers is not 0, the zeros are left out."""
_TRIED_CLUSTERS = 1000
"""How many clusters all tries choose together: few take no time, and many depend less on luck."""


def weighted_kmeans(points: FloatArray, weights: FloatArray, k: int, rng: np.random.Generator) -> FloatArray:
    """Cluster distinct points, shape (n, d), with weights, shape (n,), into at most n clusters.

    A try is greedy k-means++, then some steps of Lloyd's algorithm. Return the centroids of the try that
    ends at the least cost, shape (k, d).
    """
    tries = max(1, min(_MOST_TRIES, _TRIED_CLUSTERS // k))
    found = [_improve(points, weights, points[choose(points, weights, k, rng)]) for _ in range(tries)]
    return min(found, key=lambda centroids: _cost(points, weights, centroids))


def choose(points: FloatArray, weights: FloatArray, k: int, rng: np.random.Generator) -> LongArray:
    """Choose k points by greedy k-means++; return their indexes.

    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (SODA 2007): a point is drawn
    with a probability proportional to its weight times its squared distance to the nearest chosen one. Of
    several such draws, which they recommend, the one that lowers the cost most is taken.
    """
    widest = np.ptp(points, axis=0).argmax()
    order = np.argsort(points[:, widest], kind="stable")
    points, weights = points[order], weights[order]
    squared_to, line = _measuring(points), np.ascontiguousarray(points[:, widest])
    chosen = _draw(weights, rng.random(1)).tolist()
    squared = squared_to(slice(None), chosen[0])
    while len(chosen) < k:
        pull = squared * weights
        if not pull.any():  # the rest lies so near that its squared distances underflow
            pull[:] = 1.0
            pull[chosen] = 0.0
        drawn = _draw(pull, rng.random(2 + int(math.log(k)))).tolist()
        reach = math.sqrt(squared.max())
        tried = (_lower(squared_to, weights, squared, index, _around(line, index, reach)) for index in drawn)
        _, index, near, lowered = max(tried, key=lambda each: each[0])
        chosen.append(index)
        squared[near] = lowered
    found: LongArray = order[chosen]
    return found


def _around(line: FloatArray, index: int, reach: float) -> slice:
    """Return where the points are that a new one may be nearer to, sorted along a column."""
    first = np.searchsorted(line, line[index] - reach, side="left")
    return slice(int(first), int(np.searchsorted(line, line[index] + reach, side="right")))


def _lower(
    squared_to: _Measure, weights: FloatArray, squared: FloatArray, index: int, near: slice
) -> tuple[float, int, slice, FloatArray]:
    """Return by how much a point lowers the cost, the point, and where there are which new distances."""
    found = np.minimum(squared[near], squared_to(near, index))
    return float(np.cumsum((squared[near] - found) * weights[near])[-1]), index, near, found


def _measuring(points: FloatArray) -> _Measure:
    """Return what finds the squared distances of successive points to one of them, by its index."""
    rows = _fewest_numbers(points)
    if isinstance(rows, SparseRows):
        from common.kernels.sparse_nearest import squared_to

        return lambda near, index: squared_to(rows[near], points[index])
    columns = np.ascontiguousarray(points.T)

    def measure(near: slice, index: int) -> FloatArray:
        some = columns[:, near]
        found: FloatArray = squared_distances(some, columns[:, index][None], np.empty((2, 1, some.shape[1])))[
            0
        ]
        return found

    return measure


def _fewest_numbers(points: FloatArray) -> FloatArray | SparseRows:
    """Return points without their zeros if these are nearly all."""
    return SparseRows.of(points) if np.count_nonzero(points) * _FEW < points.size else points


def _draw(pull: FloatArray, draws: FloatArray) -> LongArray:
    """Turn numbers in [0, 1) into indexes, each as likely as its pull is great; none of pull 0."""
    sums = np.cumsum(pull)
    last = np.searchsorted(sums, sums[-1])
    found: LongArray = np.minimum(np.searchsorted(sums, draws * sums[-1], side="right"), last)
    return found


def _improve(points: FloatArray, weights: FloatArray, centroids: FloatArray) -> FloatArray:
    """Take some steps of Lloyd's algorithm, up to a cluster without members: so centroids stay distinct."""
    k, weighted, rows = len(centroids), weights[:, None] * points, _fewest_numbers(points)
    for _ in range(_LLOYD_STEPS):
        labels, _squared = nearest(rows, centroids)
        sizes = np.bincount(labels, weights, k)
        if not sizes.all():
            break
        centroids = _sums(labels, weighted, k) / sizes[:, None]
    return centroids


def _sums(labels: IntArray, rows: FloatArray, k: int) -> FloatArray:
    """Add rows, shape (n, d), up by label, one after another: along the shorter axis, step by step."""
    n, d = rows.shape
    if n > d:
        return np.stack([np.bincount(labels, column, k) for column in rows.T], axis=1)
    sums = np.zeros((k, d))
    for label, row in zip(labels.tolist(), rows, strict=True):
        sums[label] += row
    return sums


def _cost(points: FloatArray, weights: FloatArray, centroids: FloatArray) -> float:
    return float(np.cumsum(nearest(_fewest_numbers(points), centroids)[1] * weights)[-1])
