"""Every index gives the labels and the exact sums of the plain formula, ties and near-ties too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model import FloatArray
from tests.common.kernels.nearest.walks import check, data, walk


@pytest.mark.slow
@given(drawn=data(), dtype=st.sampled_from(["float64", "float32"]))
@settings(max_examples=150)
def test_sums_are_those_of_the_plain_formula(drawn: tuple[FloatArray, int, int], dtype: str) -> None:
    points, k, seed = drawn
    if np.abs(points).max() > np.finfo(dtype).max:
        points = points / np.abs(points).max()
    check(points, walk(points, k, seed), dtype=dtype)


def test_points_half_way_between_centroids() -> None:
    """Ties go to the lowest index; one unit in the last place decides."""
    x = np.array([1.0, np.nextafter(1.0, 0), np.nextafter(1.0, 2)])
    points = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2).repeat(40, axis=0)
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    check(points, [corners, corners[::-1].copy(), corners[[3, 0, 0, 1]].copy()])


@pytest.mark.parametrize("columns", [1, 2, 3, 8, 40])
def test_many_rows(columns: int) -> None:
    """Several blocks, groups and gathers."""
    rng = np.random.default_rng(columns)
    points = rng.normal(size=(20_000, columns)) + 4 * rng.integers(0, 3, size=(20_000, 1))
    check(points, walk(points, 20, seed=columns))


def test_several_starts_side_by_side() -> None:
    points = np.random.default_rng(0).normal(size=(3000, 2))
    check(points, *(walk(points, k, seed) for seed, k in enumerate([3, 7, 300])))


def test_another_number_of_centroids_begins_anew() -> None:
    points = np.random.default_rng(3).normal(size=(2000, 3))
    check(points, [points[:4].copy(), points[:9].copy(), points[:9] + 1e-3, points[:2].copy()])
