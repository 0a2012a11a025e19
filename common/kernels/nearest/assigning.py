"""Labels of many rows by scores."""

import numpy as np

from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.limbs import read_only
from common.kernels.nearest.plain import squared_to
from common.kernels.nearest.scores import BLOCK_ROWS, FARTHEST_SEEN, Scores
from common.model import FloatArray, IntArray, PointArray

_SOME = 1 << 10


def nearest(points: PointArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find what `common.kernels.nearest.distance.nearest` finds."""
    labels, squared = np.empty(len(points), np.int32), np.empty(len(points))
    scores = _scores_of(points, centroids)
    for start in range(0, len(points), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)  # its rows stay in a cache
        scores.label(read_only(points[block]), labels[block])
        squared[block] = squared_to(points[block], centroids, labels[block])
    return labels, squared


def labels_of(points: PointArray, centroids: FloatArray) -> IntArray:
    """Find the labels alone."""
    labels = np.empty(len(points), np.int32)
    _scores_of(points, centroids).label(read_only(points), labels)
    return labels


def label_usable(points: PointArray, centroids: FloatArray, labels: IntArray) -> bool:
    """Write the labels alone; return whether all numbers can be used: they are finite, and not too large.

    The check takes time for rows in doubt alone, or for all rows if the data are far out or there is one
    centroid.
    """
    near = all(_largest(some) <= FARTHEST_SEEN for some in (points[:_SOME], centroids))
    if not (near and len(centroids) > 1) and not _largest(points) <= LARGEST_MAGNITUDE:
        return False
    return _scores_of(points, centroids).label(read_only(points), labels)


def _largest(numbers: PointArray) -> float:
    """Return the largest magnitude, without a copy of all numbers; NaN if one is."""
    return float(np.maximum(numbers.max(initial=0.0), -numbers.min(initial=0.0)))


def _scores_of(points: PointArray, centroids: FloatArray) -> Scores:
    # Of the points a few do, for scores that overflow are in doubt: to look at all of them takes a while.
    some = points[:_SOME]
    exponent = int(np.frexp(max(_largest(some), _largest(centroids)))[1])
    scores = Scores(points.shape[1], exponent, some.mean(axis=0, dtype=np.float64))
    scores.set_centroids(read_only(centroids))
    return scores
