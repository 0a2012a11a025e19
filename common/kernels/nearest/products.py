"""Nearest centroids by matrix products, where columns are many.

The products x·c of many x and c are one matrix product, which BLAS computes many times faster than any loop
that is not written for the processor at hand; see `common.kernels.nearest.scores` for what is made of them.
"""

import numpy as np

from common.kernels.compiling import kernel
from common.kernels.limbs import ANY_ORDER, squared_distance
from common.kernels.nearest.scores import Floats, RowNumbers, Scores, margin_of, root_above, root_below
from common.model import FloatArray, LongArray, PointArray

_ELEMENTS = 1 << 16
"""Of a block's products: 256 KiB in float32, which stay in a core's cache."""
_LEAST_ROWS, _MOST_ROWS = 512, 2048
"""Of a block."""


class Products(Scores):
    """Assigns rows by products with all centroids, and bounds the distances to some of them."""

    def __init__(self, columns: int, k: int, exponent: int, offset: FloatArray) -> None:
        rows = min(_MOST_ROWS, max(_LEAST_ROWS, _ELEMENTS // k))
        super().__init__(columns, k, exponent, offset, rows)

    def make_room(self) -> None:
        """See `Scores`."""
        columns, k = self.shape
        self._points = np.empty((self.rows, columns), self.dtype)
        self._products = np.empty(k * self.rows, self.dtype)
        # Arrays of their own: inside compiled code, a row of a larger one costs the loops their vector code.
        self._least, self._second, self._squares = np.empty((3, self.rows), self.dtype)

    def find(self, points: PointArray, rows: RowNumbers) -> int:
        """See `Scores`."""
        products = self._multiply(points, rows, self.centroids.doubled)
        _least_two(products, self.centroids.squares, self._least, self._second, self.found.labels)
        doubtful: int = _settle(
            *(points, rows, self.centroids, products),
            *(self._least, self._second, self._squares, self.found),
        )
        return doubtful

    def bound_others(
        self, points: PointArray, rows: RowNumbers, own: RowNumbers, others: LongArray
    ) -> FloatArray:
        """Return a lower bound of each row's squared distance, scaled, to the nearest of some others.

        `others` are the indexes of these centroids; each row's `own` is left out.
        """
        products = self._multiply(points, rows, self.centroids.doubled[others])
        squares, rounding = self.centroids.squares[others], self.centroids.rounding
        bounds = np.empty(len(rows))
        _bound_others(
            *(products, squares, rounding, others.astype(np.uint32), own, self._least, self._squares, bounds)
        )
        return bounds

    def _multiply(self, points: PointArray, rows: RowNumbers, doubled: Floats) -> Floats:
        """Gather rows, and return their products with centroids, shape (k, rows)."""
        _gather(points, rows, self.offset, self.scale, self._points, self._squares)
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


@kernel
def _bound_others(products, squares, rounding, others, own, least, own_squares, bounds):  # type: ignore[no-untyped-def]
    """Turn each row's least score among some centroids, its own left out, into a lower bound."""
    n = len(bounds)
    least[:n] = np.inf
    for j in range(len(others)):
        square, other = squares[j], others[j]
        for r in range(n):
            s, before = square - products[j, r], least[r]
            least[r] = s if s < before and own[r] != other else before
    for r in range(n):
        square = np.float64(own_squares[r])
        bound = np.float64(least[r]) + square - margin_of(square, rounding)
        bounds[r] = bound if bound > 0.0 else 0.0  # and not NaN


@kernel
def _settle(points, rows, centroids, products, least_scores, second_scores, own_squares, found):  # type: ignore[no-untyped-def]
    """Decide doubtful rows by the plain formula, and count them; turn scores into bounds."""
    labels, upper, lower = found.labels, found.upper, found.lower
    exact, squares, rounding = centroids.exact, centroids.squares, centroids.rounding
    doubtful = 0
    for r in range(len(rows)):
        square = np.float64(own_squares[r])
        least, other = np.float64(least_scores[r]), np.float64(second_scores[r])
        margin = margin_of(square, rounding)
        if not other - least > margin:
            doubtful += 1
            limit, shortest = least + margin, np.inf
            for candidate in range(len(exact)):
                if not squares[candidate] - products[candidate, r] > limit:
                    distance = squared_distance(points, rows[r], exact, candidate)
                    if distance < shortest:
                        shortest, labels[r] = distance, candidate
            other = least
        upper[r], lower[r] = root_above(least + square + margin), root_below(other + square - margin)
    return doubtful
