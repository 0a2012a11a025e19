"""The order along the curve."""

import numpy as np
import pytest

from common.kernels.limbs import read_only
from common.kernels.nearest.curve import BLOCK_ROWS, blocks_along_curve


@pytest.mark.parametrize("rows", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 1000])
@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_point_comes_once(rows: int, columns: int, dtype: str) -> None:
    points = np.random.default_rng(rows).normal(size=(rows, columns)).astype(dtype)
    blocks = blocks_along_curve(read_only(points))
    assert blocks.shape[1:] == (columns, BLOCK_ROWS)
    assert blocks.dtype == points.dtype
    ordered = blocks.transpose(0, 2, 1).reshape(-1, columns)[:rows]
    assert sorted(map(tuple, ordered.tolist())) == sorted(map(tuple, points.tolist()))


def test_points_of_one_block_are_near_each_other() -> None:
    points = np.random.default_rng(0).uniform(size=(64 * BLOCK_ROWS, 2))
    blocks = blocks_along_curve(read_only(points))
    areas = np.ptp(blocks, axis=2).prod(axis=1)
    assert np.median(areas) < 4 / 64  # of the whole square, in 64 blocks


def test_equal_points_and_outliers_have_an_order_too() -> None:
    points = np.ones((300, 3))
    points[:2] = [[1e300, 1.0, -1e300], [-1e300, 1.0, 1e300]]
    ordered = blocks_along_curve(read_only(points)).transpose(0, 2, 1).reshape(-1, 3)[:300]
    assert sorted(map(tuple, ordered.tolist())) == sorted(map(tuple, points.tolist()))
