"""K-Means of weighted points that fit in this process: how k-means|| chooses among its candidates.

Every operation is elementwise, or a sum in a fixed order, so the result is the same on every machine.
"""

import math

import numpy as np

from common.kernels.nearest.distance import nearest, squared_distances
from common.model import FloatArray, LongArray

_LLOYD_STEPS = 10
_MOST_TRIES = 10
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
    columns, weights = np.ascontiguousarray(points[order].T), weights[order]
    chosen = _draw(weights, rng.random(1)).tolist()
    squared = _squared_to(columns, columns[:, chosen].T)
    while len(chosen) < k:
        pull = squared * weights
        if not pull.any():  # the rest lies so near that its squared distances underflow
            pull[:] = 1.0
            pull[chosen] = 0.0
        drawn = _draw(pull, rng.random(2 + int(math.log(k)))).tolist()
        reach = math.sqrt(squared.max())
        tried = (
            _lower(columns, weights, squared, index, _around(columns[widest], index, reach))
            for index in drawn
        )
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
    columns: FloatArray, weights: FloatArray, squared: FloatArray, index: int, near: slice
) -> tuple[float, int, slice, FloatArray]:
    """Return by how much a point lowers the cost, the point, and where there are which new distances."""
    found = np.minimum(squared[near], _squared_to(columns[:, near], columns[:, index][None]))
    return float(np.cumsum((squared[near] - found) * weights[near])[-1]), index, near, found


def _squared_to(columns: FloatArray, point: FloatArray) -> FloatArray:
    """Return the squared distances to a point, shape (1, d), of points given as columns, shape (d, n)."""
    found: FloatArray = squared_distances(columns, point, np.empty((2, 1, columns.shape[1])))[0]
    return found


def _draw(pull: FloatArray, draws: FloatArray) -> LongArray:
    """Turn numbers in [0, 1) into indexes, each as likely as its pull is great; none of pull 0."""
    sums = np.cumsum(pull)
    last = np.searchsorted(sums, sums[-1])
    found: LongArray = np.minimum(np.searchsorted(sums, draws * sums[-1], side="right"), last)
    return found


def _improve(points: FloatArray, weights: FloatArray, centroids: FloatArray) -> FloatArray:
    """Take some steps of Lloyd's algorithm, up to a cluster without members: so centroids stay distinct."""
    k, weighted = len(centroids), weights * points.T
    for _ in range(_LLOYD_STEPS):
        labels, _squared = nearest(points, centroids)
        sizes = np.bincount(labels, weights, k)
        if not sizes.all():
            break
        centroids = np.stack([np.bincount(labels, column, k) / sizes for column in weighted], axis=1)
    return centroids


def _cost(points: FloatArray, weights: FloatArray, centroids: FloatArray) -> float:
    return float(np.cumsum(nearest(points, centroids)[1] * weights)[-1])
