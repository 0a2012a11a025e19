"""The members of clusters, and bounds of their distances: compiled code for `bounds`, which explains it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.limbs import ANY_ORDER, add_row
from common.model import FloatArray, LongArray

_STEP = np.float32(2**-22)
_LARGEST = np.float32(3e38)


class Members(NamedTuple):
    """What is known of each row, for the last centroids, and of each cluster; changed in place."""

    labels: npt.NDArray[np.uint32]  # (n,): each row's cluster; k before the first step
    upper: npt.NDArray[np.float32]  # (n,): at least its distance to its own centroid
    lower: npt.NDArray[np.float32]  # (n,): at most its distance to any other
    counts: LongArray  # (k,): how many rows each cluster has
    sums: FloatArray  # (k, limbs * d): the limbs of their sums


def no_members(n: int, k: int, width: int) -> Members:
    """Return n rows in no cluster; `width` numbers make a sum."""
    upper, lower = np.empty((2, n), np.float32)
    return Members(np.full(n, k, np.uint32), upper, lower, np.zeros(k, np.int64), np.zeros((k, width)))


@njit(cache=True, nogil=True)
def _round_up(x):  # type: ignore[no-untyped-def]
    return np.float32(x) * (np.float32(1.0) + _STEP)


@njit(cache=True, nogil=True)
def _round_down(x):  # type: ignore[no-untyped-def]
    rounded = np.float32(x)
    return min(rounded - abs(rounded) * _STEP, _LARGEST)


@njit(inline="always")
def _settled(upper, lower, half_gap, tiny):  # type: ignore[no-untyped-def]
    limit = max(np.float64(lower), half_gap)
    return upper < limit and limit > tiny


@njit(cache=True, nogil=True)
def move_bounds(members, motion, start, stop, unsettled):  # type: ignore[no-untyped-def]
    """Move the bounds of a chunk's rows with the centroids; list, and count, the rows then unsettled."""
    labels, upper, lower = members.labels[start:stop], members.upper[start:stop], members.lower[start:stop]
    drift, drops, half_gaps, tiny = motion.drift, motion.drops, motion.half_gaps, motion.tiny
    found = 0
    for i in range(len(labels)):
        label = labels[i]
        lower[i] = _round_down(lower[i] - drops[label])
        upper[i] = _round_up(upper[i] + drift[label])
        unsettled[found] = start + i
        found += not _settled(upper[i], lower[i], half_gaps[label], tiny)
    return found


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def measure(points, rows, members, motion):  # type: ignore[no-untyped-def]
    """Measure the rows' distances to their centroids; put those still unsettled first, and count them."""
    labels, upper, lower = members.labels, members.upper, members.lower
    centroids, half_gaps, tiny = motion.centroids, motion.half_gaps, motion.tiny
    scale, widened = motion.scale, 1.0 + motion.slack
    found = 0
    for r in range(len(rows)):
        i = rows[r]
        label = labels[i]
        total = 0.0
        for c in range(points.shape[1]):
            difference = points[i, c] - centroids[label, c]
            total += difference * difference
        upper[i] = _round_up(np.sqrt(total) * scale * widened)
        rows[found] = i
        found += not _settled(upper[i], lower[i], half_gaps[label], tiny)
    return found


@njit(cache=True, nogil=True)
def sort_by_need(rows, members, motion, out):  # type: ignore[no-untyped-def]
    """Sort rows by how many of the fastest centroids must be set aside for them.

    Up to ends[0] come those that no number may settle; then, up to ends[1], those for which
    firsts[0] centroids may do; and so on. Rounding does not matter here: `settle` checks.
    """
    labels, upper, lower = members.labels, members.upper, members.lower
    drops, speeds = motion.drops, motion.speeds
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
def settle(rows, fast, members, motion, step, unsettled, left):  # type: ignore[no-untyped-def]
    """Settle rows by a bound of the fastest centroids and one of the rest; list the others from `left` on.

    `fast`, squared, bounds the distances to the firsts[step] fastest; no other moved more than speeds[step].
    """
    labels, upper, lower = members.labels, members.upper, members.lower
    drops, speed, tiny = motion.drops, motion.speeds[step], motion.tiny
    for r in range(len(rows)):
        i = rows[r]
        nearest = _round_down(np.sqrt(fast[r]))
        before = (np.float64(lower[i]) + drops[labels[i]]) * (1.0 - 2.0**-50)
        rest = _round_down(before - speed)
        if upper[i] < nearest and upper[i] < rest and nearest > tiny and rest > tiny:
            lower[i] = min(nearest, rest)
        else:
            unsettled[left] = i
            left += 1
    return left


@njit(cache=True, nogil=True)
def take_over(rows, found, members, moves):  # type: ignore[no-untyped-def]
    """Keep the rows' new labels and bounds; list, and count, the rows with another label.

    `moves`, shape (3, at least n), gets each such row, its old label and its new one.
    """
    labels, upper, lower, counts = members.labels, members.upper, members.lower, members.counts
    n = 0
    for r in range(len(rows)):
        i, old, new = rows[r], labels[rows[r]], found.labels[r]
        nearest, second = found.nearest[r], found.second[r]
        upper[i] = _round_up(np.sqrt(nearest))
        lower[i] = _round_down(np.sqrt(second)) if second > 0.0 else np.float32(0.0)
        if old != new:
            labels[i] = new
            counts[new] += 1
            if old < len(counts):
                counts[old] -= 1
            moves[0, n], moves[1, n], moves[2, n] = i, old, new
            n += 1
    return n


@njit(cache=True, nogil=True)
def add_rows(points, rows, clusters, sign, constants, sums):  # type: ignore[no-untyped-def]
    """Add rows, times a sign, to their clusters' sums, where there is such a cluster."""
    row = np.empty(points.shape[1])
    for r in range(len(rows)):
        i, cluster = rows[r], clusters[r]
        if cluster < len(sums):
            for c in range(points.shape[1]):
                row[c] = sign * points[i, c]
            add_row(row, constants, sums, cluster)
