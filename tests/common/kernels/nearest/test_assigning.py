"""Labels of rows whose numbers nobody has looked at."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.nearest import distance, plain
from common.kernels.nearest.assigning import label_usable, labels_of
from common.model import FloatArray, PointArray
from tests.common.kernels.nearest.walks import data

TOO_LARGE = LARGEST_MAGNITUDE * (1 + 2**-52)
Drawn = tuple[FloatArray, int, int]


def centroids_of(points: PointArray, k: int, seed: int) -> FloatArray:
    return points[np.random.default_rng(seed).integers(len(points), size=k)].astype(np.float64)


@given(drawn=data(wide=True), exponent=st.integers(-700, 480), far=st.booleans(), place=st.integers(0))
@settings(max_examples=300)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, TOO_LARGE, -TOO_LARGE])
def test_a_number_that_cannot_be_used_is_seen(
    number: float, drawn: Drawn, exponent: int, far: bool, place: int
) -> None:
    """Wherever it stands, however far out the data are, or the centroids alone."""
    points, k, seed = drawn
    scaled = np.ldexp(points / np.abs(points).max(initial=1e-300), exponent)
    if not np.isfinite(scaled).all():
        return
    centroids = centroids_of(scaled, k, seed)
    if far:
        centroids[0] = LARGEST_MAGNITUDE
    labels = np.empty(len(scaled), np.int32)
    assert label_usable(scaled, centroids, labels)
    assert np.array_equal(labels, distance.nearest(scaled, centroids)[0])
    scaled.flat[place % scaled.size] = number
    assert not label_usable(scaled, centroids, labels)


@given(drawn=data(wide=True), place=st.integers(0))
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_of_float32_any_finite_number_can_be_used(number: float, drawn: Drawn, place: int) -> None:
    points, k, seed = drawn
    single = np.clip(points, -3e38, 3e38).astype(np.float32)
    centroids = centroids_of(single, k, seed)
    single.flat[place % single.size] = np.finfo(np.float32).max
    labels = np.empty(len(single), np.int32)
    assert label_usable(single, centroids, labels)
    assert np.array_equal(labels, distance.nearest(single, centroids)[0])
    single.flat[place % single.size] = number
    assert not label_usable(single, centroids, labels)


def test_of_one_cluster_too() -> None:
    """Its rows are never in doubt, but for those that overflow, and float64 takes over here."""
    points = np.random.default_rng(0).normal(size=(70_000, 64))
    points[1024:33_000] *= 2.0**200
    labels = np.empty(len(points), np.int32)
    assert label_usable(points, points[:1], labels)
    points[60_000, 0] = TOO_LARGE
    assert not label_usable(points, points[:1], labels)


def test_labels_are_found_behind_a_number_that_cannot_be_used() -> None:
    """Rows that are scaled may have such numbers."""
    points = np.random.default_rng(0).normal(size=(70_000, 4))
    points[7, 1] = 1e200
    assert np.array_equal(labels_of(points, points[-20:]), plain.nearest(points, points[-20:])[0])


def test_after_rows_that_float64_must_decide() -> None:
    """Float32 leaves each row of the first blocks in doubt."""
    points = np.random.default_rng(0).normal(size=(100_000, 2)) * 1e-9 + [1.0, 0.0]
    points[:1000] *= 1e6
    centroids, labels = points[-50:].copy(), np.empty(100_000, np.int32)
    assert label_usable(points, centroids, labels)
    assert np.array_equal(labels, plain.nearest(points, centroids)[0])
    points[99_999, 1] = math.nan
    assert not label_usable(points, centroids, labels)
