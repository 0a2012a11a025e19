"""Scores against the plain formula: labels are its labels, bounds hold."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from common.kernels.limbs import read_only
from common.kernels.nearest import distance
from common.kernels.nearest.assigning import labels_of, nearest
from common.kernels.nearest.members import _SMALL
from common.kernels.nearest.scores import Scores, find_nearest
from common.model import FloatArray
from tests.common.kernels.nearest.walks import data, walk


@given(drawn=data(wide=True))
@settings(max_examples=300)
def test_scores_give_the_labels_and_distances_of_the_plain_formula(
    drawn: tuple[FloatArray, int, int],
) -> None:
    points, k, seed = drawn
    for centroids in walk(points, k, seed, steps=2):
        labels, squared = distance.nearest(points, centroids)
        found = nearest(points, centroids)
        assert np.array_equal(found[0], labels)
        assert np.array_equal(found[1], squared)
        assert np.array_equal(labels_of(points, centroids), labels)


def prepared(drawn: tuple[FloatArray, int, int]) -> tuple[Scores, FloatArray, FloatArray, FloatArray]:
    """Return scores, points, centroids, and all squared distances in units of the scores' scale."""
    points, k, seed = drawn
    points = points[:200]
    exponent = int(np.frexp(np.abs(points).max())[1])
    scores = Scores(points.shape[1], exponent, points.mean(axis=0))
    centroids = points[np.random.default_rng(seed).integers(len(points), size=k)]
    scaled = np.array([((points - c) * scores.frame.scale) ** 2 for c in centroids]).sum(axis=2)
    return scores, points, centroids, scaled


@given(drawn=data(wide=True))
def test_bounds_hold_for_the_nearest_and_the_second(drawn: tuple[FloatArray, int, int]) -> None:
    scores, points, centroids, scaled = prepared(drawn)
    rows = np.arange(len(points), dtype=np.uint32)
    scores.set_centroids(read_only(centroids))
    find_nearest(read_only(points), rows, scores.prepared, scores.found)
    found = scores.found
    for r in rows.tolist():
        label = found.labels[r]
        assert found.upper[r] >= np.sqrt(scaled[label, r]) * (1 - 1e-12) - _SMALL
        others = np.delete(scaled[:, r], label)
        assert found.lower[r] <= np.sqrt(others.min(initial=np.inf)) * (1 + 1e-12) + _SMALL


def filled(
    shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64, order: str = "C"
) -> npt.NDArray[Any]:
    """Stand for np.empty where the memory holds the worst that it can."""
    return np.full(shape, np.nan if np.issubdtype(dtype, np.floating) else 77, dtype)


@pytest.mark.parametrize("columns", [2, 6])
def test_bounds_do_not_depend_on_what_the_memory_held(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).normal(size=(40, columns)), 4, 1

    def bounds() -> tuple[bytes, ...]:
        scores, points, centroids, _ = prepared(drawn)
        rows = np.arange(len(points), dtype=np.uint32)
        scores.set_centroids(read_only(centroids))
        find_nearest(read_only(points), rows, scores.prepared, scores.found)
        return tuple(array[: len(rows)].tobytes() for array in scores.found)

    expected = bounds()
    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", filled)
        assert bounds() == expected


def test_centroids_too_far_for_float32_take_float64() -> None:
    points = np.random.default_rng(0).normal(size=(10, 3))
    scores = Scores(3, 2, np.zeros(3))
    scores.set_centroids(read_only(points[:2].copy()))
    assert scores.in_single
    scores.set_centroids(read_only(np.array([points[0], points[1] + 1e9])))
    assert not scores.in_single


@pytest.mark.parametrize("exponent", [-1074, -3, 0, 5, 480])
def test_the_scale_brings_numbers_to_near_one(exponent: int) -> None:
    scale = Scores(1, exponent, np.zeros(1)).frame.scale
    assert 2.0**exponent * scale <= 1.0
    assert np.isfinite(scale)


@pytest.mark.parametrize("columns", [2, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_lie_far_out_after_the_first_ones(columns: int, dtype: str) -> None:
    """The first rows alone say how large numbers are; later ones may overflow in scores."""
    rng = np.random.default_rng(3)
    points = rng.normal(size=(1400, columns)).astype(dtype)
    points[1200:1300] *= np.geomspace(1, 1e37, 100, dtype=dtype)[:, None]
    points[1300:] *= np.geomspace(1, 1e-37 if dtype == "float32" else 1e-150, 100, dtype=dtype)[:, None]
    if dtype == "float64":
        points[1290:1300] *= 1e100
    centroids = rng.normal(size=(8, columns))
    expected = [distance.nearest(points[i : i + 1].astype(float), centroids)[0][0] for i in range(1400)]
    assert labels_of(points, centroids).tolist() == expected
