"""How centroids moved from one iteration to the next: what bounds of distances need to know."""

from typing import NamedTuple

import numpy as np
from numba import njit

from common.kernels.limbs import ANY_ORDER
from common.model import FloatArray, LongArray

_SMALL = 1e-30
"""Distances below this part of the data's range settle nothing: float32 has too few bits for them."""


class Motion(NamedTuple):
    """How centroids moved; all distances are in units of the data's range."""

    centroids: FloatArray  # (k, d): where they are now, in the data's own unit
    scale: float  # from the data's unit to that of the distances
    drift: FloatArray  # (k,): how far each moved, at most
    drops: FloatArray  # (k,): how far any but this one moved, at most
    half_gaps: FloatArray  # (k,): half of each one's distance to the nearest other one, at least
    order: LongArray  # (k,): their indexes, the fastest first
    firsts: LongArray  # how many of the fastest may be set aside: several choices
    speeds: FloatArray  # for each choice, how far any of the rest moved, at most
    tiny: float  # a limit below this settles nothing
    slack: float  # distances found in float64 are off by less than this, relatively


def motion_between(
    before: FloatArray, after: FloatArray, scale: float, shares: tuple[float, ...] = ()
) -> Motion:
    """Compare two positions of centroids, shape (k, d); `firsts` are these shares of k."""
    k, d = after.shape
    slack = (d + 8) * float(np.finfo(np.float64).eps)
    with np.errstate(over="ignore"):  # infinite bounds settle nothing that they must not
        drift = np.sqrt(((after - before) ** 2).sum(axis=1)) * scale * (1 + slack)
    half_gaps = np.empty(k)
    _halve_gaps(after, scale * (1 - slack), half_gaps)
    order = np.argsort(-drift, kind="stable")
    drops = np.full(k, drift[order[0]])
    drops[order[0]] = drift[order[1]] if k > 1 else 0.0
    firsts = np.array(sorted({int(k * share) for share in shares} - {0}), np.int64)
    return Motion(
        centroids=after,
        scale=scale,
        drift=drift,
        drops=drops,
        half_gaps=half_gaps,
        order=order,
        firsts=firsts,
        speeds=drift[order][firsts],
        # Below this the plain formula's squares underflow, too, and it may see no difference.
        tiny=max(1e-140 * scale, _SMALL),
        slack=slack,
    )


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
