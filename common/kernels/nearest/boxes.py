"""Lloyd's sums for few columns: blocks of neighbouring rows, most of which one centroid owns.

The rows are ordered along a space-filling curve, once, and cut into blocks. Each block keeps its
bounding box and the exact sums of its columns. In each iteration a centroid is excluded for a block if
another one is nearer to every point of the block's box: the difference of the two squared distances is
linear in the point, so its least value over the box is at a corner (Pelleg and Moore, "Accelerating exact
k-means algorithms with geometric reasoning", KDD 1999; Kanungo et al., "An efficient k-means clustering
algorithm", PAMI 24, 2002). If one centroid is left, it owns the block, and the block's sums are added as a
whole. If several are left, each row is compared with these only. Blocks form groups: a centroid
that is excluded for a group's box is excluded for each of its blocks.

From one iteration to the next, only blocks and rows that change their owner are subtracted from one sum and
added to another; sums are exact, so a subtraction leaves nothing behind. Each exclusion has a
margin that covers all rounding errors, so the sums are exactly those of the plain formula.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.exact import SumGrid
from common.kernels.limbs import add_row, read_only, squared_distance
from common.model import FloatArray, IntArray, LongArray, PointArray

BLOCK_ROWS = 64
_CURVE_BITS = 20
"""Of a cell's place on the curve, over all columns: at most 2**20 cells."""
_SAMPLE_ROWS = 1 << 12
_GROUP_BLOCKS = 16
_TINY = 1e-280
"""Far above what underflow can take away from a sum of squares."""
_MIXED = -1
"""Owner of a block whose rows are in several clusters."""


class BoxIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    The points, shape (n, d), n at least 1, are copied, in another order.
    """

    def __init__(self, points: PointArray, grid: SumGrid) -> None:
        self.grid = grid
        self._constants = grid.constants
        self._blocks = _cut_into_blocks(points, self._constants)
        self._starts: dict[int, _Members] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """See `ClusterIndex`."""
        centroids = read_only(centroids)
        members = self._starts.get(start)
        if members is None or len(members.counts) != len(centroids):
            members = self._starts[start] = _no_members(len(centroids), self._blocks)
        _step(self._blocks, self._constants, centroids, members)
        return members.counts.copy(), members.sums.copy()


class _Blocks(NamedTuple):
    """The rows in blocks, and the blocks in groups; made once, then only read."""

    rows: PointArray  # (blocks, d, BLOCK_ROWS): columns first, so that loops over rows become vector code
    sizes: LongArray  # (blocks,): how many rows each has; all but the last are full
    sums: FloatArray  # (blocks, limbs * d): the limbs of the exact sums of each one's columns
    boxes: FloatArray  # (blocks, 2, d): see `_boxes`
    group_boxes: FloatArray  # (groups, 2, d)
    edges: LongArray  # (groups + 1,): group g holds the blocks from edges[g] up to edges[g + 1]


class _Members(NamedTuple):
    """Which cluster each block and each row is in; every step changes it in place."""

    owners: IntArray  # (blocks,): the cluster of the whole block, or _MIXED; k before the first step
    labels: npt.NDArray[np.unsignedinteger[Any]]  # (blocks, BLOCK_ROWS): of rows, where _MIXED
    counts: LongArray  # (k,): how many rows each cluster has
    sums: FloatArray  # (k, limbs * d): the limbs of their sums


def _no_members(k: int, blocks: _Blocks) -> _Members:
    n, width = blocks.sums.shape
    label_type = np.uint16 if k <= 1 << 16 else np.uint32
    labels = np.empty((n, BLOCK_ROWS), label_type)
    return _Members(np.full(n, k, np.int32), labels, np.zeros(k, np.int64), np.zeros((k, width)))


def _cut_into_blocks(points: PointArray, constants: FloatArray) -> _Blocks:
    rows = blocks_along_curve(read_only(points))
    blocks, d, _ = rows.shape
    sizes = np.full(blocks, BLOCK_ROWS)
    sizes[-1] = len(points) - BLOCK_ROWS * (blocks - 1)
    low, high = np.empty((blocks, d)), np.empty((blocks, d))
    sums = np.zeros((blocks, (len(constants) + 1) * d))
    _summarize(rows, sizes, constants, low, high, sums)
    edges = np.append(np.arange(0, blocks, _GROUP_BLOCKS), blocks)
    first = edges[:-1]
    group_boxes = _boxes(np.minimum.reduceat(low, first), np.maximum.reduceat(high, first))
    return _Blocks(rows, sizes, sums, _boxes(low, high), group_boxes, edges)


def blocks_along_curve(points: PointArray) -> PointArray:
    """Order the points by their grid cells' places on the Z-order curve; shape (blocks, d, BLOCK_ROWS).

    The last block may not be full. The grid spans the middle 99 % of each column, so that outliers do not
    make it coarse.
    """
    n, d = points.shape
    bits = min(_CURVE_BITS, n.bit_length() + 1) // d
    sample = np.asarray(points[:: max(1, n // _SAMPLE_ROWS)], np.float64)
    lowest, highest = np.quantile(sample, [0.005, 0.995], axis=0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        scale = 2.0**bits / (highest - lowest)
    scale[~np.isfinite(scale)] = 0.0
    # spread[c, x] has the bits of x, d apart, from bit d - 1 - c on: columns take turns.
    cells = np.arange(1 << bits)
    spread = np.zeros((d, 1 << bits), np.int32)
    for bit in range(bits):
        for c in range(d):
            spread[c] |= ((cells >> bit & 1) << (bit * d + d - 1 - c)).astype(np.int32)
    ordered = np.empty((-(-n // BLOCK_ROWS), d, BLOCK_ROWS), points.dtype)
    _sort_by_cell(points, lowest, scale, spread, np.empty(n, np.int32), ordered)
    return ordered


@kernel
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
            ordered[at // BLOCK_ROWS, c, at % BLOCK_ROWS] = points[i, c]


def _boxes(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return boxes, shape (n, 2, d): the middle, and at least half the width, of each column."""
    middle = 0.5 * low + 0.5 * high
    half = np.maximum(high - middle, middle - low) * (1 + 4 * np.finfo(np.float64).eps)
    return np.stack([middle, half], axis=1)


@kernel
def _summarize(points, sizes, constants, low, high, sums):  # type: ignore[no-untyped-def]
    """Find each block's lowest and highest value of each column, and its sums."""
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
def _keep_candidates(box, centroids, candidates, n, distances, kept):  # type: ignore[no-untyped-def]
    """Write to `kept` those of the first n candidates that may be nearest to a point of the box; count them.

    Both are in ascending order. `distances` has room for as many squared distances, to the box's middle.
    """
    d = centroids.shape[1]
    best, least = candidates[0], np.inf
    for e in range(n):
        distance = distances[e] = squared_distance(box, 0, centroids, candidates[e])
        if distance < least:
            best, least = candidates[e], distance
    radius = 0.0
    for c in range(d):
        radius += box[1, c] * box[1, c]
    # Every rounding error, here and in the plain formula, is below this times the squares involved.
    relative = (8 * d + 64) * 2.0**-52
    # A centroid farther from the middle than this is nearest to no point of the box.
    far = (np.sqrt(least) + 2.0 * np.sqrt(radius)) ** 2 * (1.0 + 4.0 * relative) + _TINY
    found = 0
    for e in range(n):
        if distances[e] > far:
            continue
        k = candidates[e]
        # How much nearer `best` is than k, at the corner of the box where that is least.
        advantage = distances[e] - least
        for c in range(d):
            advantage -= 2.0 * abs(centroids[k, c] - centroids[best, c]) * box[1, c]
        if k == best or not advantage > relative * (distances[e] + least + radius) + _TINY:
            kept[found] = k
            found += 1
    return found


@kernel
def _step(blocks, constants, centroids, members):  # type: ignore[no-untyped-def]
    """Find each block's owner, or its rows' labels; keep the sums of every cluster's rows up to date."""
    k = len(centroids)
    everyone = np.arange(k, dtype=np.uint32)
    of_group, of_block = np.empty(k, np.uint32), np.empty(k, np.uint32)
    distances = np.empty(k)
    found, lanes = np.empty(BLOCK_ROWS, np.uint32), np.empty((2, BLOCK_ROWS))
    for group in range(len(blocks.edges) - 1):
        few = _keep_candidates(blocks.group_boxes[group], centroids, everyone, k, distances, of_group)
        for block in range(blocks.edges[group], blocks.edges[group + 1]):
            left = few
            if few > 1:
                left = _keep_candidates(blocks.boxes[block], centroids, of_group, few, distances, of_block)
            else:
                of_block[0] = of_group[0]
            old, size = members.owners[block], blocks.sizes[block]
            members.owners[block] = new = np.int64(of_block[0]) if left == 1 else _MIXED
            if new != _MIXED and old != _MIXED:
                if new != old:
                    _move_block(blocks.sums[block], size, old, new, members)
                continue
            rows = blocks.rows[block]
            if new != _MIXED:
                found[:] = np.uint32(new)
            else:
                _find_nearest(rows, size, centroids, of_block[:left], lanes, found)
            _move_rows(rows, size, constants, old, members.labels[block], found, members)


@njit(inline="always")
def _move_block(block_sums, size, old, new, members):  # type: ignore[no-untyped-def]
    """Move a block from one cluster's sum to another's."""
    counts, sums = members.counts, members.sums
    if old != len(counts):
        counts[old] -= size
        sums[old] -= block_sums
    counts[new] += size
    sums[new] += block_sums


@njit(inline="always")
def _move_rows(rows, size, constants, owner, labels, found, members):  # type: ignore[no-untyped-def]
    """Move a block's rows whose labels changed from one cluster's sum to another's.

    `owner` is the block's last one. Where that is not _MIXED, `labels` are out of date.
    """
    changed = 0
    for r in range(size):
        changed += labels[r] != found[r]
    if owner == _MIXED and not changed:
        return
    counts, sums = members.counts, members.sums
    row, nobody = np.empty(len(rows)), np.uint32(len(counts))
    for r in range(size):
        old, new = np.uint32(labels[r]) if owner == _MIXED else np.uint32(owner), found[r]
        if old != new:
            counts[new] += 1
            for c in range(len(rows)):
                row[c] = rows[c, r]
            add_row(row, constants, sums, new)
            if old != nobody:
                counts[old] -= 1
                for c in range(len(rows)):
                    row[c] = -rows[c, r]
                add_row(row, constants, sums, old)
    labels[:] = found


@njit(inline="always")
def _find_nearest(rows, size, centroids, candidates, lanes, found):  # type: ignore[no-untyped-def]
    """Find each row's nearest among candidates, given in ascending order, by the plain formula."""
    least, distance = lanes
    least[:] = np.inf
    for e in range(len(candidates)):
        k = candidates[e]
        for c in range(len(rows)):
            x, column = centroids[k, c], rows[c]
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
