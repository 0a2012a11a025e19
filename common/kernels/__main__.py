"""Make the compiled kernels ready: compile them, or load what was compiled.

`python -m common.kernels` does so, so that the first large run need not wait. numba keeps what it compiled
beside the source, or in the user's cache folder if that can't be written.
"""

import numpy as np

from common.kernels.exact import SumGrid
from common.kernels.limbs import add_numbers
from common.kernels.nearest import plain, products
from common.kernels.nearest.bounds import BoundsIndex
from common.kernels.nearest.boxes import BoxIndex
from common.model import PointArray


def make_ready(dtype: str) -> None:
    """Use each kernel for points once on points of a type, as splits keep them; this takes up to a second."""
    points = _points(dtype)
    grid = SumGrid.covering([2.0] * 3, [1.0] * 3, len(points))
    centroids = points[:8].astype(np.float64)
    labels, squared = plain.nearest(points.astype(np.float64), centroids)
    products.nearest(points.astype(np.float64), centroids)
    add_numbers(labels, squared, grid.constants[:, :1], np.zeros(8), np.zeros((8, grid.limbs)))
    for index in (BoxIndex(points, grid), BoundsIndex(points, grid, costly_row=0)):
        walk = centroids.copy()
        for far in (0.0, 0.5, 1e9, 0.5):  # One is fast, so that it alone is looked at; then it goes far.
            walk[0] += far
            index.cluster_sums(walk)


def make_tables_ready(dtype: str) -> None:
    """Use each kernel for tables once on points of a type."""
    from common.kernels.logistic.ready import make_logistic_ready

    make_logistic_ready(_points(dtype))


def _points(dtype: str) -> PointArray:
    points: PointArray = np.random.default_rng(0).uniform(1.0, 2.0, size=(200, 3)).astype(dtype)
    return points


if __name__ == "__main__":
    for each in ("float64", "float32"):
        make_ready(each)
        make_tables_ready(each)
