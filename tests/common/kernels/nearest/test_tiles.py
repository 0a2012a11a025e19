"""Tiles of rows."""

import numpy as np
import pytest

from common.kernels.limbs import read_only
from common.kernels.nearest.tiles import TILE_ROWS, Tiles, scale_of


@pytest.mark.parametrize("rows", [1, TILE_ROWS, TILE_ROWS + 1])
def test_tiles_hold_the_rows_as_columns_and_their_squares(rows: int) -> None:
    points, offset = np.random.default_rng(rows).normal(size=(rows, 3)), np.array([1.0, 2.0, 3.0])
    tiles = Tiles(read_only(points), offset, 0.5)
    expected = ((points - offset) * 0.5).astype(np.float32)
    held = tiles.points.transpose(0, 2, 1).reshape(-1, 3)
    assert np.array_equal(held[:rows], expected)
    assert not held[rows:].any()
    assert tiles.squares[:rows] == pytest.approx((expected.astype(np.float64) ** 2).sum(axis=1), rel=1e-6)


@pytest.mark.parametrize("exponent", [-1074, -3, 0, 5, 480])
def test_the_scale_brings_numbers_to_near_one(exponent: int) -> None:
    assert 2.0**exponent * scale_of(exponent) <= 1.0
    assert np.isfinite(scale_of(exponent))
