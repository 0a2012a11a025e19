"""How centroids moved from one iteration to the next, as bounds of distances have to know."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit

from common.kernels.nearest.products import ANY_ORDER
from common.model import FloatArray, LongArray

_SMALL = 1e-30
"""Distances below this part of the data's range settle nothing: float32 has too few bits for them."""


@dataclass(frozen=True)
class Motion:
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
    def between(cls, before: FloatArray, after: FloatArray, scale: float, shares: tuple[float, ...]) -> Self:
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
