"""K-Means of weighted points that fit in this process: how k-means|| chooses among its candidates.

Every operation is elementwise, or a sum in a fixed order, so the result is the same on every machine.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from common.kernels.nearest.distance import labels_of, nearest, squared_distances
from common.kernels.sparse import SparseRows, without_zeros
from common.model import FloatArray, IntArray, LongArray

Points: TypeAlias = FloatArray | SparseRows
_Measure: TypeAlias = Callable[[slice, int], FloatArray]

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
    rows = without_zeros(points)
    found = [_improve(rows, weights, rows.take(choose(rows, weights, k, rng), axis=0)) for _ in range(tries)]
    return min(found, key=lambda centroids: _cost(rows, weights, centroids))


def choose(points: Points, weights: FloatArray, k: int, rng: np.random.Generator) -> LongArray:
    """Choose k points by greedy k-means++; return their indexes.

    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (SODA 2007): a point is drawn
    with a probability proportional to its weight times its squared distance to the nearest chosen one. Of
    several such draws, which they recommend, the one that lowers the cost most is taken.
    """
    line = _widest_column(points)
    order = np.argsort(line, kind="stable")
    weights, line, squared_to = weights[order], line[order], _measuring(points, order)
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


def _widest_column(points: Points) -> FloatArray:
    """Return the column of the greatest range, shape (n,)."""
    if isinstance(points, SparseRows):
        from common.kernels.sparse_sums import ranges_of

        lowest, highest, _ = ranges_of(points).T
        return points.column(int((highest - lowest).argmax()))
    return np.ascontiguousarray(points[:, np.ptp(points, axis=0).argmax()])


def _measuring(points: Points, order: LongArray) -> _Measure:
    """Return what finds the squared distances of successive points, in that order, to one of them."""
    if isinstance(points, SparseRows):
        from common.kernels.sparse_nearest import squared_to

        rows = points.pick(order)
        return lambda near, index: squared_to(rows[near], rows[index : index + 1])
    columns = np.ascontiguousarray(points[order].T)

    def measure(near: slice, index: int) -> FloatArray:
        some = columns[:, near]
        found: FloatArray = squared_distances(some, columns[:, index][None], np.empty((2, 1, some.shape[1])))[
            0
        ]
        return found

    return measure


def _draw(pull: FloatArray, draws: FloatArray) -> LongArray:
    """Turn numbers in [0, 1) into indexes, each as likely as its pull is great; none of pull 0."""
    sums = np.cumsum(pull)
    last = np.searchsorted(sums, sums[-1])
    found: LongArray = np.minimum(np.searchsorted(sums, draws * sums[-1], side="right"), last)
    return found


def _improve(points: Points, weights: FloatArray, centroids: FloatArray) -> FloatArray:
    """Take some steps of Lloyd's algorithm, up to a cluster without members: so centroids stay distinct."""
    k, sums_of = len(centroids), _adding(points, weights)
    for _ in range(_LLOYD_STEPS):
        labels = labels_of(points, centroids)
        sizes = np.bincount(labels, weights, k)
        if not sizes.all():
            break
        centroids = sums_of(labels, k) / sizes[:, None]
    return centroids


def _adding(points: Points, weights: FloatArray) -> Callable[[IntArray, int], FloatArray]:
    """Return what adds points times their weights up by label, one after another, into shape (k, d)."""
    if not isinstance(points, SparseRows):
        weighted = weights[:, None] * points
        return lambda labels, k: _sums(labels, weighted, k)
    width, rows, values = points.columns, points.rows, points.values * weights[points.rows]

    def add(labels: IntArray, k: int) -> FloatArray:
        places = labels.astype(np.int64)[rows] * width + points.places
        return np.bincount(places, values, k * width).astype(np.float64, copy=False).reshape(k, width)

    return add


def _sums(labels: IntArray, rows: FloatArray, k: int) -> FloatArray:
    """Add rows, shape (n, d), up by label, one after another: along the shorter axis, step by step."""
    n, d = rows.shape
    if n > d:
        return np.stack([np.bincount(labels, column, k) for column in rows.T], axis=1)
    sums = np.zeros((k, d))
    for label, row in zip(labels.tolist(), rows, strict=True):
        sums[label] += row
    return sums


def _cost(points: Points, weights: FloatArray, centroids: FloatArray) -> float:
    return float(np.cumsum(nearest(points, centroids)[1] * weights)[-1])
