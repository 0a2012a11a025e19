"""Cholesky's factor against what it must multiply to."""

import subprocess
import sys

import numpy as np
import pytest

from common.kernels.logistic.cholesky import factor, solve
from common.kernels.logistic.factoring import factor_in_place, solve_in_place
from tests.programs import environment


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


@pytest.mark.parametrize("n", [1, 2, 63, 130, 399])
def test_numpy_finds_the_bits_that_compiled_code_finds(n: int) -> None:
    """With pivots that are raised, too: half of the rows are nearly the same."""
    rng = np.random.default_rng(n)
    root = rng.normal(size=(n, n)) * 10.0 ** rng.integers(-3, 4, size=(n, 1))
    root[: n // 2] += root[n // 2 : n // 2 * 2]
    matrix, right = root @ root.T, rng.normal(size=n)
    upper = matrix.copy()
    factor_in_place(upper, 1e-6)
    x = right.copy()
    solve_in_place(upper, x)
    found = factor(matrix, 1e-6)
    assert np.triu(found).tobytes() == np.triu(upper).tobytes()
    assert solve(found, right).tobytes() == x.tobytes()


def test_few_equations_need_no_compiled_code() -> None:
    program = (
        "import sys, numpy as np;"
        "from common.kernels.logistic import cholesky, newton;"
        "cholesky.solve(cholesky.factor(np.eye(3), 0.0), np.ones(3));"
        "sys.exit('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment(), check=False)
    assert done.returncode == 0
