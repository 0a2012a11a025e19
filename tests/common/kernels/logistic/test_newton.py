"""The solver against scikit-learn; going on after an interruption; what has no minimum."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

from common.kernels.logistic.newton import newton
from common.model import FloatArray
from tests.common.kernels.logistic.data import Local, drawn, local

datasets = pytest.importorskip("sklearn.datasets")
linear_model = pytest.importorskip("sklearn.linear_model")


def known(name: str, balanced: bool) -> Local:
    points, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    counts = np.bincount(labels)
    weights = (len(labels) / (len(counts) * counts))[labels] if balanced else None
    return local(points, labels, weights=weights)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_weights_are_those_of_scikit_learn(name: str, balanced: bool) -> None:
    problem = known(name, balanced)
    n, two = len(problem.design.points), problem.shape[0] == 2
    # scikit-learn's two classes share one vector, the difference of ours: a penalty of half the size.
    theirs = linear_model.LogisticRegression(
        solver="newton-cholesky",
        tol=1e-12,
        max_iter=1000,
        C=1 / (problem.l2 * n),
        class_weight="balanced" if balanced else None,
    )
    x = (problem.design.points - problem.scaling.mean) * problem.scaling.inverse
    theirs.fit(x, problem.design.labels)
    step = replace(problem, l2=problem.l2 * (2 if two else 1)).fit(tol=1e-11)
    ours = step.theta[1:] - step.theta[:1] if two else step.theta
    assert step.converged
    assert ours[:, :-1] == pytest.approx(theirs.coef_, abs=1e-6)
    assert ours[:, -1] == pytest.approx(
        theirs.intercept_ - (0 if two else theirs.intercept_.mean()), abs=1e-6
    )


def jobs(n: int) -> Local:
    """Draw a table like that of jobs at risk: the title alone tells nearly all classes apart."""
    rng = np.random.default_rng(0)
    title, education = rng.integers(20, size=n), rng.integers(4, size=n)
    low = np.where(title < 5, 0.05, np.where(title < 10, 0.70, 0.30))
    high = np.where(title < 5, 0.30, np.where(title < 10, 0.95, 0.70))
    risk = np.round(rng.uniform(low, high), 2)
    salary = rng.integers(30_000, 150_000, size=n)
    labels = np.where(risk <= 0.30, 1, np.where(risk <= 0.70, 2, 0))
    points = np.column_stack([salary, rng.integers(30, size=n), risk, rng.random((n, 12))])
    return local(points, labels, np.stack([title, 20 + education], axis=1))


def test_few_iterations_do() -> None:
    step = jobs(2400).fit()
    assert step.converged
    assert step.iteration <= 12


def test_a_sample_for_second_derivatives_leads_to_the_same_weights() -> None:
    problem = drawn(4000)
    full, sampled = problem.fit(), replace(problem, stride=8).fit()
    assert sampled.converged
    assert sampled.theta == pytest.approx(full.theta, abs=1e-6)


def test_a_sample_that_misses_the_rows_far_out_is_given_up() -> None:
    rng = np.random.default_rng(5)
    points = rng.standard_t(2, size=(8000, 5))
    labels = (points[:, 0] + rng.logistic(size=8000) > 6).astype(np.int64)
    problem = replace(local(points, labels), stride=8)
    step = problem.fit()
    assert step.state.every
    assert step.converged
    assert step.iteration < 40
    assert step.theta == pytest.approx(replace(problem, stride=1).fit().theta, abs=1e-5)


@pytest.mark.parametrize("stride", [1, 8])
def test_a_run_goes_on_as_if_nothing_had_happened(stride: int) -> None:
    problem = replace(drawn(2000), stride=stride)
    start = np.random.default_rng(1).normal(size=problem.shape)
    steps = list(newton(problem, start))
    assert len(steps) > 5
    for number, step in enumerate(steps):
        saved = {name: array.copy() for name, array in step.progress().items()}
        assert {array.dtype for array in saved.values()} == {np.dtype(np.int64), np.dtype(np.float64)}
        again = list(newton(problem, saved))
        assert [written(other) for other in again] == [written(other) for other in steps[number:]]


def written(step: Any) -> tuple[Any, ...]:
    arrays = {name: array.tobytes() for name, array in step.progress().items()}
    return arrays, step.loss, step.gradient, step.converged


def test_parts_change_no_bit_of_a_run() -> None:
    whole = replace(drawn(2000), stride=3)
    expected = written(whole.fit())
    for cuts in [(700, 1400), (1, 200, 500, 777, 1000, 1500, 1999)]:
        assert written(replace(whole, cuts=cuts).fit()) == expected


@pytest.mark.parametrize("tol", [1e-8, 0.0])
@pytest.mark.parametrize("mixed", [0, 20])
def test_classes_that_nothing_mixes_up_have_no_minimum(mixed: int, tol: float) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 4))
    labels = (points[:, 0] > 0).astype(np.int64)
    codes = np.zeros((300, 1), np.int64)
    codes[:mixed], labels[:mixed] = 1, np.arange(mixed) % 2  # these have a minimum of their own
    points[:mixed, 0] = 0.0
    steps = list(newton(problem := local(points, labels, codes, l2=0.0), np.zeros(problem.shape), tol))
    assert not steps[-1].converged
    assert len(steps) <= (40 if tol else 101)
    assert all(np.isfinite(step.theta).all() and np.isfinite(step.loss) for step in steps)


def test_no_gradient_is_too_small_to_be_asked_for() -> None:
    problem = drawn()
    steps = list(newton(problem, np.zeros(problem.shape), tol=0.0))
    assert not steps[-1].converged
    assert steps[-1].gradient < 1e-11
    assert len(steps) < 30


def test_the_start_counts_and_iterations_end_it() -> None:
    problem = drawn()
    step = problem.fit()
    assert [other.converged for other in newton(problem, step.theta)] == [True]
    steps = list(newton(problem, np.zeros(problem.shape), iterations=2))
    assert [other.iteration for other in steps] == [0, 1, 2]
    assert not steps[-1].converged
    assert [other.iteration for other in islice(newton(problem, steps[1].progress()), 2)] == [1, 2]


class Overflowing:
    """A problem whose steps have no length: its gradient, divided by the least pivot, overflows."""

    def gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        assert np.isfinite(theta).all()
        return 1.0, np.array([[1e300], [-1e300]])

    def curvature(self, theta: FloatArray, every: bool) -> FloatArray:
        return np.zeros((1, 1))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_a_step_that_is_not_finite_is_not_made() -> None:
    (step,) = newton(Overflowing(), np.zeros((2, 1)))
    assert (step.iteration, step.converged) == (0, False)
