"""Nearest centroids of sparse rows, by scores |c|² - 2 x·c, to which only the numbers kept add.

Labels and squared distances are those of `common.kernels.nearest.distance.nearest`. Where rounding leaves
doubt, better scores decide, and at last the plain formula, as in `common.kernels.nearest.scores`. It adds up
the columns in order; one where both numbers are 0 adds 0, and is left out.
"""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.grouping import order_by_key
from common.kernels.nearest.rounding import Rounding, margin_of, rounding_of
from common.kernels.sparse import SparseRows, without_zeros
from common.kernels.sparse_scores import certain_labels
from common.kernels.sparse_squares import SquareSums
from common.model import FloatArray, IntArray


def nearest(rows: SparseRows, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find each row's nearest centroid, and its squared distance to it, both of shape (n,)."""
    points = without_zeros(centroids)
    labels = _labels_of(rows, points)
    return labels, _squared_to_own(rows, labels, points)


def nearest_below(rows: SparseRows, centroids: FloatArray, limits: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find what `nearest` finds for rows whose squared distance may be below their limit; else infinity."""
    points = without_zeros(centroids)
    if not isinstance(points, SparseRows):
        return nearest(rows, centroids)
    labels, squared = _sparse_labels_of(rows, points, limits), np.full(len(rows), np.inf)
    _walk_to_own(rows.kept, labels, points.kept, squared)
    return labels, squared


def labels_of(rows: SparseRows, centroids: FloatArray) -> IntArray:
    """Find the labels alone."""
    return _labels_of(rows, without_zeros(centroids))


def squared_to_own(rows: SparseRows, labels: IntArray, centroids: FloatArray) -> FloatArray:
    """Return each row's squared distance to the centroid of its label, shape (n,)."""
    return _squared_to_own(rows, labels, without_zeros(centroids))


def squared_to(rows: SparseRows, point: FloatArray | SparseRows) -> FloatArray:
    """Return each row's squared distance to a point of shape (1, d)."""
    return _squared_to_own(rows, np.zeros(len(rows), np.int32), point)


def distances(rows: SparseRows, centroids: FloatArray) -> FloatArray:
    """Return each row's distance to every centroid, shape (n, k)."""
    points = [without_zeros(centroid[None]) for centroid in centroids]
    return np.sqrt(np.column_stack([squared_to(rows, point) for point in points]))


def _squared_to_own(rows: SparseRows, labels: IntArray, centroids: FloatArray | SparseRows) -> FloatArray:
    squared = np.empty(len(rows))
    if isinstance(centroids, SparseRows):
        _walk_to_own(rows.kept, labels, centroids.kept, squared)
        return squared
    sums, order = SquareSums(rows), order_by_key(labels)
    members = np.split(order, np.cumsum(np.bincount(labels, minlength=len(centroids)))[:-1])
    for own, centroid in zip(members, centroids, strict=True):
        sums.add(own, centroid, squared)
    return squared


def _labels_of(rows: SparseRows, centroids: FloatArray | SparseRows) -> IntArray:
    if isinstance(centroids, SparseRows):
        return _sparse_labels_of(rows, centroids, np.full(len(rows), np.inf))
    labels, squares = np.empty(len(rows), np.int32), _squares_of(centroids)
    rounding = _rounding_of(rows, squares)
    doubtful = certain_labels(rows, centroids, squares, rounding, labels)
    if len(doubtful):
        columns = np.ascontiguousarray(centroids.T)
        _find(rows.kept, doubtful, columns, centroids, squares, rounding, labels)
    return labels


def _sparse_labels_of(rows: SparseRows, centroids: SparseRows, limits: FloatArray) -> IntArray:
    """Find the labels, -1 where no squared distance is below its limit for certain."""
    if len(centroids) == 1 and np.isinf(limits).all():
        return np.zeros(len(rows), np.int32)
    labels, squares = np.empty(len(rows), np.int32), _squares_of(centroids)
    order, rounding = np.argsort(squares, kind="stable"), _rounding_of(rows, squares)
    columns = centroids.turned().kept
    _find_sparse(rows.kept, columns, centroids.kept, squares, order, rounding, limits, labels)
    return labels


def _rounding_of(rows: SparseRows, squares: FloatArray) -> Rounding:
    tiny = 2 * float(np.finfo(np.float64).tiny)  # nothing is scaled
    return rounding_of(rows.columns, float(squares.max()), np.float64, tiny)


def _squares_of(points: FloatArray | SparseRows) -> FloatArray:
    if isinstance(points, SparseRows):
        return np.bincount(points.rows, points.values**2, len(points)).astype(np.float64)
    squares: FloatArray = (points**2).sum(axis=1)
    return squares


@njit(inline="always")
def _masked(number, mask):  # type: ignore[no-untyped-def]
    """Return a number if all bits of the mask are 1, and 0 if none is."""
    return np.int64(np.float64(number).view(np.int64) & mask).view(np.float64)


@njit(inline="always")
def _squared_distance(rows, i, centroids, k):  # type: ignore[no-untyped-def]
    """Add up the squared differences of two sparse rows, in column order."""
    p, p_stop = np.uint64(rows.starts[i]), np.uint64(rows.starts[i + 1])
    q, q_stop = np.uint64(centroids.starts[k]), np.uint64(centroids.starts[k + 1])
    total = 0.0
    while p < p_stop and q < q_stop:  # without a branch, which no processor could foresee
        ahead = np.int64(rows.places[p]) - np.int64(centroids.places[q])
        row_is_next, centroid_is_next = np.int64(ahead - 1) >> 63, np.int64(-ahead - 1) >> 63  # each -1 or 0
        difference = _masked(rows.values[p], row_is_next) - _masked(centroids.values[q], centroid_is_next)
        total += difference * difference
        p -= np.uint64(row_is_next)
        q -= np.uint64(centroid_is_next)
    for rest in range(p, p_stop):
        total += np.float64(rows.values[rest]) * np.float64(rows.values[rest])
    for rest in range(q, q_stop):
        total += centroids.values[rest] * centroids.values[rest]
    return total


@njit(inline="always")
def _squared_distance_to_dense(rows, i, centroids, k):  # type: ignore[no-untyped-def]
    """Add up the squared differences of a sparse row and a centroid, in column order."""
    p, total = rows.starts[i], 0.0
    for c in range(centroids.shape[1]):
        difference = centroids[k, c]
        if p < rows.starts[i + 1] and rows.places[p] == c:
            difference = np.float64(rows.values[p]) - difference
            p += 1
        total += difference * difference
    return total


@kernel
def _find(rows, some, columns, centroids, squares, rounding, labels):  # type: ignore[no-untyped-def]
    """Find the labels of some rows; `columns`, shape (d, k), are the centroids', shape (k, d)."""
    k = len(squares)
    scores = np.empty(k)
    for i in some:
        square = 0.0
        scores[:] = squares
        for p in range(rows.starts[i], rows.starts[i + 1]):
            x, column = np.float64(rows.values[p]), np.uint32(rows.places[p])
            square += x * x
            for j in range(k):
                scores[j] -= 2.0 * x * columns[column, j]
        label = 0
        least, second = scores[0], np.inf
        for j in range(1, k):
            second = min(second, max(least, scores[j]))
            if scores[j] < least:
                label, least = j, scores[j]
        margin = margin_of(square, rounding)
        if not second - least > margin:
            shortest = np.inf
            for j in range(k):
                if scores[j] <= least + margin:
                    distance = _squared_distance_to_dense(rows, i, centroids, j)
                    if distance < shortest:
                        label, shortest = j, distance
        labels[i] = label


@kernel
def _find_sparse(rows, columns, centroids, squares, order, rounding, limits, labels):  # type: ignore[no-untyped-def]  # noqa: C901
    """Find labels; `columns` are those of the centroids, which are sparse rows, as sparse rows, too.

    A row whose least squared distance is its limit at least gets -1.

    The score of a centroid that has no column in common with a row is its square: of these, only the two
    least, which come first in `order`, are looked at.
    """
    k = len(squares)
    scores, looked_at, is_looked_at = squares.copy(), np.empty(k, np.int64), np.zeros(k, np.bool_)
    for i in range(len(labels)):
        square, count, others = 0.0, 0, 0
        for p in range(rows.starts[i], rows.starts[i + 1]):
            x, column = np.float64(rows.values[p]), rows.places[p]
            square += x * x
            for q in range(columns.starts[column], columns.starts[column + 1]):
                j = columns.places[q]
                scores[j] -= 2.0 * x * columns.values[q]
                if not is_looked_at[j]:
                    is_looked_at[j], looked_at[count] = True, j
                    count += 1
        for j in order:
            if others == 2:
                break
            if not is_looked_at[j]:
                is_looked_at[j], looked_at[count] = True, j
                count, others = count + 1, others + 1
        label, least, second = looked_at[0], np.inf, np.inf
        for j in looked_at[:count]:
            second = min(second, max(least, scores[j]))
            if scores[j] < least:
                label, least = j, scores[j]
        margin = margin_of(square, rounding)
        if least + square - margin >= limits[i]:
            label = -1
        elif not second - least > margin:
            shortest = np.inf
            for j in range(k):
                if scores[j] <= least + margin:
                    distance = _squared_distance(rows, i, centroids, j)
                    if distance < shortest:
                        label, shortest = j, distance
        labels[i] = label
        for j in looked_at[:count]:
            scores[j], is_looked_at[j] = squares[j], False


@kernel
def _walk_to_own(rows, labels, centroids, squared):  # type: ignore[no-untyped-def]
    """Find the squared distances of rows that have a label to centroids, which are sparse rows, too."""
    for i in range(len(labels)):
        if labels[i] >= 0:
            squared[i] = _squared_distance(rows, i, centroids, labels[i])
