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
They are kept in float32, in units of the data's range: 12 bytes a row with the label. The rows themselves are
kept in float32, too, in tiles that products take as they are: where most rows are in doubt, as in the first
iterations, it takes less time to assign all of a tile than to choose.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.exact import SumGrid
from common.kernels.limbs import add_row, read_only
from common.kernels.nearest.motion import Motion
from common.kernels.nearest.products import ANY_ORDER, TILE_ROWS, Products, Tiles, scale_of
from common.model import FloatArray, LongArray, PointArray

_STEP = np.float32(2**-22)
_LARGEST = np.float32(3e38)
_CHUNK_ROWS = 16 * TILE_ROWS
_MANY = 0.5
"""If this share of a chunk's rows stays in doubt, all of them are assigned, whole tiles at a time."""
_PROBE_EVERY = 8
"""If it did in the last chunk, no time is spent on settling rows in the next, but in one of so many."""
_MOST_TILE_BYTES = 96 << 20
"""A split may be larger than memory: then there are no tiles."""
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
    tile_bytes
        Tiles of more bytes are not kept.
    """

    def __init__(
        self,
        points: PointArray,
        grid: SumGrid,
        dear_row: int = _DEAR_ROW,
        tile_bytes: int = _MOST_TILE_BYTES,
    ) -> None:
        self.grid = grid
        self._dear_row = dear_row
        self._points = read_only(points)
        self._constants = grid.constants
        self._offset = points[: 1 << 10].mean(axis=0, dtype=np.float64)
        fit = 4 * points.size <= tile_bytes
        self._tiles = Tiles(self._points, self._offset, scale_of(max(grid.top))) if fit else None
        self._unsettled, self._room = np.empty((2, _CHUNK_ROWS), np.uint32)
        self._movers = np.empty((2, 2, _CHUNK_ROWS), np.uint32)
        self._row = np.empty(points.shape[1])
        self._starts: dict[int, _Members] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """See `ClusterIndex`."""
        centroids = read_only(centroids)
        k, d = centroids.shape
        members = self._starts.get(start)
        if members is None or len(members.counts) != k:
            products = Products(d, k, max(self.grid.top), self._offset)
            members = self._starts[start] = _Members(len(self._points), k, self.grid.limbs * d, products)
        if members.centroids is None:
            members.products.set_centroids(centroids)
            for chunk in self._chunks():
                self._assign_all(members, chunk)
        else:
            shares = _SHARES if k * d >= self._dear_row else ()
            motion = Motion.between(members.centroids, centroids, members.products.scale, shares)
            self._follow(members, motion)
        members.centroids = centroids.copy()
        return members.counts.copy(), members.sums.copy()

    def _follow(self, members: "_Members", motion: Motion) -> None:
        """Take members from the last centroids to new ones."""
        members.products.set_centroids(motion.centroids, motion.order)
        moves = motion.drift, motion.drops, motion.half_gaps, motion.tiny
        many = False
        for number, chunk in enumerate(self._chunks()):
            probing = not many or number % _PROBE_EVERY == 0
            if not probing and self._tiles_for(members) is not None:
                self._assign_all(members, chunk)
                continue
            bounds = members.labels[chunk], members.upper[chunk], members.lower[chunk]
            rows = self._unsettled[: _unsettled(*bounds, *moves, chunk.start, self._unsettled)]
            if probing:
                rows = rows[: self._measure(members, motion, rows)]
                if motion.firsts:
                    rows = self._settle_slower(members, motion, rows)
            many = len(rows) > _MANY * (chunk.stop - chunk.start)
            if many and self._tiles_for(members) is not None:
                self._assign_all(members, chunk)
            else:
                self._assign(members, rows)

    def _tiles_for(self, members: "_Members") -> Tiles | None:
        return self._tiles if members.products.in_single else None

    def _chunks(self) -> Iterator[slice]:
        n = len(self._points)
        return (slice(start, min(n, start + _CHUNK_ROWS)) for start in range(0, n, _CHUNK_ROWS))

    def _measure(self, members: "_Members", motion: Motion, rows: npt.NDArray[np.uint32]) -> int:
        """Measure rows' distances to their own centroids; put those that this doesn't settle to the front."""
        return int(
            _still_unsettled(
                *(self._points, members.labels, members.upper, members.lower, motion.centroids),
                *(motion.half_gaps, motion.tiny, members.products.scale, motion.slack, rows),
            )
        )

    def _settle_slower(
        self, members: "_Members", motion: Motion, rows: npt.NDArray[np.uint32]
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

    def _assign_all(self, members: "_Members", chunk: slice) -> None:
        """Find labels and bounds of all rows of a chunk anew."""
        products = members.products
        rows = np.arange(chunk.start, chunk.stop, dtype=np.uint32)
        for at in range(0, len(rows), products.rows):
            tiles = self._tiles_for(members)
            if tiles is None:
                self._assign(members, rows[at:])
                return
            some = rows[at : at + products.rows]
            products.assign_tiles(self._points, some, tiles)
            self._take_over(members, some)

    def _assign(self, members: "_Members", rows: npt.NDArray[np.uint32]) -> None:
        """Find the rows' labels and bounds anew."""
        step = members.products.rows
        for at in range(0, len(rows), step):
            some = rows[at : at + step]
            members.products.assign(self._points, some)
            self._take_over(members, some)

    def _take_over(self, members: "_Members", rows: npt.NDArray[np.uint32]) -> None:
        """Keep what was found of the rows, and move those that changed their label from sum to sum."""
        products = members.products
        found = products.labels, products.nearest, products.second
        bounds = members.labels, members.upper, members.lower
        come, gone = self._movers
        comers, goers = _take_over(rows, *found, *bounds, members.counts, come, gone)
        sums = self._constants, members.sums, self._row
        _add_rows(self._points, come[:, :comers], 1.0, *sums)
        _add_rows(self._points, gone[:, :goers], -1.0, *sums)


class _Members:
    """Every row's label and bounds, for the centroids given last, and every cluster's sums; k: nobody's."""

    def __init__(self, n: int, k: int, width: int, products: Products) -> None:
        self.labels = np.full(n, k, np.uint32)
        self.upper, self.lower = np.empty(n, np.float32), np.empty(n, np.float32)
        self.counts, self.sums = np.zeros(k, np.int64), np.zeros((k, width))
        self.centroids: FloatArray | None = None
        self.products = products


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
def _unsettled(labels, upper, lower, drift, drops, half_gaps, tiny, first, out):  # type: ignore[no-untyped-def]
    """Move the bounds with the centroids; list the rows that they do not settle, counted from `first`."""
    found = 0
    for i in range(len(labels)):
        label = labels[i]
        lower[i] = _round_down(lower[i] - drops[label])
        upper[i] = _round_up(upper[i] + drift[label])
        out[found] = first + i
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
def _take_over(rows, found, nearest, second, labels, upper, lower, counts, come, gone):  # type: ignore[no-untyped-def]
    """Keep the rows' new labels and bounds; list which rows, and where, came to clusters and which left."""
    nobody, comers, goers = len(counts), 0, 0
    for r in range(len(rows)):
        i, old, new = rows[r], labels[rows[r]], found[r]
        upper[i] = _round_up(np.sqrt(nearest[r]))
        lower[i] = _round_down(np.sqrt(second[r])) if second[r] > 0.0 else np.float32(0.0)
        if old != new:
            labels[i] = new
            counts[new] += 1
            come[0, comers], come[1, comers] = i, new
            comers += 1
            if old != nobody:
                counts[old] -= 1
                gone[0, goers], gone[1, goers] = i, old
                goers += 1
    return comers, goers


@njit(cache=True, nogil=True)
def _add_rows(points, which, sign, constants, sums, row):  # type: ignore[no-untyped-def]
    """Add some rows, times a sign, to sums; `which`, shape (2, n), says which rows and to whose sums."""
    for r in range(which.shape[1]):
        for c in range(points.shape[1]):
            row[c] = sign * points[which[0, r], c]
        add_row(row, constants, sums, which[1, r])
