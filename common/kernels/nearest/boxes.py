"""Lloyd's sums for few columns: blocks of near rows that need no look when one centroid owns them.

Once, the rows are ordered along a space-filling curve and cut into blocks; each block keeps its
bounding box and the exact sums of its columns. In an iteration a centroid is out of the question for
a block if another one is nearer to every point of its box: the difference of the two squared
distances is linear in the point, so its least value over the box is at a corner (Pelleg and Moore,
"Accelerating exact k-means algorithms with geometric reasoning", KDD 1999; Kanungo et al., "An
efficient k-means clustering algorithm", PAMI 24, 2002). A block that one centroid owns adds its
ready sums; the rows of the others look at the centroids in question only. Blocks are grouped, and
groups are looked at first. From iteration to iteration only what changes its owner is added and
taken away; sums are exact, so that leaves nothing behind.

A margin covers every rounding error, so the sums are exactly those of the plain formula.
"""

import numpy as np
from numba import njit

from common.kernels.exact import SumGrid
from common.kernels.limbs import add_row, read_only
from common.model import FloatArray, LongArray, PointArray

_BLOCK_ROWS = 64
_GROUP_BLOCKS = 16
_CURVE_BITS = 20
_SAMPLE = 1 << 12
_TINY = 1e-280
"""Far above what underflow can take away from a sum of squares."""
_MIXED = -1
"""Owner of a block that no single centroid owns."""


class BoxIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    Parameters
    ----------
    points
        Shape (n, d), n at least 1, float32 or float64; copied, in another order.
    grid
        How exact sums are cut.
    """

    def __init__(self, points: PointArray, grid: SumGrid) -> None:
        self.grid = grid
        n, d = points.shape
        self._constants = grid.constants
        self._points = _along_curve(read_only(points))
        blocks, width = len(self._points), grid.limbs * d
        self._sizes = np.full(blocks, _BLOCK_ROWS)
        self._sizes[-1] = n - _BLOCK_ROWS * (blocks - 1)
        low, high, self._block_sums = np.empty((blocks, d)), np.empty((blocks, d)), np.zeros((blocks, width))
        _summarize(self._points, self._sizes, self._constants, low, high, self._block_sums)
        self._boxes = _boxes(low, high)
        self._edges = np.append(np.arange(0, blocks, _GROUP_BLOCKS), blocks)
        first = self._edges[:-1]
        self._groups = _boxes(np.minimum.reduceat(low, first), np.maximum.reduceat(high, first))
        self._starts: dict[int, _Members] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """See `ClusterIndex`."""
        centroids = read_only(centroids)
        members = self._starts.get(start)
        if members is None or len(members.counts) != len(centroids):
            members = self._starts[start] = _Members(len(centroids), self._block_sums)
        _step(
            *(self._points, self._sizes, self._boxes, self._block_sums, self._edges, self._groups),
            *(self._constants, centroids, *vars(members).values()),
        )
        return members.counts.copy(), members.sums.copy()


class _Members:
    """Whose each block, or each of its rows, is, and every cluster's sums; k: nobody's as yet."""

    def __init__(self, k: int, block_sums: FloatArray) -> None:
        blocks, width = block_sums.shape
        self.owners = np.full(blocks, k, np.int32)
        self.labels = np.empty((blocks, _BLOCK_ROWS), np.uint16 if k <= 1 << 16 else np.uint32)
        self.counts, self.sums = np.zeros(k, np.int64), np.zeros((k, width))


def _boxes(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return boxes, shape (n, 2, d): the middle, and at least half the width, of each column."""
    middle = 0.5 * low + 0.5 * high
    half = np.maximum(high - middle, middle - low) * (1 + 4 * np.finfo(np.float64).eps)
    return np.stack([middle, half], axis=1)


def _along_curve(points: PointArray) -> PointArray:
    """Return the points in the order of the Z-order curve, through cells of a grid, in blocks.

    The blocks have shape (columns, rows), so that loops over rows become vector code. The grid spans
    the middle 99 % of each column, so that outliers do not make it coarse.
    """
    n, d = points.shape
    bits = min(_CURVE_BITS, n.bit_length() + 1) // d
    sample = np.asarray(points[:: max(1, n // _SAMPLE)], np.float64)
    lowest, highest = np.quantile(sample, [0.005, 0.995], axis=0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        scale = 2.0**bits / (highest - lowest)
    scale[~np.isfinite(scale)] = 0.0
    # spread[c, x] has the bits of x, d places apart, from place d - 1 - c on.
    cells = np.arange(1 << bits)
    spread = np.zeros((d, 1 << bits), np.int32)
    for bit in range(bits):
        for c in range(d):
            spread[c] |= ((cells >> bit & 1) << (bit * d + d - 1 - c)).astype(np.int32)
    ordered = np.empty((-(-n // _BLOCK_ROWS), d, _BLOCK_ROWS), points.dtype)
    _sort_by_cell(points, lowest, scale, spread, np.empty(n, np.int32), ordered)
    return ordered


@njit(cache=True, nogil=True)
def _sort_by_cell(points, lowest, scale, spread, places, ordered):  # type: ignore[no-untyped-def]
    """Order points by their cells' places on the curve: a counting sort."""
    n, d = points.shape
    cells = spread.shape[1]
    starts = np.zeros(cells**d + 1, np.int32)
    for i in range(n):
        place = 0
        for c in range(d):
            cell = (points[i, c] - lowest[c]) * scale[c]
            place |= spread[c, int(min(max(cell, 0.0), cells - 1.0))]
        places[i] = place
        starts[place + 1] += 1
    for place in range(len(starts) - 1):
        starts[place + 1] += starts[place]
    for i in range(n):
        at = starts[places[i]]
        starts[places[i]] += 1
        for c in range(d):
            ordered[at // _BLOCK_ROWS, c, at % _BLOCK_ROWS] = points[i, c]


@njit(cache=True, nogil=True)
def _summarize(points, sizes, constants, low, high, sums):  # type: ignore[no-untyped-def]
    """Find the blocks' boxes and sums."""
    blocks, d, _ = points.shape
    row = np.empty(d)
    for block in range(blocks):
        for c in range(d):
            low[block, c] = points[block, c, : sizes[block]].min()
            high[block, c] = points[block, c, : sizes[block]].max()
        for r in range(sizes[block]):
            for c in range(d):
                row[c] = points[block, c, r]
            add_row(row, constants, sums, block)


@njit(inline="always")
def _in_question(box, centroids, among, n, room, out):  # type: ignore[no-untyped-def]
    """Write to `out`, in order, the centroids among n that may be nearest to a point of the box."""
    d = centroids.shape[1]
    best, least = among[0], np.inf
    for e in range(n):
        distance = 0.0
        for c in range(d):
            difference = box[0, c] - centroids[among[e], c]
            distance += difference * difference
        room[e] = distance
        if distance < least:
            best, least = among[e], distance
    radius = 0.0
    for c in range(d):
        radius += box[1, c] * box[1, c]
    # Every rounding error, here and in the plain formula, is below this times the squares involved.
    relative = (8 * d + 64) * 2.0**-52
    # A centroid farther away than this is out of the question wherever in the box the point is.
    far = (np.sqrt(least) + 2.0 * np.sqrt(radius)) ** 2 * (1.0 + 4.0 * relative) + _TINY
    found = 0
    for e in range(n):
        if room[e] > far:
            continue
        k = among[e]
        advantage = room[e] - least
        for c in range(d):
            advantage -= 2.0 * abs(centroids[k, c] - centroids[best, c]) * box[1, c]
        if k == best or not advantage > relative * (room[e] + least + radius) + _TINY:
            out[found] = k
            found += 1
    return found


@njit(cache=True, nogil=True)
def _step(  # type: ignore[no-untyped-def]
    points, sizes, boxes, block_sums, edges, groups, constants, centroids, owners, labels, counts, sums
):
    """Find each block's owner, or its rows' labels; keep the sums of every cluster's rows up to date."""
    k = len(centroids)
    everyone, in_group, in_block = (
        np.arange(k, dtype=np.uint32),
        np.empty(k, np.uint32),
        np.empty(k, np.uint32),
    )
    room = np.empty(k)
    found, lanes = np.empty(_BLOCK_ROWS, np.uint32), np.empty((2, _BLOCK_ROWS))
    for group in range(len(edges) - 1):
        few = _in_question(groups[group], centroids, everyone, k, room, in_group)
        for block in range(edges[group], edges[group + 1]):
            left = few
            if few > 1:
                left = _in_question(boxes[block], centroids, in_group, few, room, in_block)
            else:
                in_block[0] = in_group[0]
            old, size = owners[block], sizes[block]
            owners[block] = new = np.int64(in_block[0]) if left == 1 else _MIXED
            if new != _MIXED and old != _MIXED:
                if new != old:
                    _move_block(block_sums[block], size, old, new, counts, sums)
                continue
            if new != _MIXED:
                found[:] = np.uint32(new)
            else:
                _nearest_of(points[block], size, centroids, in_block, left, lanes, found)
            _move_rows(points[block], size, constants, old, labels[block], found, counts, sums)


@njit(inline="always")
def _move_block(block_sums, size, old, new, counts, sums):  # type: ignore[no-untyped-def]
    """Take a block out of one cluster's sum and into another's."""
    if old != len(counts):
        counts[old] -= size
        sums[old] -= block_sums
    counts[new] += size
    sums[new] += block_sums


@njit(inline="always")
def _move_rows(points, size, constants, owner, labels, found, counts, sums):  # type: ignore[no-untyped-def]
    """Take the rows whose labels changed out of one cluster's sum and into another's."""
    changed = 0
    for r in range(size):
        changed += labels[r] != found[r]
    if owner == _MIXED and not changed:
        return
    row, nobody = np.empty(len(points)), np.uint32(len(counts))
    for r in range(size):
        old, new = np.uint32(labels[r]) if owner == _MIXED else np.uint32(owner), found[r]
        if old != new:
            counts[new] += 1
            for c in range(len(points)):
                row[c] = points[c, r]
            add_row(row, constants, sums, new)
            if old != nobody:
                counts[old] -= 1
                for c in range(len(points)):
                    row[c] = -points[c, r]
                add_row(row, constants, sums, old)
    labels[:] = found


@njit(inline="always")
def _nearest_of(points, size, centroids, among, n, lanes, found):  # type: ignore[no-untyped-def]
    """Find each row's nearest of some centroids, given in ascending order, by the plain formula."""
    least, distance = lanes
    least[:] = np.inf
    for e in range(n):
        k = among[e]
        for c in range(len(points)):
            x, column = centroids[k, c], points[c]
            if c == 0:
                for r in range(size):
                    difference = column[r] - x
                    distance[r] = difference * difference
            else:
                for r in range(size):
                    difference = column[r] - x
                    distance[r] += difference * difference
        for r in range(size):
            new, old, label = distance[r], least[r], found[r]
            found[r] = k if new < old else label
            least[r] = new if new < old else old
