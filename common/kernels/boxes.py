"""Lloyd's sums for few columns: blocks of near rows that need no look when one centroid owns them.

Once, the rows are ordered along a space-filling curve and cut into blocks; each block keeps its
bounding box and the exact sums of its columns. In an iteration a centroid is out of the question for
a block if another one is nearer to every point of its box: the difference of the two squared
distances is linear in the point, so its least value over the box is at a corner (Pelleg and Moore,
"Accelerating exact k-means algorithms with geometric reasoning", KDD 1999; Kanungo et al., "An
efficient k-means clustering algorithm", PAMI 24, 2002). A block that one centroid owns adds its
ready sums; the rows of the others look at the centroids in question only. Blocks are grouped, and
groups are looked at first.

A margin covers every rounding error, so the sums are exactly those of the plain formula.
"""

import numpy as np
from numba import njit

from common.kernels.exact import SumGrid
from common.kernels.limbs import add_row
from common.model import FloatArray, LongArray

_BLOCK_ROWS = 64
_GROUP_BLOCKS = 32
_CODE_BITS = 62
_TINY = 1e-280
"""Far above what underflow can take away from a sum of squares."""


class BoxIndex:
    """Finds the sums of every cluster's members, for any centroids.

    Parameters
    ----------
    points
        Shape (n, d), n at least 1; copied, in another order.
    grid
        How exact sums are cut.
    """

    def __init__(self, points: FloatArray, grid: SumGrid) -> None:
        self.grid = grid
        self.k: int | None = None
        n, d = points.shape
        bits = _CODE_BITS // d
        lowest, highest = points.min(axis=0), points.max(axis=0)
        with np.errstate(divide="ignore", over="ignore"):
            scale = (2.0**bits - 1) / (highest - lowest)
        scale[~np.isfinite(scale)] = 0.0
        order = np.argsort(_curve_positions(points, lowest, scale, bits))
        self._starts = np.append(np.arange(0, n, _BLOCK_ROWS), n)
        self._constants = grid.constants
        width = grid.limbs * d
        blocks = len(self._starts) - 1
        self._points = np.empty((n, d))
        self._low, self._high = np.empty((blocks, d)), np.empty((blocks, d))
        self._sums = np.zeros((blocks, width))
        _build(points, order, self._starts, self._constants, self._points, self._low, self._high, self._sums)
        edges = np.append(np.arange(0, blocks, _GROUP_BLOCKS), blocks)
        self._edges = edges
        self._group_low = np.minimum.reduceat(self._low, edges[:-1])
        self._group_high = np.maximum.reduceat(self._high, edges[:-1])

    def cluster_sums(self, centroids: FloatArray) -> tuple[LongArray, FloatArray]:
        """Return counts, shape (k,), and limbs of the sums, shape (k, limbs * d), for (k, d) centroids."""
        k, d = centroids.shape
        counts, sums = np.zeros(k, np.int64), np.zeros((k, self._sums.shape[1]))
        margin = (2 * d + 16) * np.finfo(np.float64).eps
        _step(
            *(self._points, self._starts, self._low, self._high, self._sums),
            *(self._edges, self._group_low, self._group_high),
            *(self._constants, centroids, margin, counts, sums),
        )
        return counts, sums


@njit(cache=True)
def _curve_positions(points, lowest, scale, bits):  # type: ignore[no-untyped-def]
    """Return each point's place on the Z-order curve: the bits of its columns, interleaved."""
    n, d = points.shape
    positions = np.empty(n, np.uint64)
    cell = np.empty(d, np.uint64)
    for i in range(n):
        for c in range(d):
            cell[c] = np.uint64((points[i, c] - lowest[c]) * scale[c])
        position = np.uint64(0)
        for bit in range(bits - 1, -1, -1):
            for c in range(d):
                position = (position << np.uint64(1)) | ((cell[c] >> np.uint64(bit)) & np.uint64(1))
        positions[i] = position
    return positions


@njit(cache=True)
def _build(points, order, starts, constants, ordered, low, high, sums):  # type: ignore[no-untyped-def]
    """Fill in the blocks: their points, boxes and sums."""
    d = points.shape[1]
    for block in range(len(starts) - 1):
        for c in range(d):
            low[block, c], high[block, c] = np.inf, -np.inf
        for j in range(starts[block], starts[block + 1]):
            for c in range(d):
                x = points[order[j], c]
                ordered[j, c] = x
                low[block, c] = min(low[block, c], x)
                high[block, c] = max(high[block, c], x)
            add_row(ordered[j], constants, 1.0, sums[block])


@njit(cache=True)
def _in_question(low, high, centroids, among, n, margin, out):  # type: ignore[no-untyped-def]
    """Write to `out`, in order, the centroids among n that may be nearest to a point of the box."""
    d = centroids.shape[1]
    best, least = among[0], np.inf
    for e in range(n):
        distance = 0.0
        for c in range(d):
            difference = 0.5 * low[c] + 0.5 * high[c] - centroids[among[e], c]
            distance += difference * difference
        if distance < least:
            best, least = among[e], distance
    found = 0
    for e in range(n):
        k = among[e]
        advantage, size = 0.0, 0.0
        for c in range(d):
            corner = low[c] if centroids[k, c] < centroids[best, c] else high[c]
            mine, other = corner - centroids[k, c], corner - centroids[best, c]
            advantage += mine * mine - other * other
            far = max(abs(low[c] - centroids[k, c]), abs(high[c] - centroids[k, c]))
            far_best = max(abs(low[c] - centroids[best, c]), abs(high[c] - centroids[best, c]))
            size += far * far + far_best * far_best
        if k == best or not advantage > margin * size + _TINY:
            out[found] = k
            found += 1
    return found


@njit(cache=True)
def _step(  # type: ignore[no-untyped-def]
    points,
    starts,
    low,
    high,
    block_sums,
    edges,
    group_low,
    group_high,
    constants,
    centroids,
    margin,
    counts,
    sums,
):
    """Add up every cluster's rows."""
    k = len(centroids)
    everyone, in_group, in_block = np.arange(k), np.empty(k, np.int64), np.empty(k, np.int64)
    for group in range(len(edges) - 1):
        few = _in_question(group_low[group], group_high[group], centroids, everyone, k, margin, in_group)
        for block in range(edges[group], edges[group + 1]):
            left = few
            if few > 1:
                left = _in_question(low[block], high[block], centroids, in_group, few, margin, in_block)
            else:
                in_block[0] = in_group[0]
            if left == 1:
                counts[in_block[0]] += starts[block + 1] - starts[block]
                sums[in_block[0]] += block_sums[block]
                continue
            for j in range(starts[block], starts[block + 1]):
                label = _nearest_of(points[j], centroids, in_block, left)
                counts[label] += 1
                add_row(points[j], constants, 1.0, sums[label])


@njit(cache=True)
def _nearest_of(point, centroids, among, n):  # type: ignore[no-untyped-def]
    """Return the nearest of some centroids, in ascending order, by the plain formula."""
    label, least = among[0], np.inf
    for e in range(n):
        distance = 0.0
        for c in range(len(point)):
            difference = point[c] - centroids[among[e], c]
            distance += difference * difference
        if distance < least:
            label, least = among[e], distance
    return label
