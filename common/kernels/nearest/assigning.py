"""Labels of many rows by scores."""

from collections.abc import Iterator

import numpy as np

from common.kernels.limbs import read_only
from common.kernels.nearest.plain import squared_to
from common.kernels.nearest.scores import BLOCK_ROWS, RowNumbers, Scores
from common.model import FloatArray, IntArray, PointArray


def nearest(points: PointArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find what `common.kernels.nearest.distance.nearest` finds."""
    labels, squared = np.empty(len(points), np.int32), np.empty(len(points))
    for block, found in _found_in_blocks(read_only(points), read_only(centroids)):
        labels[block] = found
        squared[block] = squared_to(points[block], centroids, labels[block])
    return labels, squared


def labels_of(points: PointArray, centroids: FloatArray) -> IntArray:
    """Find the labels alone."""
    labels = np.empty(len(points), np.int32)
    for block, found in _found_in_blocks(read_only(points), read_only(centroids)):
        labels[block] = found
    return labels


def _found_in_blocks(points: PointArray, centroids: FloatArray) -> Iterator[tuple[slice, RowNumbers]]:
    """Yield the labels of block after block; each is to be used before the next."""
    n = len(points)
    # Of the points a few do, for scores that overflow are in doubt: to look at all of them takes a while.
    some = points[: 1 << 10]
    exponent = int(np.frexp(max(np.abs(some).max(initial=0.0), np.abs(centroids).max()))[1])
    scores = Scores(points.shape[1], exponent, some.mean(axis=0, dtype=np.float64))
    scores.set_centroids(centroids)
    for start in range(0, n, BLOCK_ROWS):
        stop = min(n, start + BLOCK_ROWS)
        scores.assign(points, np.arange(start, stop, dtype=np.uint32))
        yield slice(start, stop), scores.found.labels[: stop - start]
