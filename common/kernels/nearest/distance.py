"""Nearest centroids by the plain formula, in blocks that stay in the cache; which other way is faster when.

For large inputs the modules beside this one find the same labels and distances, or the sums of each label's
points, faster. They are compiled code, which takes half a second to import.
"""

import math

import numpy as np
import numpy.typing as npt

from common.kernels.parallel import in_parallel
from common.kernels.sparse import SparseRows
from common.model import FloatArray, IntArray, LongArray, PointArray

_BUFFER_ELEMENTS = 1 << 16
"""Elements of the distance buffer, for not too many centroids: 512 KiB, so that two fit in a core's cache."""

_LONG_BLOCK_ROWS = 1 << 14
_ROWS_PER_CENTROID = 1 << 10
"""From here on, one pass for each centroid takes less time than searching a matrix of distances."""

_MUCH_WORK = 4_000_000
"""Squared differences; NumPy computes some 10**8 a second, and each iteration has as many."""

_MANY_CENTROID_NUMBERS = 64
"""From here on, scores are faster than the plain formula."""


def nearest(points: PointArray | SparseRows, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find each point's nearest centroid.

    The squared Euclidean distance is summed in float64 over the columns, in column order; ties go
    to the lowest index. Every operation is elementwise and correctly rounded (IEEE 754), so a
    row's result depends on that row alone: not on the block, the split or the machine.

    For points of shape (n, d) and centroids of shape (k, d), k at least 1, return two arrays of shape (n,):
    the index of the nearest centroid, and the squared distance to it.
    """
    if isinstance(points, SparseRows):
        from common.kernels import sparse_nearest

        return sparse_nearest.nearest(points, centroids)
    if worth_compiled_code(points, len(centroids)):
        if centroids.size < _MANY_CENTROID_NUMBERS:
            from common.kernels.nearest.plain import nearest as nearest_compiled
        else:
            from common.kernels.nearest.assigning import nearest as nearest_compiled
        # Compiled code takes one layout; another one would be compiled anew.
        return nearest_compiled(np.require(points, requirements="C"), np.ascontiguousarray(centroids))
    n, k = len(points), len(centroids)
    one_by_one = n >= _ROWS_PER_CENTROID * k
    find = _nearest_one_by_one if one_by_one else _nearest_in_matrix
    labels, squared = np.empty(n, np.int32), np.empty(n)
    rows = min(n, _LONG_BLOCK_ROWS if one_by_one else max(256, _BUFFER_ELEMENTS // k))
    room = np.empty((2, 1 if one_by_one else k, rows))
    for start in range(0, n, rows or 1):
        columns = np.ascontiguousarray(points[start : start + rows].T, np.float64)
        block = slice(start, start + columns.shape[1])
        labels[block], squared[block] = find(columns, centroids, room[:, :, : columns.shape[1]])
    return labels, squared


def nearest_below(
    points: PointArray | SparseRows, centroids: FloatArray, limits: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Find what `nearest` finds; of sparse rows, perhaps only where the squared distance is below a limit.

    Elsewhere the squared distance is infinite. `limits` has shape (n,).
    """
    if isinstance(points, SparseRows):
        from common.kernels import sparse_nearest

        return sparse_nearest.nearest_below(points, centroids, limits)
    return nearest(points, centroids)


def labels_of(points: PointArray | SparseRows, centroids: FloatArray) -> IntArray:
    """Find each point's nearest centroid as `nearest` does, without the distances if that is faster."""
    if isinstance(points, SparseRows):
        from common.kernels import sparse_nearest

        return sparse_nearest.labels_of(points, centroids)
    if worth_scores(points, centroids):
        from common.kernels.nearest import assigning

        return assigning.labels_of(np.require(points, requirements="C"), np.ascontiguousarray(centroids))
    return nearest(points, centroids)[0]


def worth_scores(points: PointArray, centroids: FloatArray) -> bool:
    """Return whether scores find labels faster than the plain formula."""
    return centroids.size >= _MANY_CENTROID_NUMBERS and worth_compiled_code(points, len(centroids))


def worth_compiled_code(points: PointArray | SparseRows, k: int) -> bool:
    """Return whether k distances for each point take longer than importing compiled code."""
    return points.size * k >= _MUCH_WORK


def distances(points: PointArray | SparseRows, centroids: FloatArray, threads: int = 1) -> FloatArray:
    """Return each point's distance to every centroid, shape (n, k): the root of what `nearest` compares.

    Threads share the points, if these are many and not sparse.
    """
    if isinstance(points, SparseRows):
        from common.kernels import sparse_nearest

        return sparse_nearest.distances(points, centroids)
    found = np.empty((len(points), len(centroids)))
    if worth_compiled_code(points, len(centroids)):
        from common.kernels.nearest.plain import write_distances
    else:
        write_distances = _write_distances

    def fill(part: slice) -> list[None]:
        write_distances(points[part], centroids, found[part])
        return []

    in_parallel(fill, points, threads)
    return found


def _write_distances(points: PointArray, centroids: FloatArray, found: FloatArray) -> None:
    rows = max(256, _BUFFER_ELEMENTS // len(centroids))
    room = np.empty((2, len(centroids), min(rows, len(points))))
    for start in range(0, len(points), rows):
        columns = np.ascontiguousarray(points[start : start + rows].T, np.float64)
        squared = squared_distances(columns, centroids, room[:, :, : columns.shape[1]])
        np.sqrt(squared.T, out=found[start : start + rows])


def _nearest_in_matrix(
    columns: FloatArray, centroids: FloatArray, room: FloatArray
) -> tuple[LongArray, FloatArray]:
    """Find what `nearest` finds, for points given as columns, shape (d, n); faster for few points."""
    distances = squared_distances(columns, centroids, room)
    labels = distances.argmin(axis=0)
    return labels, np.take_along_axis(distances, labels[None], axis=0)[0]


def _nearest_one_by_one(
    columns: FloatArray, centroids: FloatArray, room: FloatArray
) -> tuple[npt.NDArray[np.unsignedinteger], FloatArray]:
    """Find what `nearest` finds, for points given as columns, shape (d, n); faster for few centroids."""
    kind = np.min_scalar_type(len(centroids) - 1)
    labels = np.zeros(columns.shape[1], kind)
    squared = squared_distances(columns, centroids[:1], room)[0].copy()
    for label in range(1, len(centroids)):
        distances = squared_distances(columns, centroids[label : label + 1], room)[0]
        # Labels rise, so the last one that is nearer is the greatest; NumPy is fast at small integers.
        np.maximum(labels, np.multiply(distances < squared, kind.type(label)), out=labels)
        np.minimum(squared, distances, out=squared)
    return labels, squared


def squared_distances(columns: FloatArray, centroids: FloatArray, room: FloatArray) -> FloatArray:
    """Return squared distances, shape (k, n), of points given as columns, shape (d, n), to k centroids.

    The long axis is the last, where numpy's inner loops run. `room`, shape (2, k, n), holds the result:
    memory that is new to the process is slow.
    """
    total: FloatArray = room[0]
    out = total
    for column, of_centroid in zip(columns, centroids.T, strict=True):
        np.subtract(column, of_centroid[:, None], out=out)
        np.multiply(out, out, out=out)
        if out is not total:
            total += out
        out = room[1]
    return total


def largest_shift(before: FloatArray, after: FloatArray) -> float:
    """Return the largest Euclidean distance that a centroid moved, both of shape (k, d)."""
    # A power of two takes the differences to near 1, exactly, so that their squares do not underflow.
    moved = after - before
    exponent = max(math.frexp(max(moved.max(), -moved.min()))[1], -1023)  # 2**1024 is no float64
    moved *= math.ldexp(1.0, -exponent)
    moved *= moved
    total = np.cumsum(moved, axis=1, out=moved)[:, -1]  # in column order
    return math.ldexp(math.sqrt(total.max()), exponent)
