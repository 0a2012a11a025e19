"""Sums against plain arithmetic; the same sums whatever the parts; what rows without weight may hold."""

from dataclasses import replace

import numpy as np
import pytest

from common.kernels.logistic.design import Grid
from common.kernels.logistic.passes import probabilities
from common.kernels.logistic.sums import carried, rounded
from common.model import FloatArray
from tests.common.kernels.logistic.data import Local, drawn, local


def theta_of(problem: Local, size: float = 0.7) -> FloatArray:
    return np.random.default_rng(3).normal(size=problem.shape) * size


def inputs(problem: Local) -> FloatArray:
    """Return standardised numbers, ones, and ones where a category is: shape (n, p)."""
    design, p = problem.design, problem.shape[1]
    x = (design.points - problem.scaling.mean) * problem.scaling.inverse
    numbers = np.nan_to_num(x.astype(np.float64), nan=0.0)
    known = np.zeros((len(x), p - 1 - x.shape[1]))
    for codes in design.codes.T:
        known[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1.0
    return np.hstack([numbers, np.ones((len(x), 1)), known])


def softmax(problem: Local, theta: FloatArray) -> FloatArray:
    scores = inputs(problem) @ theta.T
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 255, 700])
def test_sums_are_those_of_plain_arithmetic(n: int, dtype: str) -> None:
    whole = drawn(700, dtype)
    problem = replace(whole, cuts=(n,)) if n < 700 else whole
    theta, x, weights = theta_of(problem), inputs(problem), problem.design.weights
    found, labels = softmax(problem, theta), problem.design.labels
    losses = -np.log(found[np.arange(700), labels]) * weights
    sums, p = problem.gradient_sums(theta), problem.shape[1]
    of_loss = rounded(sums[:, :, :1], problem.grid.loss_unit)[:, 0]
    assert of_loss == pytest.approx([losses[labels == k].sum() for k in range(3)], rel=1e-11)
    gradient = ((found - np.eye(3)[labels]) * weights[:, None]).T @ x
    assert rounded(sums[:, :, 1:], problem.grid.gradient_units(p)) == pytest.approx(gradient, abs=1e-9)


@pytest.mark.parametrize("stride", [1, 3])
def test_curvature_is_that_of_plain_arithmetic(stride: int) -> None:
    problem = replace(drawn(), stride=stride, cuts=(100, 401))
    theta, p = theta_of(problem), problem.shape[1]
    used = slice(None, None, stride)
    x, weights, found = inputs(problem)[used], problem.design.weights[used], softmax(problem, theta)[used]
    assert problem.weight(stride) == weights.sum()
    pairs = rounded(problem.curvature_sums(theta, stride), 0)
    for pair, (k, m) in enumerate([(0, 0), (0, 1), (1, 1)]):
        factors = weights * found[:, k] * ((k == m) - found[:, m])
        right = (x * factors[:, None]).T @ x
        assert np.ldexp(pairs[pair], problem.grid.curvature_units(p)) == pytest.approx(
            np.tril(right), abs=1e-9
        )


def test_the_gradient_is_that_of_the_objective() -> None:
    problem = drawn()
    theta = theta_of(problem)
    _, gradient = problem.gradient(theta)
    for k, j in np.ndindex(*problem.shape):
        nudge = np.zeros(problem.shape)
        nudge[k, j] = 1e-4
        change = problem.gradient(theta + nudge)[0] - problem.gradient(theta - nudge)[0]
        assert change / 2e-4 == pytest.approx(gradient[k, j], abs=1e-7)


def test_second_derivatives_are_those_of_the_gradient() -> None:
    problem = drawn()
    theta, (classes, p) = theta_of(problem), problem.shape
    theta -= theta.mean(axis=0)
    found = problem.curvature(theta, every=True).reshape(classes - 1, p, classes - 1, p)
    for k, j in np.ndindex(classes - 1, p):
        nudge = np.zeros(problem.shape)
        nudge[k, j] = 1e-4
        nudge -= nudge.mean(axis=0)
        change = problem.gradient(theta + nudge)[1] - problem.gradient(theta - nudge)[1]
        assert found[:, :, k, j] == pytest.approx(change[:-1] / 2e-4, abs=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_change_no_bit(dtype: str) -> None:
    whole = replace(drawn(3000, dtype), stride=7)
    theta = theta_of(whole)
    gradient, curvature = carried(whole.gradient_sums(theta)), carried(whole.curvature_sums(theta, 7))
    for cuts in [(0,), (1000, 1001), (100, 356, 612, 700, 2000, 2001, 2999)]:
        problem = replace(whole, cuts=cuts)
        assert carried(problem.gradient_sums(theta)).tobytes() == gradient.tobytes()
        assert carried(problem.curvature_sums(theta, 7)).tobytes() == curvature.tobytes()
        assert problem.gradient(theta)[1].tobytes() == whole.gradient(theta)[1].tobytes()
        assert problem.curvature(theta, False).tobytes() == whole.curvature(theta, False).tobytes()


def test_rows_without_weight_change_no_bit() -> None:
    problem = drawn()
    design, theta = problem.design, theta_of(problem)
    points = np.repeat(design.points.astype(np.float64), 2, axis=0)
    points[1::2] = np.inf
    doubled = replace(
        design,
        points=points,
        codes=np.repeat(design.codes, 2, axis=0),
        labels=np.repeat(design.labels, 2),
        weights=np.repeat(design.weights, 2),
    )
    doubled.codes[1::2], doubled.labels[1::2], doubled.weights[1::2] = 99, -1, 0.0
    with_them = replace(problem, design=doubled)
    assert with_them.gradient_sums(theta).tobytes() == problem.gradient_sums(theta).tobytes()
    assert with_them.curvature_sums(theta, 2).tobytes() == problem.curvature_sums(theta, 1).tobytes()
    assert with_them.curvature_sums(theta, 1).tobytes() == problem.curvature_sums(theta, 1).tobytes()
    assert with_them.weight(1) == problem.weight(1)


def test_probabilities_of_missing_numbers_and_unseen_categories() -> None:
    problem = drawn()
    theta = theta_of(problem)
    found = probabilities(problem.design, problem.scaling, theta)
    assert found == pytest.approx(softmax(problem, theta), abs=1e-14)
    missing = np.full((700, 5), np.nan)
    nothing = replace(problem.design, points=missing, codes=problem.design.codes * 0 - 1)
    alike = probabilities(nothing, problem.scaling, theta)
    powers = np.exp(theta[:, 5])
    assert alike == pytest.approx(np.tile(powers / powers.sum(), (700, 1)), abs=1e-14)


def test_columns_may_be_anywhere_and_read_only() -> None:
    problem = drawn()
    theta = theta_of(problem)
    wide = np.random.default_rng(1).normal(size=(700, 9))
    wide[:, [7, 0, 3, 8, 2]] = problem.design.points
    wide.flags.writeable = False
    design = replace(problem.design, points=wide, numbers=np.array([7, 0, 3, 8, 2], np.int32))
    found = replace(problem, design=design).gradient_sums(theta)
    assert found.tobytes() == problem.gradient_sums(theta).tobytes()


def test_there_may_be_many_columns() -> None:
    rng = np.random.default_rng(0)
    points, codes = rng.normal(size=(400, 1000)), rng.integers(3, size=(400, 1))
    problem = local(points, rng.integers(2, size=400), codes)
    theta = theta_of(problem, 0.02)
    x, found = inputs(problem), softmax(problem, theta)
    right = (x * (found[:, 0] * found[:, 1])[:, None]).T @ x
    lower = np.ldexp(rounded(problem.curvature_sums(theta, 1), 0)[0], problem.grid.curvature_units(1004))
    assert np.abs(lower - np.tril(right)).max() < 1e-9


@pytest.mark.parametrize("numbers", [0, 5])
@pytest.mark.parametrize("categories", [0, 2])
def test_there_may_be_no_numbers_or_no_categories(numbers: int, categories: int) -> None:
    problem = drawn()
    design = replace(
        problem.design,
        numbers=problem.design.numbers[:numbers],
        codes=np.ascontiguousarray(problem.design.codes[:, :categories]),
    )
    scaling = replace(
        problem.scaling, mean=problem.scaling.mean[:numbers], scale=problem.scaling.scale[:numbers]
    )
    grid = replace(problem.grid, top=problem.grid.top[:numbers])
    shape = 3, numbers + 1 + (7 if categories else 0)
    step = Local(design, scaling, grid, shape, 1e-3).fit()
    assert step.converged
    assert np.abs(step.theta.sum(axis=0)).max() < 1e-12


@pytest.mark.parametrize("size", [30.0, 1e8])
def test_losses_are_bounded(size: float) -> None:
    problem = drawn()
    loss, gradient = problem.gradient(theta_of(problem, size))
    penalty = problem.l2 / 2 * ((theta_of(problem, size) ** 2) * problem.objective.penalties).sum()
    assert 0.0 < loss - penalty < 710.0 + 1e-9 * penalty
    assert np.isfinite(gradient).all()


def test_a_grid_survives_the_wire() -> None:
    grid = Grid.covering([3.0, 0.0, 1e-9], 2.5)
    assert grid == Grid((2, 0, -29), 2)
    assert Grid.from_array(grid.to_array()) == grid


def test_limbs_are_carried_exactly() -> None:
    limbs = np.array([[-3.0, 7.0], [2.0**40 + 5, -1.0]])
    assert np.array_equal(carried(limbs), [[2.0**8 - 3, 6.0], [5.0, 2.0**32 - 1]])
    assert np.array_equal(rounded(limbs, 1), [2 * (2.0**40 + 5 - 3 * 2.0**32), 2 * (7 * 2.0**32 - 1)])
