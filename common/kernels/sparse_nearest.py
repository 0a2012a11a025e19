"""Nearest centroids of sparse rows, by scores |c|² - 2 x·c, to which only the numbers kept add.

Labels and squared distances are those of `common.kernels.nearest.distance.nearest`. Where rounding leaves
doubt, the plain formula decides, as in `common.kernels.nearest.scores`. It adds up the columns in order; one
where both numbers are 0 adds 0, and is left out.
"""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.nearest.scores import margin_of, rounding_of
from common.kernels.sparse import SparseRows
from common.model import FloatArray, IntArray, LongArray

_LANES = 32
"""Rows whose squared distances are added up side by side, in vector code."""
_TILE_COLUMNS = 128
"""Of so many rows; what is added up stays in the core's nearest cache."""
_WALK = 16
"""A centroid with fewer numbers than one in so many columns is faster walked along its numbers alone."""


def nearest(rows: SparseRows, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find each row's nearest centroid, and its squared distance to it, both of shape (n,)."""
    labels, squared = labels_of(rows, centroids), np.empty(len(rows))
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(labels, minlength=len(centroids)))[:-1])
    for own, centroid in zip(members, centroids, strict=True):
        _measure(rows, own, centroid, squared)
    return labels, squared


def squared_to(rows: SparseRows, point: FloatArray) -> FloatArray:
    """Return each row's squared distance to a point of shape (d,)."""
    squared = np.empty(len(rows))
    _measure(rows, np.arange(len(rows)), point, squared)
    return squared


def distances(rows: SparseRows, centroids: FloatArray) -> FloatArray:
    """Return each row's distance to every centroid, shape (n, k)."""
    return np.sqrt(np.column_stack([squared_to(rows, centroid) for centroid in centroids]))


def labels_of(rows: SparseRows, centroids: FloatArray) -> IntArray:
    """Find the labels alone."""
    labels, squares = np.empty(len(rows), np.int32), (centroids**2).sum(axis=1)
    doubled = np.ascontiguousarray(2.0 * centroids.T)
    tiny = 2 * float(np.finfo(np.float64).tiny)  # nothing is scaled
    rounding = rounding_of(rows.columns, float(squares.max()), np.float64, tiny)
    _find(rows.kept, doubled, squares, SparseRows.of(centroids).kept, rounding, labels)
    return labels


def _measure(rows: SparseRows, own: LongArray, centroid: FloatArray, squared: FloatArray) -> None:
    """Find the squared distances of some rows to one centroid."""
    if np.count_nonzero(centroid) * _WALK < rows.columns:
        _walk_to(rows.kept, own, SparseRows.of(centroid[None]).kept, squared)
    else:
        room = np.empty((_TILE_COLUMNS, _LANES)), np.empty(_LANES)
        _sum_to(rows.kept, own, centroid, *room, squared)


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


@kernel
def _find(rows, doubled, squares, centroids, rounding, labels):  # type: ignore[no-untyped-def]
    """Find labels; `doubled`, shape (d, k), are the centroids' columns, twice."""
    k = len(squares)
    scores = np.empty(k)
    for i in range(len(labels)):
        square = 0.0
        scores[:] = squares
        for p in range(rows.starts[i], rows.starts[i + 1]):
            x, column = np.float64(rows.values[p]), np.uint32(rows.places[p])
            square += x * x
            for j in range(k):
                scores[j] -= x * doubled[column, j]
        label = 0
        least, second = scores[0], np.inf
        for j in range(1, k):
            second = min(second, max(least, scores[j]))
            if scores[j] < least:
                label, least = j, scores[j]
        margin = margin_of(square, rounding)
        if not second - least > margin:
            limit, shortest = least + margin, np.inf
            for j in range(k):
                if scores[j] <= limit:
                    distance = _squared_distance(rows, i, centroids, j)
                    if distance < shortest:
                        label, shortest = j, distance
        labels[i] = label


@kernel
def _walk_to(rows, own, centroid, squared):  # type: ignore[no-untyped-def]
    """Find the squared distances of some rows to one centroid, which is a sparse row, too."""
    for r in range(len(own)):
        squared[own[r]] = _squared_distance(rows, own[r], centroid, 0)


@kernel
def _sum_to(rows, own, centroid, room, totals, squared):  # type: ignore[no-untyped-def]  # noqa: C901
    """Find the squared distances of some rows to one centroid, shape (d,), most of which is not 0.

    Some rows at a time: each column of `room` gets the squares that a row of zeros has, then those of the
    numbers that its row has, and all are added up row by row.
    """
    tile, lanes = room.shape
    places = np.zeros((2, lanes), np.int64)
    for first in range(0, len(own), lanes):
        some = own[first : first + lanes]
        totals[:] = 0.0
        for r in range(len(some)):
            places[0, r], places[1, r] = rows.starts[some[r]], rows.starts[some[r] + 1]
        for start in range(0, len(centroid), tile):
            stop = min(start + tile, len(centroid))
            for c in range(start, stop):
                square = centroid[c] * centroid[c]
                for r in range(lanes):
                    room[c - start, r] = square
            for r in range(len(some)):
                p, end = places[0, r], places[1, r]
                while p < end and rows.places[p] < stop:
                    column = rows.places[p]
                    difference = np.float64(rows.values[p]) - centroid[column]
                    room[column - start, r] = difference * difference
                    p += 1
                places[0, r] = p
            for c in range(stop - start):
                for r in range(lanes):
                    totals[r] += room[c, r]
        for r in range(len(some)):
            squared[some[r]] = totals[r]
