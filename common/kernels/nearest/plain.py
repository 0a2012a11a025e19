"""The plain formula, compiled: nearest centroids where columns and centroids are few, and all distances."""

import math

import numpy as np

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only, squared_distance
from common.model import FloatArray, IntArray, PointArray

_BLOCK_ROWS = 512
"""Rows whose columns, and distances to one centroid, stay in the core's nearest cache."""


def nearest(points: PointArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find what `common.kernels.nearest.distance.nearest` finds."""
    n, d = points.shape
    labels, squared = np.empty(n, np.int32), np.empty(n)
    _nearest(read_only(points), read_only(centroids), np.empty((d + 1, _BLOCK_ROWS)), labels, squared)
    return labels, squared


@kernel
def _nearest(points, centroids, room, labels, squared):  # type: ignore[no-untyped-def]
    """Go through blocks of rows, centroid by centroid.

    The inner loops run over rows and have no branch, so that the compiler makes vector code of them; it may
    not reorder what is added. `room` has shape (d + 1, rows).
    """
    n, d = points.shape
    total = room[d]
    for start in range(0, n, room.shape[1]):
        rows = min(room.shape[1], n - start)
        for r in range(rows):
            for c in range(d):
                room[c, r] = points[start + r, c]
        own, nearest = labels[start : start + rows], squared[start : start + rows]
        own[:], nearest[:] = 0, np.inf
        for k in range(len(centroids)):
            total[:rows] = 0.0
            for c in range(d - 1):
                x = centroids[k, c]
                for r in range(rows):
                    difference = room[c, r] - x
                    total[r] += difference * difference
            # The last column's part goes along with the comparison: a pass less.
            label, x = np.int32(k), centroids[k, d - 1]
            for r in range(rows):
                difference = room[d - 1, r] - x
                s, least = total[r] + difference * difference, nearest[r]
                own[r] = label if s < least else own[r]
                nearest[r] = s if s < least else least


def squared_to(points: PointArray, centroids: FloatArray, labels: IntArray) -> FloatArray:
    """Find each point's squared distance to the centroid that its label names."""
    squared = np.empty(len(points))
    _squared_to(read_only(points), read_only(centroids), labels, squared)
    return squared


@kernel
def _squared_to(points, centroids, labels, out):  # type: ignore[no-untyped-def]
    for r in range(len(points)):
        out[r] = squared_distance(points, r, centroids, labels[r])


def write_distances(points: PointArray, centroids: FloatArray, found: FloatArray) -> None:
    """Write each point's distance to every centroid into an array of shape (n, k)."""
    rows, columns = np.require(points, requirements="C"), np.ascontiguousarray(centroids.T)
    _write_distances(read_only(rows), columns, np.empty(len(centroids)), found)


@kernel
def _write_distances(points, columns, squared, found):  # type: ignore[no-untyped-def]
    """Go through the points; the inner loops run over centroids. `squared` has shape (k,).

    The squares add up in `squared`, which stays in the cache; `found`, mostly new memory, is written once.
    """
    d, k = columns.shape
    for r in range(len(points)):
        squared[:] = 0.0
        for c in range(d):
            x = points[r, c]
            for i in range(k):
                difference = x - columns[c, i]
                squared[i] += difference * difference
        for i in range(k):
            found[r, i] = math.sqrt(squared[i])
