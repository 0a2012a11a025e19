"""Make the compiled kernels ready: compile them, or load what was compiled."""

import numpy as np

from common.kernels.bounds import BoundsIndex
from common.kernels.boxes import BoxIndex
from common.kernels.distance import nearest_by_products
from common.kernels.exact import SumGrid
from common.kernels.limbs import add_numbers
from common.model import PointArray


def make_ready(*dtypes: str) -> None:
    """Use each kernel once on points of some types, as kept by a split; this takes up to a second."""
    for dtype in dtypes:
        points: PointArray = np.arange(60.0).reshape(20, 3)
        points = points.astype(dtype)
        grid = SumGrid.covering([60.0] * 3, [1.0] * 3, len(points))
        centroids = points[:2].astype(np.float64)
        labels, squared = nearest_by_products(points.astype(np.float64), centroids)
        add_numbers(labels, squared, grid.constants[:, :1], np.zeros(2), np.zeros((2, grid.limbs)))
        for index in (BoxIndex(points, grid), BoundsIndex(points, grid)):
            for step in range(2):
                index.cluster_sums(centroids + step)
