"""Nearest centroids by the plain formula, in blocks that stay in the cache."""

import numpy as np

from common.model import FloatArray, IntArray

_BUFFER_ELEMENTS = 1 << 16
"""Elements of the distance buffer: 512 KiB, two of which fit in a core's second-level cache."""


def nearest(points: FloatArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find each point's nearest centroid.

    The squared Euclidean distance is summed in float64 over the columns, in column order; ties go
    to the lowest index. Every operation is elementwise and correctly rounded (IEEE 754), so a
    row's result depends on that row alone: not on the block, the split or the machine.

    Parameters
    ----------
    points
        Shape (n, d).
    centroids
        Shape (k, d), k at least 1.

    Returns
    -------
    labels
        Shape (n,): index of the nearest centroid.
    squared_distances
        Shape (n,): squared distance to it, in the square of the points' unit.
    """
    n = len(points)
    labels = np.empty(n, np.int32)
    squared = np.empty(n)
    rows = max(256, _BUFFER_ELEMENTS // len(centroids))
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        distances = _squared_distances(points[start:stop], centroids)
        chosen = distances.argmin(axis=0)
        labels[start:stop] = chosen
        squared[start:stop] = np.take_along_axis(distances, chosen[None], axis=0)[0]
    return labels, squared


def _squared_distances(points: FloatArray, centroids: FloatArray) -> FloatArray:
    """Squared distances, shape (k, n): the long axis last, where numpy's inner loops run."""
    total = np.zeros((len(centroids), len(points)))
    difference = np.empty_like(total)
    for column, of_centroid in zip(points.T, centroids.T, strict=True):
        np.subtract(column, of_centroid[:, None], out=difference)
        np.multiply(difference, difference, out=difference)
        total += difference
    return total


def largest_shift(before: FloatArray, after: FloatArray) -> float:
    """Return the largest Euclidean distance that a centroid moved, both of shape (k, d)."""
    total = np.zeros(len(before))
    for old, new in zip(before.T, after.T, strict=True):
        total += (new - old) ** 2
    return float(np.sqrt(total.max()))
