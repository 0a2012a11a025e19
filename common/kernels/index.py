"""Which way of finding the clusters' sums suits which data."""

from typing import Protocol

from common.kernels.exact import SumGrid
from common.model import FloatArray, LongArray

_FEW_COLUMNS = 4
"""Up to here boxes beat bounds: a box of few columns is small, and most have one owner."""


class ClusterIndex(Protocol):
    """Finds the sums of every cluster's members, fast from the second call on.

    Parameters
    ----------
    grid
        How exact sums are cut.
    k
        For how many centroids; None for any.
    """

    grid: SumGrid
    k: int | None

    def cluster_sums(self, centroids: FloatArray) -> tuple[LongArray, FloatArray]:
        """Return counts, shape (k,), and limbs of the sums, shape (k, limbs * d), for (k, d) centroids."""


def build_index(points: FloatArray, grid: SumGrid, k: int) -> ClusterIndex:
    """Choose and build the index for points of shape (n, d) and k centroids."""
    # Imported here: compiled code takes half a second to import, and small data do without.
    if points.shape[1] <= _FEW_COLUMNS:
        from common.kernels.boxes import BoxIndex

        return BoxIndex(points, grid, k)
    from common.kernels.bounds import BoundsIndex

    return BoundsIndex(points, grid, k)
