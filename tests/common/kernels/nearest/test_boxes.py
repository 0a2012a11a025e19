"""Boxes of blocks, and the order along the curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.limbs import read_only
from common.kernels.nearest.boxes import BLOCK_ROWS, BoxIndex, blocks_along_curve
from tests.common.kernels.nearest.walks import grid_of, plain_sums

NUMBER = st.floats(-(2.0**480), 2.0**480)


@given(values=st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_far_centroids_are_excluded_only_where_they_are_nearest_to_no_row(
    values: list[tuple[float, float]], seed: int
) -> None:
    points = np.array(values)
    centroids = points[np.random.default_rng(seed).integers(len(points), size=5)]
    counts, sums = BoxIndex(points, grid := grid_of(points)).cluster_sums(centroids)
    expected_counts, expected_sums = plain_sums(points, grid, centroids)
    assert counts.tolist() == expected_counts
    assert np.array_equal(sums, expected_sums)


def test_a_block_moves_as_a_whole_and_row_by_row() -> None:
    """Whole blocks change their owner, are divided, and are one cluster's again."""
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 50])
    index = BoxIndex(points, grid := grid_of(points))
    near, far = [0.0, 0.0], [50.0, 50.0]
    for pair in ([near, far], [far, near], [near, [0.5, 0.5]], [far, [1e3, 1e3]], [near, far]):
        counts, sums = index.cluster_sums(np.array(pair))
        expected_counts, expected_sums = plain_sums(points, grid, np.array(pair))
        assert counts.tolist() == expected_counts
        assert np.array_equal(sums, expected_sums)


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
