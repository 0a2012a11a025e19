"""Which way of finding the clusters' sums suits which data."""

from typing import Protocol

from common.kernels.exact import SumGrid
from common.model import FloatArray, LongArray, PointArray

_FEW_COLUMNS = 4
"""Up to here boxes are faster than bounds: a box of few columns is small, and most have one owner."""
_MOST_BYTES = 128 << 20
"""Boxes keep a copy of the points, and a split may be larger than memory."""


class ClusterIndex(Protocol):
    """Finds the sums of every cluster's members, fast from the second call on."""

    grid: SumGrid
    """How exact sums are cut."""

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """Return counts, shape (k,), and limbs of the exact sums, shape (k, limbs * d), for k centroids.

        `start` tells apart several sequences of centroids over the same points: each call compares with
        the last call of the same start, whose centroids are presumably near.
        """


def build_index(points: PointArray, grid: SumGrid) -> ClusterIndex:
    """Choose and build the index for points of shape (n, d)."""
    # Imported here: compiled code takes half a second to import, and small inputs do not need it.
    if points.shape[1] <= _FEW_COLUMNS and points.nbytes <= _MOST_BYTES:
        from common.kernels.nearest.boxes import BoxIndex

        return BoxIndex(points, grid)
    from common.kernels.nearest.bounds import BoundsIndex

    return BoundsIndex(points, grid)
