"""The plain formula, compiled, against the one in NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings

from common.kernels.nearest import distance, plain
from common.model import FloatArray
from tests.common.kernels.nearest.walks import data, walk


@given(drawn=data())
@settings(max_examples=150)
def test_compiled_code_is_the_plain_formula(
    drawn: tuple[FloatArray, int, int],
) -> None:
    points, k, seed = drawn
    for centroids in walk(points, k, seed, steps=2):
        labels, squared = distance.nearest(points, centroids)
        found = plain.nearest(points, centroids)
        assert np.array_equal(found[0], labels)
        assert np.array_equal(found[1], squared)


@given(drawn=data())
def test_squared_distances_to_given_labels(drawn: tuple[FloatArray, int, int]) -> None:
    points, k, seed = drawn
    rng = np.random.default_rng(seed)
    centroids, labels = points[rng.integers(len(points), size=k)], rng.integers(k, size=len(points))
    out = plain.squared_to(points, centroids, labels.astype(np.int32))
    for r, label in enumerate(labels.tolist()):
        assert out[r] == distance.nearest(points[r : r + 1], centroids[label : label + 1])[1][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 2, 3, 7, 8, 9, 16, 31])
def test_squared_distances_of_any_width_are_added_up_in_column_order(columns: int, dtype: str) -> None:
    rng = np.random.default_rng(columns)
    points, centroids = rng.normal(size=(37, columns)).astype(dtype), rng.normal(size=(5, columns))
    labels, expected = rng.integers(5, size=37).astype(np.int32), np.zeros(37)
    for c in range(columns):
        expected += (points[:, c] - centroids[labels, c]) ** 2
    assert np.array_equal(plain.squared_to(points, centroids, labels), expected)
