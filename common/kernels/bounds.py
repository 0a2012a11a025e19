"""Lloyd's sums for many columns: bounds that tell which rows cannot have changed.

Each row keeps its label, an upper bound of the distance to its centroid and a lower bound of the
distance to any other (Hamerly, "Making k-means even faster", SDM 2010). When centroids move, the
bounds move with them; while the upper one stays below the lower one, or below half the distance
between the row's centroid and the next one, the label stands. The other rows are gathered and
assigned anew by matrix products. Sums are exact, so taking a row out of a cluster's sum and into
another's leaves nothing behind, and only the rows that moved are touched.

All bounds are widened by more than rounding can take away, so labels are those of the plain formula.
"""

import numpy as np
from numba import njit

from common.kernels.exact import SumGrid
from common.kernels.limbs import add_row
from common.kernels.products import Products
from common.model import FloatArray, LongArray


class BoundsIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    Parameters
    ----------
    points
        Shape (n, d), n at least 1; kept, not copied.
    grid
        How exact sums are cut.
    k
        Number of centroids.
    """

    def __init__(self, points: FloatArray, grid: SumGrid, k: int) -> None:
        self.grid = grid
        self.k: int | None = k
        n, d = points.shape
        self._points = points
        self._constants = grid.constants
        self._offset = points[: 1 << 10].mean(axis=0)
        self._labels = np.full(n, -1, np.int32)
        self._upper, self._lower = np.empty(n), np.empty(n)
        self._counts, self._sums = np.zeros(k, np.int64), np.zeros((k, grid.limbs * d))
        self._last: FloatArray | None = None
        self._open = np.empty(n, np.int32)
        self._room = Products(d, k)

    def cluster_sums(self, centroids: FloatArray) -> tuple[LongArray, FloatArray]:
        """Return counts, shape (k,), and limbs of the sums, shape (k, limbs * d), for (k, d) centroids."""
        d = centroids.shape[1]
        # Distances found in float64 are off by less than this, relatively.
        slack = (d + 8) * np.finfo(np.float64).eps
        n = len(self._points)
        if self._last is None:
            self._open[:] = np.arange(n)
            left = n
        else:
            drift = _distances(centroids, self._last) * (1 + slack)
            moved_most = int(drift.argmax())
            others = np.delete(drift, moved_most).max(initial=0.0)
            left = _still_open(
                *(self._points, self._labels, self._upper, self._lower, centroids),
                *(drift, moved_most, others, _half_gaps(centroids) * (1 - slack), slack, self._open),
            )
        self._room.set_centroids(centroids, self._offset)
        for start in range(0, left, Products.rows):
            rows = self._open[start : min(left, start + Products.rows)]
            self._room.assign(self._points, rows, len(rows))
            _take_over(
                *(self._points, rows, self._room.labels, self._room.nearest, self._room.second),
                *(slack, self._labels, self._upper, self._lower),
                *(self._constants, self._counts, self._sums),
            )
        self._last = centroids.copy()
        return self._counts.copy(), self._sums.copy()


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    distances: FloatArray = np.sqrt(((a - b) ** 2).sum(axis=1))
    return distances


def _half_gaps(centroids: FloatArray) -> FloatArray:
    """Return half of each centroid's distance to the nearest other one."""
    gaps = np.full(len(centroids), np.inf)
    for k, centroid in enumerate(centroids):
        distances = _distances(centroids, centroid[None])
        distances[k] = np.inf
        gaps[k] = distances.min()
    return gaps / 2


@njit(cache=True)
def _still_open(  # type: ignore[no-untyped-def]
    points, labels, upper, lower, centroids, drift, moved_most, others, half_gaps, slack, out
):
    """Move the bounds with the centroids; list the rows that they no longer settle."""
    found = 0
    for i in range(len(labels)):
        label = labels[i]
        drop = others if label == moved_most else drift[moved_most]
        lower[i] = lower[i] - drop - slack * (abs(lower[i]) + drop)
        upper[i] = (upper[i] + drift[label]) * (1.0 + slack)
        limit = max(lower[i], half_gaps[label])
        if _settled(upper[i], limit, slack):
            continue
        total = 0.0
        for c in range(points.shape[1]):
            difference = points[i, c] - centroids[label, c]
            total += difference * difference
        upper[i] = np.sqrt(total) * (1.0 + slack)
        if not _settled(upper[i], limit, slack):
            out[found] = i
            found += 1
    return found


@njit(cache=True)
def _settled(upper, limit, slack):  # type: ignore[no-untyped-def]
    """Tell whether a row's own centroid is nearest beyond rounding; never where squares underflow."""
    return upper * (1.0 + 4.0 * slack) < limit and limit > 1e-140


@njit(cache=True)
def _take_over(  # type: ignore[no-untyped-def]
    points, rows, found, nearest, second, slack, labels, upper, lower, constants, counts, sums
):
    """Keep the rows' new labels and bounds; move those that changed from sum to sum."""
    for r in range(len(rows)):
        i, old, new = rows[r], labels[rows[r]], found[r]
        upper[i] = np.sqrt(max(nearest[r], 0.0)) * (1.0 + slack)
        lower[i] = np.sqrt(max(second[r], 0.0)) * (1.0 - slack)
        if old != new:
            if old >= 0:
                counts[old] -= 1
                add_row(points[i], constants, -1.0, sums[old])
            counts[new] += 1
            add_row(points[i], constants, 1.0, sums[new])
            labels[i] = new
