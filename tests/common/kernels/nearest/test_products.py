"""Products against the plain formula: labels are its labels, bounds hold."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.kernels.limbs import read_only
from common.kernels.nearest import distance
from common.kernels.nearest.products import Products, nearest
from common.model import FloatArray
from tests.common.kernels.nearest.walks import data, walk


@given(drawn=data())
@settings(max_examples=150)
def test_products_give_the_labels_and_distances_of_the_plain_formula(
    drawn: tuple[FloatArray, int, int],
) -> None:
    points, k, seed = drawn
    for centroids in walk(points, k, seed, steps=2):
        labels, squared = distance.nearest(points, centroids)
        found = nearest(points, centroids)
        assert np.array_equal(found[0], labels)
        assert np.array_equal(found[1], squared)


def prepared(drawn: tuple[FloatArray, int, int]) -> tuple[Products, FloatArray, FloatArray, FloatArray]:
    """Return products, points, centroids, and all squared distances in units of the products' scale."""
    points, k, seed = drawn
    points = points[:200]
    exponent = int(np.frexp(np.abs(points).max())[1])
    products = Products(points.shape[1], k, exponent, points.mean(axis=0))
    centroids = points[np.random.default_rng(seed).integers(len(points), size=k)]
    scaled = np.array([((points - c) * products.scale) ** 2 for c in centroids]).sum(axis=2)
    return products, points, centroids, scaled


@given(drawn=data())
def test_bounds_hold_for_the_nearest_and_the_second(drawn: tuple[FloatArray, int, int]) -> None:
    products, points, centroids, scaled = prepared(drawn)
    rows = np.arange(len(points), dtype=np.uint32)
    products.set_centroids(read_only(centroids))
    products.assign(read_only(points), rows)
    found = products.found
    for r in rows.tolist():
        label = found.labels[r]
        assert found.nearest[r] >= scaled[label, r] * (1 - 1e-12)
        others = np.delete(scaled[:, r], label)
        assert found.second[r] <= others.min(initial=np.inf) * (1 + 1e-12) + 1e-300


def filled(shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """Stand for np.empty where the memory holds the worst that it can."""
    return np.full(shape, np.nan if np.issubdtype(dtype, np.floating) else 77, dtype)


@pytest.mark.parametrize("columns", [2, 6])
def test_bounds_do_not_depend_on_what_the_memory_held(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).normal(size=(40, columns)), 4, 1

    def bounds() -> tuple[bytes, ...]:
        products, points, centroids, _ = prepared(drawn)
        rows = np.arange(len(points), dtype=np.uint32)
        products.set_centroids(read_only(centroids))
        others = products.bound_others(read_only(points), rows, rows % 4, np.arange(4)).tobytes()
        products.set_centroids(read_only(centroids))
        products.assign(read_only(points), rows)
        return others, *(array[: len(rows)].tobytes() for array in products.found)

    expected = bounds()
    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", filled)
        assert bounds() == expected


@given(drawn=data(), first=st.integers(1, 12))
def test_others_are_bounded_without_each_rows_own(drawn: tuple[FloatArray, int, int], first: int) -> None:
    products, points, centroids, scaled = prepared(drawn)
    rows = np.arange(len(points), dtype=np.uint32)
    order = np.arange(len(centroids))[::-1].copy()
    first = min(first, len(order))
    products.set_centroids(read_only(centroids))
    own = (rows % len(centroids)).astype(np.uint32)
    bounds = products.bound_others(read_only(points), rows, own, order[:first])
    for r in rows.tolist():
        others = [scaled[k, r] for k in order[:first].tolist() if k != own[r]]
        assert bounds[r] <= min(others, default=np.inf) * (1 + 1e-12) + 1e-300


def test_centroids_too_far_for_float32_take_float64() -> None:
    points = np.random.default_rng(0).normal(size=(10, 3))
    products = Products(3, 2, 2, np.zeros(3))
    products.set_centroids(read_only(points[:2].copy()))
    assert products.in_single
    products.set_centroids(read_only(np.array([points[0], points[1] + 1e9])))
    assert not products.in_single


@pytest.mark.parametrize("exponent", [-1074, -3, 0, 5, 480])
def test_the_scale_brings_numbers_to_near_one(exponent: int) -> None:
    scale = Products(1, 1, exponent, np.zeros(1)).scale
    assert 2.0**exponent * scale <= 1.0
    assert np.isfinite(scale)
