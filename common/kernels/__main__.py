"""Make the compiled kernels ready: compile them, or load what was compiled.

`python -m common.kernels` does so, so that the first large run need not wait. numba keeps what it compiled
beside the source, or in the user's cache folder if that can't be written.
"""

import numpy as np

from common.kernels.compiling import load_compiler
from common.kernels.exact import SumGrid
from common.kernels.limbs import add_numbers
from common.kernels.nearest import assigning, plain
from common.kernels.nearest.bounds import BoundsIndex
from common.kernels.ranges import ranges_of
from common.kernels.sparse import SparseRows
from common.model import PointArray


def make_ready(dtype: str) -> None:
    """Use each kernel for points once on points of a type, as splits keep them; this takes up to a second."""
    load_compiler()
    points = _points(dtype)
    columns = points.shape[1]
    grid = SumGrid.covering([2.0] * columns, [1.0] * columns, len(points))
    centroids = points[:64].astype(np.float64)
    # Label and Score take rows as they are kept, other jobs take float64.
    for rows in {dtype: points, "float64": points.astype(np.float64)}.values():
        labels, squared = plain.nearest(rows, centroids)
        assigning.nearest(rows, centroids)
    ranges_of(points)
    add_numbers(labels, squared, grid.constants[:, :1], np.zeros(64), np.zeros((64, grid.limbs)))
    index, walk = BoundsIndex(points, grid), centroids.copy()
    for far in (0.0, 0.5, 1e9, 0.5):
        walk[0] += far
        index.cluster_sums(walk)
    plain.squared_to(points, centroids, labels)


def make_distances_ready(dtype: str) -> None:
    """Use the kernel for all distances, which workers don't need, once on points of a type."""
    points = _points(dtype)
    plain.write_distances(points, points.astype(np.float64), np.empty((len(points), len(points))))


def make_tables_ready(dtype: str) -> None:
    """Use each kernel for tables once on points of a type."""
    from common.kernels.logistic.ready import make_logistic_ready

    make_logistic_ready(_points(dtype))


def make_sparse_ready(dtype: str) -> None:
    """Use each kernel for sparse rows once on rows of a type."""
    from common.kernels import sparse_nearest, sparse_sums

    points = _points(dtype)
    rows, alone = SparseRows.of(points), np.eye(2, 64)
    centroids = points[[0, 0, 1, 2]].astype(np.float64)  # two alike leave labels in doubt
    labels, _ = sparse_nearest.nearest(rows, centroids)
    sparse_nearest.nearest(SparseRows.of(alone.astype(dtype)), alone)
    sparse_sums.ranges_of(rows)
    sparse_sums.SparseSums(rows, SumGrid.covering([2.0] * 3, [1.0] * 3, 8)).of(labels, 8, 0)


def _points(dtype: str) -> PointArray:
    points: PointArray = np.random.default_rng(0).uniform(1.0, 2.0, size=(200, 3)).astype(dtype)
    return points


if __name__ == "__main__":
    for each in ("float64", "float32"):
        make_ready(each)
        make_distances_ready(each)
        make_tables_ready(each)
        make_sparse_ready(each)
