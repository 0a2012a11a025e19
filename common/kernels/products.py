"""Nearest centroids by matrix products, where rows, columns or centroids are many.

The squared distance is |x|² + |c|² - 2 x·c, and x·c for many x and c is one matrix product, at which
BLAS is many times faster than the plain formula; but it rounds differently. Where the nearest two
centroids are nearer to each other than both roundings together, the plain formula decides: labels
are those of `distance.nearest`, always. A common offset is taken away first, so that data far from
the origin do not leave everything in doubt.
"""

import numpy as np
from numba import njit

from common.model import FloatArray

_BLOCK_ROWS = 512


class Products:
    """Room for one block of rows and its products with k centroids.

    Parameters
    ----------
    columns, k
        The shape of the centroids, turned.
    """

    rows = _BLOCK_ROWS

    def __init__(self, columns: int, k: int) -> None:
        self.points = np.zeros((_BLOCK_ROWS, columns))  # all of it is multiplied, used or not
        self.squares = np.empty(_BLOCK_ROWS)
        self.products = np.empty((k, _BLOCK_ROWS))
        self.labels = np.empty(_BLOCK_ROWS, np.int32)
        self.nearest = np.empty(_BLOCK_ROWS)
        self.second = np.empty(_BLOCK_ROWS)

    def set_centroids(self, centroids: FloatArray, offset: FloatArray) -> None:
        """Take the centroids, shape (k, d), relative to an offset, shape (d,)."""
        self._exact = centroids
        self._offset = offset
        self._centroids = centroids - offset
        self._squares = (self._centroids**2).sum(axis=1)
        self._reach = float(np.sqrt(self._squares.max()))
        d = centroids.shape[1]
        # The product of n terms is off by n * eps / 2 times the terms' magnitudes, the plain formula
        # by less; factors are rounded once when the offset is taken away. 4d + 32 covers all of it.
        self._margin = (4 * d + 32) * np.finfo(np.float64).eps / 2

    def assign(self, points: FloatArray, rows: np.ndarray, n: int) -> None:
        """Find labels, squared distance to the nearest and a lower bound of that to the second.

        Parameters
        ----------
        points
            Shape (all, d).
        rows
            Which of them, the first n; at most `Products.rows`.

        The results stand in `labels`, `nearest` (an upper bound) and `second` (a lower bound).
        """
        _gather(points, rows, n, self._offset, self.points, self.squares)
        np.matmul(self._centroids, self.points.T, out=self.products)
        _nearest_two(self.products, self._squares, n, self.nearest, self.second, self.labels)
        _settle(
            *(points, rows, n, self._exact, self.products, self._squares),
            *(self.squares, self._reach, self._margin, self.nearest, self.second, self.labels),
        )


@njit(cache=True)
def _gather(points, rows, n, offset, out, squares):  # type: ignore[no-untyped-def]
    """Copy rows, less the offset, and find their squares."""
    for r in range(n):
        total = 0.0
        for c in range(points.shape[1]):
            x = points[rows[r], c] - offset[c]
            out[r, c] = x
            total += x * x
        squares[r] = total


@njit(cache=True)
def _nearest_two(products, squares, n, nearest, second, labels):  # type: ignore[no-untyped-def]
    """Find the least two of |c|² - 2 x·c over the centroids, and the label of the least.

    The inner loop runs over rows and has no branch, so that the compiler makes vector code of it.
    """
    for r in range(n):
        nearest[r], second[r], labels[r] = np.inf, np.inf, 0
    for k in range(len(squares)):
        square = squares[k]
        for r in range(n):
            s = square - 2.0 * products[k, r]
            least = nearest[r]
            second[r] = min(second[r], max(least, s))
            labels[r] = k if s < least else labels[r]
            nearest[r] = min(least, s)


@njit(cache=True)
def _settle(  # type: ignore[no-untyped-def]
    points, rows, n, centroids, products, squares, own_squares, reach, relative, nearest, second, labels
):
    """Decide doubtful rows by the plain formula; turn what was found into bounds of squared distances."""
    k, d = centroids.shape
    for r in range(n):
        margin = relative * (np.sqrt(own_squares[r]) + reach) ** 2 + 1e-280
        if not second[r] - nearest[r] > margin:
            limit, least = nearest[r] + margin, np.inf
            for candidate in range(k):
                if squares[candidate] - 2.0 * products[candidate, r] <= limit:
                    distance = 0.0
                    for c in range(d):
                        difference = points[rows[r], c] - centroids[candidate, c]
                        distance += difference * difference
                    if distance < least:
                        least, labels[r] = distance, candidate
            second[r] = nearest[r]
        nearest[r] += own_squares[r] + margin
        second[r] += own_squares[r] - margin


@njit(cache=True)
def squared_to(points, rows, n, centroids, labels, out):  # type: ignore[no-untyped-def]
    """Find the squared distance of each row to its centroid, by the plain formula."""
    for r in range(n):
        total = 0.0
        for c in range(points.shape[1]):
            difference = points[rows[r], c] - centroids[labels[r], c]
            total += difference * difference
        out[r] = total
