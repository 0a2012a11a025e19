"""Lloyd's sums for many columns: bounds that tell which rows cannot have changed.

Each row keeps its label, an upper bound of the distance to its centroid and a lower bound of the
distance to any other (Hamerly, "Making k-means even faster", SDM 2010). When centroids move, the
bounds move with them; while the upper one stays below the lower one, or below half the distance
between the row's centroid and the next one, the label stands. The other rows are gathered and
assigned anew by matrix products. Sums are exact, so taking a row out of a cluster's sum and into
another's leaves nothing behind, and only the rows that moved are touched.

All bounds are widened by more than rounding can take away, so labels are those of the plain formula.
They are kept in float32, in units of the data's range: 16 bytes a row with the label and the list.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.exact import SumGrid
from common.kernels.limbs import add_row, read_only
from common.kernels.products import ANY_ORDER, Products
from common.model import FloatArray, LongArray, PointArray

_DOWN, _UP = np.float32(1 - 2**-22), np.float32(1 + 2**-22)
_MOST = 0.8
"""If this share of the rows is unsettled, few of them would be settled by measuring one distance more."""
_LARGEST = np.float32(3e38)


class BoundsIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    Parameters
    ----------
    points
        Shape (n, d), n at least 1, float32 or float64; kept, not copied.
    grid
        How exact sums are cut.
    """

    def __init__(self, points: PointArray, grid: SumGrid) -> None:
        self.grid = grid
        self._points = read_only(points)
        self._constants = grid.constants
        self._offset = points[: 1 << 10].mean(axis=0, dtype=np.float64)
        self._open = np.empty(len(points), np.uint32)
        self._starts: dict[int, _Members] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """See `ClusterIndex`."""
        centroids = read_only(centroids)
        k, d = centroids.shape
        members = self._starts.get(start)
        if members is None or len(members.counts) != k:
            products = Products(d, k, max(self.grid.top), self._offset)
            members = self._starts[start] = _Members(len(self._points), k, self.grid.limbs * d, products)
        open_rows = self._rows_in_doubt(members, centroids)
        products = members.products
        products.set_centroids(centroids)
        row = np.empty(d)
        for at in range(0, len(open_rows), products.rows):
            rows = open_rows[at : at + products.rows]
            products.assign(self._points, rows)
            _take_over(
                *(self._points, rows, products.labels, products.nearest, products.second),
                *(members.labels, members.upper, members.lower),
                *(self._constants, members.counts, members.sums, row),
            )
        members.centroids = centroids.copy()
        return members.counts.copy(), members.sums.copy()

    def _rows_in_doubt(self, members: "_Members", centroids: FloatArray) -> npt.NDArray[np.uint32]:
        if members.centroids is None:
            self._open[:] = np.arange(len(self._open))
            return self._open
        scale = members.products.scale
        # Distances found in float64 are off by less than this, relatively.
        slack = (centroids.shape[1] + 8) * float(np.finfo(np.float64).eps)
        with np.errstate(over="ignore"):  # infinite bounds settle nothing that they must not
            drift = _distances(centroids, members.centroids) * scale * (1 + slack)
            half_gaps = _half_gaps(centroids) * scale * (1 - slack)
        most = int(drift.argmax())
        drops = np.full(len(drift), drift[most])
        drops[most] = np.delete(drift, most).max(initial=0.0)
        # Below this, the plain formula's squares underflow, and it may see no difference.
        tiny = 1e-140 * scale
        bounds = members.labels, members.upper, members.lower
        unsettled = _unsettled(*bounds, drift, drops, half_gaps, tiny, self._open)
        if unsettled > _MOST * len(self._open):
            return self._open[:unsettled]
        found = _still_unsettled(
            *(self._points, *bounds, centroids, half_gaps, tiny, scale, slack, self._open[:unsettled])
        )
        return self._open[:found]


class _Members:
    """Every row's label and bounds, for the centroids given last, and every cluster's sums."""

    def __init__(self, n: int, k: int, width: int, products: Products) -> None:
        self.labels = np.full(n, k, np.uint32)  # none yet
        self.upper, self.lower = np.empty(n, np.float32), np.empty(n, np.float32)
        self.counts, self.sums = np.zeros(k, np.int64), np.zeros((k, width))
        self.centroids: FloatArray | None = None
        self.products = products


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


@njit(cache=True, nogil=True)
def _round_up(x):  # type: ignore[no-untyped-def]
    return np.float32(x) * _UP


@njit(cache=True, nogil=True)
def _round_down(x):  # type: ignore[no-untyped-def]
    return min(np.float32(x) * _DOWN, _LARGEST) if x > 0.0 else np.float32(0.0)


@njit(cache=True, nogil=True)
def _unsettled(labels, upper, lower, drift, drops, half_gaps, tiny, out):  # type: ignore[no-untyped-def]
    """Move the bounds with the centroids; list the rows that they do not settle."""
    found = 0
    for i in range(len(labels)):
        label = labels[i]
        lower[i] = _round_down(lower[i] - drops[label])
        upper[i] = _round_up(upper[i] + drift[label])
        limit = max(np.float64(lower[i]), half_gaps[label])
        out[found] = i
        found += not (upper[i] < limit and limit > tiny)
    return found


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _still_unsettled(  # type: ignore[no-untyped-def]
    points, labels, upper, lower, centroids, half_gaps, tiny, scale, slack, rows
):
    """Measure the rows' distances to their centroids; keep, in place, those that this doesn't settle."""
    found = 0
    for r in range(len(rows)):
        i = rows[r]
        label = labels[i]
        total = 0.0
        for c in range(points.shape[1]):
            difference = points[i, c] - centroids[label, c]
            total += difference * difference
        upper[i] = _round_up(np.sqrt(total) * scale * (1.0 + slack))
        limit = max(np.float64(lower[i]), half_gaps[label])
        rows[found] = i
        found += not (upper[i] < limit and limit > tiny)
    return found


@njit(cache=True, nogil=True)
def _take_over(  # type: ignore[no-untyped-def]
    points, rows, found, nearest, second, labels, upper, lower, constants, counts, sums, row
):
    """Keep the rows' new labels and bounds; move those that changed from sum to sum."""
    for r in range(len(rows)):
        i, old, new = rows[r], labels[rows[r]], found[r]
        upper[i] = _round_up(np.sqrt(nearest[r]))
        lower[i] = _round_down(np.sqrt(second[r]))
        if old != new:
            if old < len(counts):
                counts[old] -= 1
                for c in range(points.shape[1]):
                    row[c] = points[i, c]
                add_row(row, constants, -1.0, sums, old)
            counts[new] += 1
            for c in range(points.shape[1]):
                row[c] = points[i, c]
            add_row(row, constants, 1.0, sums, new)
            labels[i] = new
