"""Nearest centroids by matrix products, where rows, columns or centroids are many.

The squared distance is |x|² + |c|² - 2 x·c, and x·c for many x and c is one matrix product, at which
BLAS is many times faster than the plain formula; in float32 twice as fast again. But it rounds
differently. Where the nearest two centroids are nearer to each other than both roundings together,
the plain formula decides: labels are those of `distance.nearest`, always. A common offset is taken
away first, so that data far from the origin do not leave everything in doubt, and a power of two
brings all numbers near 1, so that nothing overflows. Where float32 leaves much in doubt, float64 takes over.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from common.model import FloatArray, LongArray, PointArray

_ELEMENTS = 1 << 16
"""Of a block's products: 256 KiB in float32, which stay in a core's cache."""
ANY_ORDER = {"reassoc", "contract"}
"""What the compiler may do to sums that bounds are made of, so that it finds vector code."""
TILE_ROWS = 512
"""So few that BLAS needs no copies of its own where columns and centroids are not many."""
_FAR = 2.0**20
"""Centroids farther out than this, in units of the data's range, need float64's range."""


def scale_of(exponent: int) -> float:
    """Return the power of two that brings numbers below 2**exponent to near 1."""
    return math.ldexp(1.0, -max(exponent, -1000) - 1)


class Products:
    """Assigns blocks of rows to k centroids.

    Parameters
    ----------
    columns, k
        The shape of the centroids, turned.
    exponent
        Every number of the data is smaller in magnitude than 2**exponent.
    offset
        Shape (columns,): a point amid the data.
    """

    def __init__(self, columns: int, k: int, exponent: int, offset: FloatArray) -> None:
        self.rows = TILE_ROWS * min(4, max(1, _ELEMENTS // (k * TILE_ROWS)))
        self.scale = scale_of(exponent)
        self.labels = np.empty(self.rows, np.uint32)
        self.nearest, self.second = np.empty(self.rows), np.empty(self.rows)
        self._offset = offset
        self._shape = (columns, k)
        self.in_single = True
        self._make_room(np.float32)

    def _make_room(self, dtype: Any) -> None:
        columns, k = self._shape
        self._points = np.empty((self.rows, columns), dtype)
        self._products = np.empty(k * self.rows, dtype)
        self._found = np.empty((3, self.rows), dtype)

    def set_centroids(self, centroids: FloatArray, order: LongArray | None = None) -> None:
        """Take centroids of shape (k, d); `order`, shape (k,), is theirs for `bound_others`."""
        self._exact, self._order = centroids, order
        with np.errstate(over="ignore", invalid="ignore"):  # then all is in doubt
            moved = (centroids - self._offset) * self.scale
            if self.in_single and np.abs(moved).max() > _FAR:
                self._use_double()
            dtype = self._points.dtype
            self._centroids = (2.0 * moved).astype(dtype)
            squares = (moved**2).sum(axis=1)
            self._squares = squares.astype(dtype)
            self._reach = float(np.sqrt(squares.max()))
        # With the unit roundoff u, the factors' rounding, the product's and that of |c|² make the
        # difference of two centroids wrong by at most (d + 8) u (|x| + |c|)²; the plain formula, by
        # 2 (d + 2) u (|x| + |c|)². And products may underflow: here, or in the plain formula.
        d, precision = centroids.shape[1], np.finfo(dtype)
        self._relative = (3 * d + 16) * float(precision.eps) / 2
        self._absolute = (d + 64) * (float(precision.tiny) + 5e-324 * self.scale * self.scale)
        if order is not None:
            self._first, self._first_squares = self._centroids[order], self._squares[order]
            self._ids = order.astype(np.uint32)

    def _use_double(self) -> None:
        self.in_single = False
        self._make_room(np.float64)

    def assign(self, points: PointArray, rows: npt.NDArray[np.uint32]) -> None:
        """Find labels, a bound of the squared distance to the nearest, and one to the second.

        Parameters
        ----------
        points
            Shape (all, d), float32 or float64.
        rows
            Which of them, uint32; at most `self.rows`.

        The results stand in `labels`, `nearest` (upper bounds) and `second` (lower bounds), both in
        units of `scale`: squared distances times scale².
        """
        self._decide(points, rows, self._multiply_gathered(points, rows, self._centroids))

    def assign_tiles(self, points: PointArray, rows: npt.NDArray[np.uint32], tiles: "Tiles") -> None:
        """Do the same for all rows of some tiles, as many as there is room for; while `in_single`."""
        tile, n = int(rows[0]) // TILE_ROWS, len(rows)
        products = self._room_for(self._centroids, n)
        for at in range(0, n, TILE_ROWS):
            columns = tiles.points[tile + at // TILE_ROWS, :, : n - at]
            np.matmul(self._centroids, columns, out=products[:, at : at + TILE_ROWS])
        self._found[2, :n] = tiles.squares[rows[0] : rows[0] + n]
        self._decide(points, rows, products)

    def _decide(self, points: PointArray, rows: npt.NDArray[np.uint32], products: npt.NDArray[Any]) -> None:
        _nearest_two(products, self._squares, self._found[0], self._found[1], self.labels)
        doubtful = _settle(
            *(points, rows, self._exact, products, self._squares, self._found),
            *(self._reach, self._relative, self._absolute, self.nearest, self.second, self.labels),
        )
        if self.in_single and doubtful > max(len(rows), TILE_ROWS) // 8:
            self._use_double()
            self.set_centroids(self._exact, self._order)

    def bound_others(
        self, points: PointArray, rows: npt.NDArray[np.uint32], labels: npt.NDArray[np.uint32], first: int
    ) -> None:
        """Find, in `second`, a lower bound of the squared distance to the nearest of some other centroids.

        Parameters
        ----------
        points, rows
            As for `assign`.
        labels
            Shape (all,): every row's centroid, which is not looked at.
        first
            How many centroids are looked at, in the order given with them.
        """
        products = self._multiply_gathered(points, rows, self._first[:first])
        _nearest_other(products, self._first_squares, self._ids, rows, labels, self.labels, self._found[0])
        _to_lower_bounds(self._found, self._reach, self._relative, self._absolute, len(rows), self.second)

    def _multiply_gathered(
        self, points: PointArray, rows: npt.NDArray[np.uint32], centroids: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        """Gather rows, and return their products with centroids, shape (k, rows)."""
        _gather(points, rows, self._offset, self.scale, self._points, self._found[2])
        products = self._room_for(centroids, len(rows))
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(centroids, self._points[: len(rows)].T, out=products)
        return products

    def _room_for(self, centroids: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
        return self._products[: len(centroids) * rows].reshape(-1, rows)


class Tiles:
    """All rows as products take them, so that those of whole tiles need not be gathered.

    Parameters
    ----------
    points
        Shape (n, d), float32 or float64.
    offset, scale
        As for `Products`.
    """

    def __init__(self, points: PointArray, offset: FloatArray, scale: float) -> None:
        n, d = points.shape
        tiles = -(-n // TILE_ROWS)
        self.points = np.zeros((tiles, d, TILE_ROWS), np.float32)
        self.squares = np.zeros(tiles * TILE_ROWS, np.float32)
        _cut_into_tiles(points, offset, scale, self.points, self.squares)


@njit(cache=True, nogil=True)
def _cut_into_tiles(points, offset, scale, tiles, squares):  # type: ignore[no-untyped-def]
    """Copy rows, less the offset and scaled, into tiles of columns, and find their squares."""
    for i in range(len(points)):
        tile, r = i // TILE_ROWS, i % TILE_ROWS
        for c in range(points.shape[1]):
            x = np.float32((points[i, c] - offset[c]) * scale)
            tiles[tile, c, r] = x
            squares[i] += x * x


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _gather(points, rows, offset, scale, out, squares):  # type: ignore[no-untyped-def]
    """Copy rows, less the offset and scaled, and find their squares."""
    for r in range(len(rows)):
        i, total = rows[r], out[0, 0] * 0
        for c in range(points.shape[1]):
            out[r, c] = (points[i, c] - offset[c]) * scale
        for c in range(points.shape[1]):
            total += out[r, c] * out[r, c]
        squares[r] = total


@njit(cache=True, nogil=True)
def _nearest_two(products, squares, nearest, second, labels):  # type: ignore[no-untyped-def]
    """Find the least two of |c|² - 2 x·c over the centroids, and the label of the least.

    The inner loop runs over rows and has no branch, so that the compiler makes vector code of it.
    """
    n = products.shape[1]
    nearest[:n], second[:n], labels[:n] = np.inf, np.inf, 0
    for k in range(len(squares)):
        square, label = squares[k], np.uint32(k)
        for r in range(n):
            s = square - products[k, r]
            least = nearest[r]
            second[r] = min(second[r], max(least, s))
            labels[r] = label if s < least else labels[r]
            nearest[r] = min(least, s)


@njit(cache=True, nogil=True)
def _nearest_other(products, squares, ids, rows, labels, own, nearest):  # type: ignore[no-untyped-def]
    """Find the least of |c|² - 2 x·c over some centroids but each row's own."""
    k, n = products.shape
    nearest[:n] = np.inf
    for r in range(n):
        own[r] = labels[rows[r]]
    for j in range(k):
        square, label = squares[j], ids[j]
        for r in range(n):
            s, least = square - products[j, r], nearest[r]
            nearest[r] = s if s < least and own[r] != label else least


@njit(cache=True, nogil=True)
def _to_lower_bounds(found, reach, relative, absolute, n, bounds):  # type: ignore[no-untyped-def]
    for r in range(n):
        own = np.float64(found[2, r])
        bound = np.float64(found[0, r]) + own - (relative * (np.sqrt(own) + reach) ** 2 + absolute)
        bounds[r] = bound if bound > 0.0 else 0.0  # and not NaN


@njit(cache=True, nogil=True)
def _settle(  # type: ignore[no-untyped-def]
    points, rows, centroids, products, squares, found, reach, relative, absolute, nearest, second, labels
):
    """Decide doubtful rows by the plain formula, and count them; turn what was found into bounds."""
    k, d = centroids.shape
    doubtful = 0
    for r in range(len(rows)):
        own = np.float64(found[2, r])
        least, other = np.float64(found[0, r]), np.float64(found[1, r])
        margin = relative * (np.sqrt(own) + reach) ** 2 + absolute
        if not other - least > margin:
            doubtful += 1
            limit, shortest = least + margin, np.inf
            for candidate in range(k):
                if not squares[candidate] - products[candidate, r] > limit:
                    distance = 0.0
                    for c in range(d):
                        difference = points[rows[r], c] - centroids[candidate, c]
                        distance += difference * difference
                    if distance < shortest:
                        shortest, labels[r] = distance, candidate
            other = least
        nearest[r] = least + own + margin
        second[r] = other + own - margin
    return doubtful


@njit(cache=True, nogil=True)
def squared_to(points, rows, centroids, labels, out):  # type: ignore[no-untyped-def]
    """Find the squared distance of each row to its centroid, by the plain formula."""
    for r in range(len(rows)):
        total = 0.0
        for c in range(points.shape[1]):
            difference = points[rows[r], c] - centroids[labels[r], c]
            total += difference * difference
        out[r] = total
