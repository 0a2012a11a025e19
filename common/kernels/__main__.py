"""Compile the kernels now, so that the first large run need not wait: `python -m common.kernels`.

numba keeps what it compiled beside the source, or in the user's cache folder if that can't be written.
"""

import numpy as np

from common.kernels.bounds import BoundsIndex
from common.kernels.boxes import BoxIndex
from common.kernels.distance import nearest_by_products
from common.kernels.exact import SumGrid
from common.kernels.limbs import add_numbers
from common.model import PointArray


def main() -> None:
    """Use each kernel once, on arrays of the kinds that a run has."""
    doubles = np.arange(60.0).reshape(20, 3)
    kinds: list[PointArray] = [doubles, doubles.astype(np.float32)]
    for points in kinds:
        points.flags.writeable = False  # as a memory-mapped split is
        grid = SumGrid.covering([60.0] * 3, [1.0] * 3, len(points))
        centroids = points[:2].astype(np.float64)
        labels, squared = nearest_by_products(points.astype(np.float64), centroids)
        add_numbers(labels, squared, grid.constants[:, :1], np.zeros(2), np.zeros((2, grid.limbs)))
        for index in (BoxIndex(points, grid), BoundsIndex(points, grid)):
            for step in range(2):
                index.cluster_sums(centroids + step)


if __name__ == "__main__":
    main()
