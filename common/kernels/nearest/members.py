"""The members of clusters, bounds of their distances, and how centroids move these; `bounds` explains it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.limbs import ANY_ORDER, squared_distance
from common.kernels.nearest.rounding import above, below
from common.model import FloatArray, LongArray

Singles = npt.NDArray[np.float32]

_SMALL = 1e-18
"""Distances below this part of the data's range settle nothing: float32 has too few bits for squares."""


class Members(NamedTuple):
    """What is known of each row, for the last centroids, and of each cluster; changed in place."""

    labels: npt.NDArray[np.uint32]  # (n,): each row's cluster; k before the first step
    upper: Singles  # (n,): at least its distance to its own centroid
    lower: Singles  # (n,): at most its distance to any other
    counts: LongArray  # (k,): how many rows each cluster has
    sums: FloatArray  # (k, limbs * d): the limbs of their sums


def no_members(n: int, k: int, width: int) -> Members:
    """Return n rows in no cluster; `width` numbers make a sum."""
    upper, lower = np.empty((2, n), np.float32)
    return Members(np.full(n, k, np.uint32), upper, lower, np.zeros(k, np.int64), np.zeros((k, width)))


class Motion(NamedTuple):
    """How centroids moved; all distances are in units of the data's range."""

    drift: Singles  # (k,): how far each moved, at most
    drops: Singles  # (k,): how far any but this one moved, at most
    half_gaps: Singles  # (k,): half of each one's distance to the nearest other one, at least
    tiny: np.float32  # a limit below this settles nothing


def motion_between(before: FloatArray, after: FloatArray, scale: float) -> Motion:
    """Compare two positions of centroids, shape (k, d); `scale` is from their unit to the distances'."""
    k, d = after.shape
    slack = (d + 8) * float(np.finfo(np.float64).eps)  # what rounding does to distances, relatively
    with np.errstate(over="ignore"):  # infinite bounds settle nothing that they must not
        moved = np.sqrt(((after - before) ** 2).sum(axis=1)) * scale * (1 + slack)
        drift = (moved * (1 + 2**-23)).astype(np.float32)
        # Below this the plain formula's squares underflow, too, and it may see no difference.
        tiny = np.float32(max(1e-140 * scale, _SMALL))
        gaps = np.empty(k)
        _halve_gaps(after, scale * (1 - slack) * (1 - 2**-22), gaps)
        half_gaps = gaps.astype(np.float32)
    fastest = int(drift.argmax())
    drops = np.full(k, drift[fastest])
    drops[fastest] = np.delete(drift, fastest).max(initial=0)
    return Motion(drift, drops, half_gaps, tiny)


@kernel(fastmath=ANY_ORDER)
def _halve_gaps(centroids, scale, half_gaps):  # type: ignore[no-untyped-def]
    """Find half of each centroid's distance to the nearest other one."""
    half_gaps[:] = np.inf
    for a in range(len(centroids)):
        for b in range(a):
            gap = squared_distance(centroids, a, centroids, b)
            half_gaps[a], half_gaps[b] = min(half_gaps[a], gap), min(half_gaps[b], gap)
    for a in range(len(centroids)):
        half_gaps[a] = np.sqrt(half_gaps[a]) * 0.5 * scale


@njit(inline="always")
def _settled(upper, lower, half_gap, tiny):  # type: ignore[no-untyped-def]
    limit = max(lower, half_gap)
    return upper < limit and limit > tiny


@kernel
def move_bounds(members, motion, start, stop, unsettled):  # type: ignore[no-untyped-def]
    """Move the bounds of a chunk's rows with the centroids; list, and count, the rows then unsettled."""
    labels, upper, lower = members.labels[start:stop], members.upper[start:stop], members.lower[start:stop]
    drift, drops, half_gaps, tiny = motion.drift, motion.drops, motion.half_gaps, motion.tiny
    open_rows = np.empty(len(labels), np.uint8)
    for i in range(len(labels)):  # without a branch, so that the compiler makes vector code of it
        label = labels[i]
        lower[i], upper[i] = below(lower[i] - drops[label]), above(upper[i] + drift[label])
        open_rows[i] = not _settled(upper[i], lower[i], half_gaps[label], tiny)
    found = 0
    for i in range(len(labels)):
        unsettled[found] = start + i
        found += open_rows[i]
    return found


@kernel
def take_over(rows, found, members, moves):  # type: ignore[no-untyped-def]
    """Keep the rows' new labels and bounds; list, and count, the rows with another label.

    `moves`, shape (3, at least n), gets each such row, its old label and its new one.
    """
    labels, upper, lower, counts = members.labels, members.upper, members.lower, members.counts
    n = 0
    for r in range(len(rows)):
        i = rows[r]
        old, new = labels[i], found.labels[r]
        upper[i], lower[i], labels[i] = found.upper[r], found.lower[r], new
        moves[0, n], moves[1, n], moves[2, n] = i, old, new
        n += old != new
    for r in range(n):
        if moves[1, r] < len(counts):
            counts[moves[1, r]] -= 1
        counts[moves[2, r]] += 1
    return n
