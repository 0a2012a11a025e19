"""Nearest centroids of sparse rows, by scores |c|² - 2 x·c, to which only the numbers kept add.

Labels and squared distances are those of `common.kernels.nearest.distance.nearest`. Where rounding leaves
doubt, the plain formula decides, as in `common.kernels.nearest.scores`. It adds up the columns in order; one
where both numbers are 0 adds 0, and is left out.
"""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.grouping import order_by_key
from common.kernels.nearest.scores import margin_of, rounding_of
from common.kernels.sparse import SparseRows
from common.kernels.sparse_squares import SquareSums
from common.model import FloatArray, IntArray

_FEW = 16
"""Centroids of which fewer than one number in so many is not 0 are taken as sparse rows, too."""


def nearest(rows: SparseRows, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find each row's nearest centroid, and its squared distance to it, both of shape (n,)."""
    labels = labels_of(rows, centroids)
    return labels, squared_to_own(rows, labels, centroids)


def squared_to_own(rows: SparseRows, labels: IntArray, centroids: FloatArray) -> FloatArray:
    """Return each row's squared distance to the centroid of its label, shape (n,)."""
    squared = np.empty(len(rows))
    if _are_sparse(centroids):
        _walk_to_own(rows.kept, labels, SparseRows.of(centroids).kept, squared)
        return squared
    sums, order = SquareSums(rows), order_by_key(labels)
    members = np.split(order, np.cumsum(np.bincount(labels, minlength=len(centroids)))[:-1])
    for own, centroid in zip(members, centroids, strict=True):
        sums.add(own, centroid, squared)
    return squared


def squared_to(rows: SparseRows, point: FloatArray) -> FloatArray:
    """Return each row's squared distance to a point of shape (d,)."""
    return squared_to_own(rows, np.zeros(len(rows), np.int32), point[None])


def distances(rows: SparseRows, centroids: FloatArray) -> FloatArray:
    """Return each row's distance to every centroid, shape (n, k)."""
    return np.sqrt(np.column_stack([squared_to(rows, centroid) for centroid in centroids]))


def labels_of(rows: SparseRows, centroids: FloatArray) -> IntArray:
    """Find the labels alone."""
    labels, squares = np.empty(len(rows), np.int32), (centroids**2).sum(axis=1)
    tiny = 2 * float(np.finfo(np.float64).tiny)  # nothing is scaled
    rounding = rounding_of(rows.columns, float(squares.max()), np.float64, tiny)
    if _are_sparse(centroids):
        sparse = SparseRows.of(centroids)
        order = np.argsort(squares, kind="stable")
        _find_sparse(rows.kept, sparse.turned().kept, sparse.kept, squares, order, rounding, labels)
    else:
        _find(rows.kept, np.ascontiguousarray(centroids.T), centroids, squares, rounding, labels)
    return labels


def _are_sparse(centroids: FloatArray) -> bool:
    return int(np.count_nonzero(centroids)) * _FEW < centroids.size


@njit(inline="always")
def _squared_distance(rows, i, centroids, k):  # type: ignore[no-untyped-def]
    """Add up the squared differences of two sparse rows, in column order."""
    p, p_stop = rows.starts[i], rows.starts[i + 1]
    q, q_stop = centroids.starts[k], centroids.starts[k + 1]
    total = 0.0
    while p < p_stop or q < q_stop:
        difference = 0.0
        row_next = p < p_stop and (q == q_stop or rows.places[p] <= centroids.places[q])
        if q < q_stop and (p == p_stop or centroids.places[q] <= rows.places[p]):
            difference = -centroids.values[q]
            q += 1
        if row_next:
            difference += np.float64(rows.values[p])
            p += 1
        total += difference * difference
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
def _find(rows, columns, centroids, squares, rounding, labels):  # type: ignore[no-untyped-def]
    """Find labels; `columns`, shape (d, k), are the centroids', shape (k, d)."""
    k = len(squares)
    scores = np.empty(k)
    for i in range(len(labels)):
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
def _find_sparse(rows, columns, centroids, squares, order, rounding, labels):  # type: ignore[no-untyped-def]  # noqa: C901
    """Find labels; `columns` are those of the centroids, which are sparse rows, as sparse rows, too.

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
        if not second - least > margin:
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
    """Find the squared distances of rows to centroids, which are sparse rows, too."""
    for i in range(len(labels)):
        squared[i] = _squared_distance(rows, i, centroids, labels[i])
