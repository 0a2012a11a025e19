"""Rows with weights, which stand in the last column, and exact sums of rows times weights."""

from typing import cast

import numpy as np

from common.kernels.exact import SumGrid, sum_by_key, two_product
from common.kernels.nearest.distance import worth_compiled_code
from common.kernels.sparse import SparseRows, WeightedSparseRows
from common.model import Block, FloatArray, IntArray, LongArray, PointArray


def weights_of(block: Block) -> FloatArray:
    """Return the weights of a block's rows, shape (n,)."""
    if isinstance(block.rows, WeightedSparseRows):
        return block.rows.weights
    return np.asarray(block.points[:, -1], np.float64)


def points_of(block: Block) -> PointArray:
    """Return a block's rows without their weights, shape (n, d)."""
    if isinstance(block.rows, WeightedSparseRows):
        return cast(PointArray, block.rows.points)
    return block.points[:, :-1]


def weighing(block: Block) -> tuple[LongArray, Block, FloatArray]:
    """Return which rows of a block weigh anything, these rows without their weights, and their weights."""
    points, weights = points_of(block), weights_of(block)
    kept = np.flatnonzero(weights > 0)
    if len(kept) == len(weights):
        return kept, Block(points, 0), weights
    if isinstance(points, SparseRows):
        return kept, Block(points.pick(kept), 0), weights[kept]
    return kept, Block(points[kept], 0), weights[kept]


def sum_products(
    grid: SumGrid, keys: IntArray | LongArray, rows: FloatArray, weights: FloatArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """Add rows times weights, shape (n, d) and (n,), and the weights, exactly, by key.

    Return each key's number of rows that weigh anything, shape (k,), and limbs, shape (k, limbs * (d + 1)).
    """
    counts, sums = np.zeros(k), np.zeros((k, grid.limbs * grid.columns))
    if worth_compiled_code(rows, grid.limbs):
        from common.kernels.limbs import add_weighted

        rows, weights = np.ascontiguousarray(rows, np.float64), np.ascontiguousarray(weights)
        add_weighted(keys.astype(np.int32), rows, weights, grid.constants, counts, sums)
        return counts, sums
    high, low = two_product(rows, weights[:, None])
    limbs = grid.cut(np.column_stack([high, weights]))
    limbs += grid.cut(np.column_stack([low, np.zeros(len(weights))]))
    counts += np.bincount(keys, weights > 0, k)
    return counts, sum_by_key(keys, limbs.reshape(sums.shape[1], -1), k)
