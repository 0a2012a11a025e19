"""Cholesky's factor against what it must multiply to."""

import numpy as np
import pytest

from common.kernels.logistic.cholesky import factor, solve


@pytest.mark.parametrize("n", [1, 3, 63, 64, 65, 200, 700])
def test_equations_are_solved(n: int) -> None:
    rng = np.random.default_rng(n)
    root = rng.normal(size=(n, n + 5))
    matrix, right = root @ root.T + np.eye(n), rng.normal(size=n)
    kept = matrix.copy()
    upper = factor(matrix, 0.0)
    assert np.array_equal(matrix, kept)
    assert np.abs(np.triu(upper).T @ np.triu(upper) - matrix).max() <= 1e-12 * np.abs(matrix).max()
    x = solve(upper, right)
    assert np.abs(matrix @ x - right).max() <= 1e-12 * np.abs(matrix).max() * max(1.0, np.abs(x).max())


def test_small_pivots_are_raised() -> None:
    assert np.array_equal(solve(factor(np.zeros((3, 3)), 0.25), np.ones(3)), np.full(3, 4.0))
    singular = np.ones((3, 3))
    assert np.abs(singular @ solve(factor(singular, 1e-9), np.ones(3)) - 1.0).max() < 1e-8
