"""Nearest centroids by matrix products, where rows, columns or centroids are many.

The squared distance is |x|² + |c|² - 2 x·c, and x·c for many x and c is one matrix product, which BLAS
computes many times faster than the plain formula; in float32 twice as fast again. But it rounds
differently. So the nearest two centroids are found by their scores, |c|² - 2 x·c; where the two scores are
nearer to each other than the rounding errors together, the plain formula decides. The labels are always those
of `distance.nearest`.

A common offset is subtracted first, so that data far from the origin do not leave every row in doubt. A
power of two brings all numbers near 1, so that nothing overflows. If float32 leaves many rows in
doubt, float64 takes over.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.limbs import ANY_ORDER, read_only, squared_distance
from common.kernels.nearest.plain import squared_to
from common.model import FloatArray, IntArray, LongArray, PointArray

_ELEMENTS = 1 << 16
"""Of a block's products: 256 KiB in float32, which stay in a core's cache."""
_LEAST_ROWS, _MOST_ROWS = 512, 2048
"""Of a block."""
_FAR = 2.0**20
"""Centroids farther out than this, in units of the data's range, need float64's range."""

RowNumbers = npt.NDArray[np.uint32]
_Floats = npt.NDArray[Any]
"""float32 or float64, as all that products are computed with."""


class _Rounding(NamedTuple):
    """Bounds the rounding errors of row x's squared distances by relative * (|x| + reach)² + absolute."""

    reach: float
    relative: float
    absolute: float


class _Centroids(NamedTuple):
    exact: FloatArray  # (k, d): as given
    doubled: _Floats  # (k, d): 2 c, less the offset and scaled
    squares: _Floats  # (k,): |c|²
    rounding: _Rounding


class _Scores(NamedTuple):
    """Arrays of their own: inside compiled code, a row of a larger one costs the loops their vector code."""

    least: _Floats  # (rows,): the least two scores of each
    second: _Floats
    squares: _Floats  # (rows,): |x|²


class Found(NamedTuple):
    """What was found of each row of a block; distances are scaled."""

    labels: npt.NDArray[np.uint32]  # the nearest centroid
    nearest: FloatArray  # at least the squared distance to it
    second: FloatArray  # at most the squared distance to any other


def nearest(points: FloatArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find what `common.kernels.nearest.distance.nearest` finds."""
    points, centroids = read_only(points), read_only(centroids)
    n = len(points)
    labels, squared, rows = np.empty(n, np.int32), np.empty(n), np.arange(n, dtype=np.uint32)
    exponent = int(np.frexp(np.abs(points).max(initial=0.0))[1])
    products = Products(points.shape[1], len(centroids), exponent, points[: 1 << 10].mean(axis=0))
    products.set_centroids(centroids)
    for start in range(0, n, products.rows):
        block = slice(start, min(n, start + products.rows))
        products.assign(points, rows[block])
        found = products.found.labels[: block.stop - start]
        labels[block] = found
        squared_to(points[block], centroids, found, squared[block])
    return labels, squared


class Products:
    """Assigns blocks of rows to k centroids.

    Every number of the data is smaller in magnitude than 2**exponent; `offset`, shape (columns,), is a
    point amid the data.
    """

    def __init__(self, columns: int, k: int, exponent: int, offset: FloatArray) -> None:
        self.rows = min(_MOST_ROWS, max(_LEAST_ROWS, _ELEMENTS // k))
        """How many fit in a block."""
        self.scale = math.ldexp(1.0, -max(exponent, -1000) - 1)
        """The power of two that brings the data to near 1."""
        nearest, second = np.empty((2, self.rows))
        self.found = Found(labels=np.empty(self.rows, np.uint32), nearest=nearest, second=second)
        """Of the last block."""
        self._offset = offset
        self._shape = (columns, k)
        self._make_room(np.float32)

    @property
    def in_single(self) -> bool:
        """Whether float32 still does."""
        return self._scores.squares.dtype == np.float32

    def _make_room(self, dtype: npt.DTypeLike) -> None:
        columns, k = self._shape
        self._points = np.empty((self.rows, columns), dtype)
        self._products = np.empty(k * self.rows, dtype)
        least, second, squares = np.empty((3, self.rows), dtype)
        self._scores = _Scores(least=least, second=second, squares=squares)

    def set_centroids(self, centroids: FloatArray) -> None:
        """Take centroids of shape (k, d)."""
        with np.errstate(over="ignore", invalid="ignore"):  # then all is in doubt
            moved = (centroids - self._offset) * self.scale
            if self.in_single and np.abs(moved).max() > _FAR:
                self._make_room(np.float64)
            dtype = self._scores.squares.dtype
            squares = (moved**2).sum(axis=1)
            rounding = self._rounding(float(np.sqrt(squares.max())))
            self._centroids = _Centroids(
                centroids, (2.0 * moved).astype(dtype), squares.astype(dtype), rounding
            )

    def _rounding(self, reach: float) -> _Rounding:
        # With the unit roundoff u, the factors' rounding, the product's and that of |c|² make the
        # difference of two centroids wrong by at most (d + 8) u (|x| + |c|)²; the plain formula, by
        # 2 (d + 2) u (|x| + |c|)². And products may underflow: here, or in the plain formula.
        d, precision = self._shape[0], np.finfo(self._scores.squares.dtype)
        relative = (3 * d + 16) * float(precision.eps) / 2
        absolute = (d + 64) * (float(precision.tiny) + 5e-324 * self.scale * self.scale)
        return _Rounding(reach, relative, absolute)

    def assign(self, points: PointArray, rows: RowNumbers) -> None:
        """Find the nearest centroids of some points, at most `self.rows`; the results are in `found`."""
        products = self._multiply(points, rows, self._centroids.doubled)
        scores = self._scores
        _least_two(products, self._centroids.squares, scores.least, scores.second, self.found.labels)
        doubtful = _settle(points, rows, self._centroids, products, scores, self.found)
        if self.in_single and doubtful > max(len(rows), _LEAST_ROWS) // 8:
            self._make_room(np.float64)
            self.set_centroids(self._centroids.exact)

    def bound_others(
        self, points: PointArray, rows: RowNumbers, own: RowNumbers, others: LongArray
    ) -> FloatArray:
        """Return a lower bound of each row's squared distance, scaled, to the nearest of some others.

        `others` are the indexes of these centroids; each row's `own` is left out.
        """
        products = self._multiply(points, rows, self._centroids.doubled[others])
        squares, rounding = self._centroids.squares[others], self._centroids.rounding
        bounds = np.empty(len(rows))
        _bound_others(products, squares, rounding, others.astype(np.uint32), own, self._scores, bounds)
        return bounds

    def _multiply(self, points: PointArray, rows: RowNumbers, doubled: _Floats) -> _Floats:
        """Gather rows, and return their products with centroids, shape (k, rows)."""
        _gather(points, rows, self._offset, self.scale, self._points, self._scores.squares)
        products = self._products[: len(doubled) * len(rows)].reshape(-1, len(rows))
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(doubled, self._points[: len(rows)].T, out=products)
        return products


@kernel(fastmath=ANY_ORDER)
def _gather(points, rows, offset, scale, out, squares):  # type: ignore[no-untyped-def]
    """Copy rows, less the offset and scaled, and find their squares."""
    for r in range(len(rows)):
        i, total = rows[r], 0.0
        for c in range(points.shape[1]):
            out[r, c] = (points[i, c] - offset[c]) * scale
        for c in range(points.shape[1]):
            total += out[r, c] * out[r, c]
        squares[r] = total


@kernel
def _least_two(products, squares, least, second, labels):  # type: ignore[no-untyped-def]
    """Find each row's least two scores, and the label of the least.

    The inner loop runs over rows and has no branch, so that the compiler makes vector code of it.
    """
    n = products.shape[1]
    least[:n], second[:n], labels[:n] = np.inf, np.inf, 0
    for k in range(len(squares)):
        square, label = squares[k], np.uint32(k)
        for r in range(n):
            s, before = square - products[k, r], least[r]
            second[r] = min(second[r], max(before, s))
            labels[r] = label if s < before else labels[r]
            least[r] = min(before, s)


@njit(inline="always")
def _margin(square, rounding):  # type: ignore[no-untyped-def]
    return rounding.relative * (np.sqrt(square) + rounding.reach) ** 2 + rounding.absolute


@kernel
def _bound_others(products, squares, rounding, others, own, scores, bounds):  # type: ignore[no-untyped-def]
    """Turn each row's least score among some centroids, its own left out, into a lower bound."""
    n, least = len(bounds), scores.least
    least[:n] = np.inf
    for j in range(len(others)):
        square, other = squares[j], others[j]
        for r in range(n):
            s, before = square - products[j, r], least[r]
            least[r] = s if s < before and own[r] != other else before
    for r in range(n):
        square = np.float64(scores.squares[r])
        bound = np.float64(least[r]) + square - _margin(square, rounding)
        bounds[r] = bound if bound > 0.0 else 0.0  # and not NaN


@kernel
def _settle(points, rows, centroids, products, scores, found):  # type: ignore[no-untyped-def]
    """Decide doubtful rows by the plain formula, and count them; turn scores into bounds."""
    labels, nearest, second = found.labels, found.nearest, found.second
    exact, squares, rounding = centroids.exact, centroids.squares, centroids.rounding
    least_scores, second_scores, own_squares = scores.least, scores.second, scores.squares
    doubtful = 0
    for r in range(len(rows)):
        square = np.float64(own_squares[r])
        least, other = np.float64(least_scores[r]), np.float64(second_scores[r])
        margin = _margin(square, rounding)
        if not other - least > margin:
            doubtful += 1
            limit, shortest = least + margin, np.inf
            for candidate in range(len(exact)):
                if not squares[candidate] - products[candidate, r] > limit:
                    distance = squared_distance(points, rows[r], exact, candidate)
                    if distance < shortest:
                        shortest, labels[r] = distance, candidate
            other = least
        nearest[r] = least + square + margin
        second[r] = other + square - margin
    return doubtful
