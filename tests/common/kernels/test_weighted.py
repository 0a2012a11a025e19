"""K-Means of weighted points, against a plain reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, sampled_from

from common.kernels.weighted import choose, weighted_kmeans
from common.model import FloatArray


def drawn(n: int, columns: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw points that are distinct in each column, so that their order along it is known, and weights."""
    rng = np.random.default_rng(seed)
    points = rng.permuted(np.tile(np.arange(n)[:, None] / 8.0, columns), axis=0)
    return points, rng.integers(1, 9, n).astype(np.float64)


def squared_distance(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def pick(pull: list[float], draw: float) -> int:
    """Return the first point up to which the pulls add up to more than this part of them all."""
    sums = np.cumsum(pull).tolist()
    return next(i for i, total in enumerate(sums) if total > draw * sums[-1])


def choose_simply(points: FloatArray, weights: FloatArray, k: int, rng: np.random.Generator) -> list[int]:
    """Choose as greedy k-means++ is defined: compare each try's whole cost."""
    order = np.argsort(points[:, 0]).tolist()
    rows, shares = [points[i].tolist() for i in order], [float(weights[i]) for i in order]

    def cost_with(chosen: list[int]) -> list[float]:
        nearest = [min(squared_distance(row, rows[i]) for i in chosen) for row in rows]
        return [share * squared for share, squared in zip(shares, nearest, strict=True)]

    chosen = [pick(shares, rng.random())]
    while len(chosen) < k:
        tries = [pick(cost_with(chosen), u) for u in rng.random(2 + int(math.log(k))).tolist()]
        chosen.append(min(tries, key=lambda i: math.fsum(cost_with([*chosen, i]))))
    return [order[i] for i in chosen]


@given(n=integers(1, 40), columns=integers(1, 3), k=integers(1, 12), seed=integers(0, 999))
@settings(max_examples=60)
def test_the_choice_is_that_of_the_definition(n: int, columns: int, k: int, seed: int) -> None:
    points, weights = drawn(n, columns, seed)
    found = choose(points, weights, min(n, k), np.random.default_rng(seed))
    assert found.tolist() == choose_simply(points, weights, min(n, k), np.random.default_rng(seed))


@pytest.mark.parametrize("step", [1e-200, 0.0])
def test_distinct_points_are_chosen_where_squares_underflow_or_one_column_is_the_same(step: float) -> None:
    points = np.column_stack([np.full(9, 7e5), np.arange(9) * step, np.arange(9) * 1e-170])
    assert sorted(choose(points, np.ones(9), 9, np.random.default_rng(0)).tolist()) == list(range(9))


def test_a_tiny_reach_beside_a_large_number_chooses_no_point_twice() -> None:
    points = np.column_stack([np.full(20, 1e9), np.arange(20) * 1e-9])
    points[0, 0] += 1.0
    assert sorted(choose(points, np.ones(20), 20, np.random.default_rng(0)).tolist()) == list(range(20))


def test_few_points_are_their_own_centroids() -> None:
    points, weights = drawn(7, 2, 0)
    found = weighted_kmeans(points, weights, 7, np.random.default_rng(0))
    assert sorted(found.tolist()) == sorted(points.tolist())


@given(seed=integers(0, 999), k=sampled_from([1, 2, 5]))
@settings(max_examples=20)
def test_centroids_are_distinct_and_weights_count_as_copies(seed: int, k: int) -> None:
    points, weights = drawn(12, 2, seed)
    found = weighted_kmeans(points, weights, k, np.random.default_rng(seed))
    assert len(np.unique(found, axis=0)) == k
    if k == 1:
        assert found[0] == pytest.approx(np.repeat(points, weights.astype(int), axis=0).mean(axis=0))
