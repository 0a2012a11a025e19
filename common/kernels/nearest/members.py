"""The members of clusters, bounds of their distances, and how centroids move these; `bounds` explains it.

A row's bounds are kept as if its centroid had not moved since the beginning, so that no motion has to change
them: what all motions have done together is one number for each centroid.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from common.kernels.compiling import kernel
from common.kernels.limbs import ANY_ORDER, squared_distance
from common.kernels.nearest.rounding import above, below
from common.model import FloatArray, LongArray

Singles = npt.NDArray[np.float32]

_SMALL = 1e-18
"""Distances below this part of the data's range settle nothing: float32 has too few bits for squares."""
_STEP = 2.0**-22
"""More than rounding to float32 changes a number, relatively."""


class Members(NamedTuple):
    """What is known of each row, and of each cluster; changed in place.

    The bounds are right at any time if a centroid's `Motion` is added to `uppers`, and taken from `gaps`.
    """

    labels: npt.NDArray[np.uint32]  # (n,): each row's cluster; k before the first step
    uppers: Singles  # (n,): at least its distance to its own centroid
    gaps: Singles  # (n,): at most how much farther any other centroid is
    counts: LongArray  # (k,): how many rows each cluster has
    sums: FloatArray  # (k, limbs * d): the limbs of their sums


def no_members(n: int, k: int, width: int) -> Members:
    """Return n rows in no cluster; `width` numbers make a sum."""
    uppers, gaps = np.empty((2, n), np.float32)
    return Members(np.full(n, k, np.uint32), uppers, gaps, np.zeros(k, np.int64), np.zeros((k, width)))


class Motion(NamedTuple):
    """How centroids have moved since the beginning; all distances are in units of the data's range."""

    drifts: FloatArray  # (k,): how far each has moved, at most
    closings: FloatArray  # (k,): by how much its rows' gaps have closed, at most
    enough: Singles  # (k,): a row of it with a greater gap is settled
    near: Singles  # (k,): a row of it with a lesser upper bound is settled


def no_motion(k: int) -> Motion:
    """Return how k centroids have moved in the beginning."""
    nothing = np.zeros(k, np.float32)
    return Motion(np.zeros(k), np.zeros(k), nothing, nothing)


class Room(NamedTuple):
    """Memory for a batch of rows, used again for the next one; all have the same shape."""

    unsettled: npt.NDArray[np.uint32]  # rows whose bounds do not tell that their labels stand
    moved: npt.NDArray[np.uint32]  # rows whose label has changed
    old: npt.NDArray[np.uint32]  # their labels before
    new: npt.NDArray[np.uint32]  # and now


def further(motion: Motion, before: FloatArray, after: FloatArray, scale: float) -> Motion:
    """Add the motion between two positions of centroids, shape (k, d).

    `scale` brings their unit to that of the distances.
    """
    k, d = after.shape
    slack = (d + 8) * float(np.finfo(np.float64).eps)  # what rounding does to distances, relatively
    half_gaps = np.empty(k)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite motion settles nothing
        drift = np.sqrt(((after - before) ** 2).sum(axis=1)) * scale * (1 + slack)
        _halve_gaps(after, scale * (1 - slack) * (1 - _STEP), half_gaps)
        drifts, closings = motion.drifts + drift, motion.closings + drift + _greatest_of_others(drift)
        # Below this the plain formula's squares underflow, too, and it may see no difference.
        tiny = max(1e-140 * scale, _SMALL)
        enough = (closings + tiny) * (1 + _STEP)
        near = half_gaps * (1 - 2 * _STEP) - drifts * (1 + 2 * _STEP)
        near[half_gaps <= tiny] = -np.inf
        return Motion(drifts, closings, enough.astype(np.float32), near.astype(np.float32))


def _greatest_of_others(numbers: FloatArray) -> FloatArray:
    """Return, for each number, the greatest of the others; 0 if there is none. None is negative."""
    greatest, others = int(numbers.argmax()), numbers.copy()
    others[greatest] = 0.0
    found = np.full(len(numbers), numbers[greatest])
    found[greatest] = others.max()
    return found


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


@kernel
def list_unsettled(members, motion, start, stop, every_row, unsettled):  # type: ignore[no-untyped-def]
    """List, and count, those rows from one to another whose bounds do not tell that their labels stand."""
    labels, uppers, gaps = members.labels[start:stop], members.uppers[start:stop], members.gaps[start:stop]
    enough, near = motion.enough, motion.near
    is_open = np.empty(len(labels), np.uint8)
    for i in range(len(labels)):  # without a branch
        label = labels[i]
        is_open[i] = every_row or not ((gaps[i] > enough[label]) | (uppers[i] < near[label]))
    found = 0
    for i in range(len(labels)):
        unsettled[found] = start + i
        found += is_open[i]
    return found


@kernel
def take_over(rows, found, members, motion, room):  # type: ignore[no-untyped-def]
    """Keep the rows' new labels and bounds; list, and count, the rows with another label."""
    labels, uppers, gaps, counts = members.labels, members.uppers, members.gaps, members.counts
    n = 0
    for r in range(len(rows)):
        i = rows[r]
        old, new = labels[i], found.labels[r]
        upper, lower = np.float64(found.upper[r]), np.float64(found.lower[r])
        uppers[i] = above(np.float32(upper - motion.drifts[new]))
        gaps[i] = below(np.float32(lower - upper + motion.closings[new]))
        labels[i] = new
        room.moved[n], room.old[n], room.new[n] = i, old, new
        n += old != new
    for r in range(n):
        if room.old[r] < len(counts):
            counts[room.old[r]] -= 1
        counts[room.new[r]] += 1
    return n
