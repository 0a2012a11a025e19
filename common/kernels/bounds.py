"""Lloyd's sums for many columns: bounds that tell which rows cannot have changed.

Each row keeps its label, an upper bound of the distance to its centroid and a lower bound of the
distance to any other (Hamerly, "Making k-means even faster", SDM 2010). When centroids move, the
bounds move with them; while the upper one stays below the lower one, or below half the distance
between the row's centroid and the next one, the label stands.

Often few centroids are fast, and lower every row's bound. So for a row in doubt we ask how many of the
fastest must be set aside for its bounds to settle it as to the rest (Ding et al., "Yinyang K-means", ICML
2015, ask that of groups of centroids, each with a bound of its own): a matrix product bounds its distance
to those. The rows that this doesn't settle either are assigned anew by products with all centroids. Sums
are exact, so taking a row out of a cluster's sum and into another's leaves nothing behind, and only the
rows that moved are touched.

All bounds are widened by more than rounding can take away, so labels are those of the plain formula.
They are kept in float32, in units of the data's range: 16 bytes a row with the label and the list.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.exact import SumGrid
from common.kernels.limbs import move_row, read_only
from common.kernels.products import ANY_ORDER, Products
from common.model import FloatArray, LongArray, PointArray

_STEP = np.float32(2**-22)
_LARGEST = np.float32(3e38)
_SMALL = 1e-30
"""Distances below this part of the data's range settle nothing: float32 has too few bits for them."""
_CHUNK_ROWS = 1 << 13
_MOST = 0.8
"""If this share of the rows is unsettled, few of them would be settled by measuring one distance more."""
_DEAR_ROW = 1 << 13
"""Below this, to choose among a row's distances costs as much as all of them."""
_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the centroids, the fastest, that may be set aside."""


class BoundsIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    Parameters
    ----------
    points
        Shape (n, d), n at least 1, float32 or float64; kept, not copied.
    grid
        How exact sums are cut.
    dear_row
        From so many multiplications for all distances of a row on, the fastest centroids are set aside.
    """

    def __init__(self, points: PointArray, grid: SumGrid, dear_row: int = _DEAR_ROW) -> None:
        self.grid = grid
        self._dear_row = dear_row
        self._points = read_only(points)
        self._constants = grid.constants
        self._offset = points[: 1 << 10].mean(axis=0, dtype=np.float64)
        self._open = np.empty(len(points), np.uint32)
        self._room = np.empty(len(points[:_CHUNK_ROWS]), np.uint32)
        self._row = np.empty(points.shape[1])
        self._starts: dict[int, _Members] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """See `ClusterIndex`."""
        centroids = read_only(centroids)
        k, d = centroids.shape
        members = self._starts.get(start)
        if members is None or len(members.counts) != k + 1:
            products = Products(d, k, max(self.grid.top), self._offset)
            members = self._starts[start] = _Members(len(self._points), k, self.grid.limbs * d, products)
        if members.centroids is None:
            members.products.set_centroids(centroids)
            self._open[:] = np.arange(len(self._open))
            self._assign(members, self._open)
        else:
            shares = _SHARES if k * d >= self._dear_row else ()
            motion = _Motion.between(members.centroids, centroids, members.products.scale, shares)
            self._follow(members, motion)
        members.centroids = centroids.copy()
        return members.counts[:-1].copy(), members.sums[:-1].copy()

    def _follow(self, members: "_Members", motion: "_Motion") -> None:
        """Take members from the last centroids to new ones."""
        members.products.set_centroids(motion.centroids, motion.order)
        moves = motion.drift, motion.drops, motion.half_gaps, motion.tiny
        bounds = members.labels, members.upper, members.lower
        unsettled = _unsettled(*bounds, *moves, self._open)
        if unsettled > _MOST * len(self._open) and not motion.firsts:
            self._assign(members, self._open[:unsettled])
            return
        for at in range(0, unsettled, _CHUNK_ROWS):
            rows = self._open[at : min(unsettled, at + _CHUNK_ROWS)]
            rows = rows[: self._measure(members, motion, rows)]
            if motion.firsts:
                rows = self._settle_slower(members, motion, rows)
            self._assign(members, rows)

    def _measure(self, members: "_Members", motion: "_Motion", rows: npt.NDArray[np.uint32]) -> int:
        """Measure rows' distances to their own centroids; put those that this doesn't settle to the front."""
        return int(
            _still_unsettled(
                *(self._points, members.labels, members.upper, members.lower, motion.centroids),
                *(motion.half_gaps, motion.tiny, members.products.scale, motion.slack, rows),
            )
        )

    def _settle_slower(
        self, members: "_Members", motion: "_Motion", rows: npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.uint32]:
        """Look only at the fastest centroids where that may do; return the rows that this doesn't settle."""
        products, room = members.products, self._room
        bounds = members.labels, members.upper, members.lower, motion.drops
        ends = _by_need(*bounds, motion.speeds, rows, room)
        left = int(ends[0])
        for first, speed, start, end in zip(motion.firsts, motion.speeds, ends[:-1], ends[1:], strict=True):
            for at in range(start, end, products.rows):
                some = room[at : min(end, at + products.rows)]
                products.bound_others(self._points, some, members.labels, first)
                left = _keep_settled(some, products.second, *bounds, speed, motion.tiny, room, left)
        return room[:left]

    def _assign(self, members: "_Members", rows: npt.NDArray[np.uint32]) -> None:
        """Find the rows' labels and bounds anew."""
        products = members.products
        for at in range(0, len(rows), products.rows):
            some = rows[at : at + products.rows]
            products.assign(self._points, some)
            _take_over(
                *(self._points, some, products.labels, products.nearest, products.second),
                *(members.labels, members.upper, members.lower),
                *(self._constants, members.counts, members.sums, self._row),
            )


class _Members:
    """Every row's label and bounds, for the centroids given last, and every cluster's sums; k: nobody's."""

    def __init__(self, n: int, k: int, width: int, products: Products) -> None:
        self.labels = np.full(n, k, np.uint32)
        self.upper, self.lower = np.empty(n, np.float32), np.empty(n, np.float32)
        self.counts, self.sums = np.zeros(k + 1, np.int64), np.zeros((k + 1, width))
        self.centroids: FloatArray | None = None
        self.products = products


@dataclass(frozen=True)
class _Motion:
    """How centroids moved, in units of the data's range.

    Parameters
    ----------
    centroids
        Where they are now, shape (k, d).
    drift
        How far each moved, at most.
    drops
        How far any other than this one moved, at most.
    half_gaps
        Half of each one's distance to the nearest other one, at least.
    order
        The fastest first.
    firsts, speeds
        How many of them may be set aside, and how far any of the rest moved.
    tiny
        A limit below this settles nothing.
    slack
        Distances found in float64 are off by less than this, relatively.
    """

    centroids: FloatArray
    drift: FloatArray
    drops: FloatArray
    half_gaps: FloatArray
    order: LongArray
    firsts: list[int]
    speeds: FloatArray
    tiny: float
    slack: float

    @classmethod
    def between(
        cls, before: FloatArray, after: FloatArray, scale: float, shares: tuple[float, ...]
    ) -> "_Motion":
        """Compare two places of centroids, shape (k, d); `shares` of them may be set aside."""
        k, d = after.shape
        slack = (d + 8) * float(np.finfo(np.float64).eps)
        with np.errstate(over="ignore"):  # infinite bounds settle nothing that they must not
            drift = np.sqrt(((after - before) ** 2).sum(axis=1)) * scale * (1 + slack)
        half_gaps = np.empty(k)
        _halve_gaps(after, scale * (1 - slack), half_gaps)
        order = np.argsort(-drift, kind="stable")
        drops = np.full(k, drift[order[0]])
        drops[order[0]] = drift[order[1]] if k > 1 else 0.0
        firsts = sorted({int(k * share) for share in shares} - {0})
        # Below `tiny` the plain formula's squares underflow, too, and it may see no difference.
        tiny = max(1e-140 * scale, _SMALL)
        return cls(after, drift, drops, half_gaps, order, firsts, drift[order][firsts], tiny, slack)


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _halve_gaps(centroids, scale, half_gaps):  # type: ignore[no-untyped-def]
    """Find half of each centroid's distance to the nearest other one."""
    half_gaps[:] = np.inf
    for a in range(len(centroids)):
        for b in range(a):
            total = 0.0
            for c in range(centroids.shape[1]):
                difference = centroids[a, c] - centroids[b, c]
                total += difference * difference
            half_gaps[a], half_gaps[b] = min(half_gaps[a], total), min(half_gaps[b], total)
    for a in range(len(centroids)):
        half_gaps[a] = np.sqrt(half_gaps[a]) * 0.5 * scale


@njit(cache=True, nogil=True)
def _round_up(x):  # type: ignore[no-untyped-def]
    return np.float32(x) * (np.float32(1.0) + _STEP)


@njit(cache=True, nogil=True)
def _round_down(x):  # type: ignore[no-untyped-def]
    rounded = np.float32(x)
    return min(rounded - abs(rounded) * _STEP, _LARGEST)


@njit(inline="always")
def _settled(upper, lower, half_gap, tiny):  # type: ignore[no-untyped-def]
    """Tell whether a row's label stands."""
    limit = max(np.float64(lower), half_gap)
    return upper < limit and limit > tiny


@njit(cache=True, nogil=True)
def _unsettled(labels, upper, lower, drift, drops, half_gaps, tiny, out):  # type: ignore[no-untyped-def]
    """Move the bounds with the centroids; list the rows that they do not settle."""
    found = 0
    for i in range(len(labels)):
        label = labels[i]
        lower[i] = _round_down(lower[i] - drops[label])
        upper[i] = _round_up(upper[i] + drift[label])
        out[found] = i
        found += not _settled(upper[i], lower[i], half_gaps[label], tiny)
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
        rows[found] = i
        found += not _settled(upper[i], lower[i], half_gaps[label], tiny)
    return found


@njit(cache=True, nogil=True)
def _by_need(labels, upper, lower, drops, speeds, rows, out):  # type: ignore[no-untyped-def]
    """Put rows in order of how many of the fastest centroids must be set aside for them.

    First come those that must look at all, up to ends[0]; then those for which it may do to set aside as
    many as go with speeds[0], up to ends[1]; and so on. Rounding doesn't matter here: if it doesn't do,
    that is found out.
    """
    ends, needs = np.zeros(len(speeds) + 2, np.int64), np.empty(len(rows), np.uint8)
    for r in range(len(rows)):
        i, need = rows[r], 1
        gap = lower[i] + drops[labels[i]] - upper[i]
        while need <= len(speeds) and not speeds[need - 1] < gap:
            need += 1
        needs[r] = need if need <= len(speeds) else 0
        ends[np.uint64(needs[r]) + np.uint64(1)] += 1
    for need in range(len(speeds)):
        ends[need + 1] += ends[need]
    for r in range(len(rows)):
        place = np.uint64(needs[r])
        out[np.uint64(ends[place])] = rows[r]
        ends[place] += 1
    return ends[:-1]


@njit(cache=True, nogil=True)
def _keep_settled(  # type: ignore[no-untyped-def]
    rows, nearest, labels, upper, lower, drops, speed, tiny, out, left
):
    """Settle rows by what is known of the fastest centroids, and of the rest; list the others in `out`."""
    for r in range(len(rows)):
        i = rows[r]
        fast = _round_down(np.sqrt(nearest[r]))
        # What the bound would be if no other centroid had moved more than `speed`.
        rest = _round_down((np.float64(lower[i]) + drops[labels[i]]) * (1.0 - 2.0**-50) - speed)
        if upper[i] < fast and upper[i] < rest and fast > tiny and rest > tiny:
            lower[i] = min(fast, rest)
        else:
            out[left] = i
            left += 1
    return left


@njit(cache=True, nogil=True)
def _take_over(  # type: ignore[no-untyped-def]
    points, rows, found, nearest, second, labels, upper, lower, constants, counts, sums, row
):
    """Keep the rows' new labels and bounds; move those that changed from sum to sum."""
    for r in range(len(rows)):
        i, old, new = rows[r], labels[rows[r]], found[r]
        upper[i] = _round_up(np.sqrt(nearest[r]))
        lower[i] = _round_down(np.sqrt(second[r])) if second[r] > 0.0 else np.float32(0.0)
        if old != new:
            labels[i] = new
            counts[old] -= 1
            counts[new] += 1
            for c in range(points.shape[1]):
                row[c] = points[i, c]
            move_row(row, constants, sums, old, new)
