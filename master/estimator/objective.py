"""What scikit-learn's logistic regression minimises, in the terms of the project's own.

scikit-learn adds C times the sum of the rows' losses to half the squared weights of the raw columns.
Divided by C times the weight of all rows, that is the project's objective, of the mean loss. There columns
are standardised: the weight of a raw column is that of the standardised one, divided by its scale.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_class_weight

from common.errors import UsageError
from common.kernels.logistic.design import Grid, Scaling
from common.kernels.logistic.objective import Objective
from common.model import FloatArray
from master.algorithms.logistic.learning import Learned
from master.estimator.checks import integer, one_of
from master.options.declare import at_least

if TYPE_CHECKING:
    from common.kernels.logistic.newton import Step

_LEAST_C = 1e-100
_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
"""Of scikit-learn's, those that minimise the same for any number of classes."""
_LARGEST_WEIGHT = 1e100
"""Of a class; the least is its inverse."""
_MOST_UNEVEN = 1e6
"""Weights of classes: beyond, the gradient of the lightest one is near what rounding hides."""
_LEAST_TOP = -200
"""Of a grid: smaller numbers are rounded to 0, as their sums would be."""


@dataclass(frozen=True)
class FitSettings:
    """What a fit minimises, and when it stops."""

    C: float
    """Infinite if nothing is penalised."""
    class_weight: Any
    iterations: int
    tol: float


def fit_settings(model: Any) -> FitSettings:
    """Return an estimator's parameters; UsageError if one is out of range."""
    one_of("penalty", model.penalty, "l2", None)
    one_of("solver", model.solver, *_SOLVERS)
    one_of("handle_unknown", model.handle_unknown, "error", "ignore")
    C, tol, iterations = (
        _number("C", model.C),
        _number("tol", model.tol),
        integer("max_iter", model.max_iter),
    )
    at_least("C", C, _LEAST_C)
    at_least("tol", tol, 0)
    at_least("max_iter", iterations, 1)
    weights = model.class_weight
    if not (
        weights is None or isinstance(weights, dict) or (isinstance(weights, str) and weights == "balanced")
    ):
        raise UsageError(f"class_weight is {weights!r}, but must be None, 'balanced' or a dict")
    return FitSettings(math.inf if model.penalty is None else C, weights, iterations, tol)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is {value!r}, but must be a number") from None


def pose(learned: Learned, classes: npt.NDArray[Any], settings: FitSettings) -> tuple[Learned, Objective]:
    """Return the objective, and the columns with the scales that it is best solved in.

    A scale grows, by a power of two, until the penalty of the standardised weight is at most 1: next to a
    much greater one, the others would not count.
    """
    weights = _class_weights(settings.class_weight, classes, learned.class_rows)
    weighted = replace(learned, class_weights=weights)
    # Two classes have two models that mirror each other, each with half the weights.
    l2 = (2.0 if len(classes) == 2 else 1.0) / (settings.C * weighted.weight)
    scale = learned.scaling.scale
    growth = np.maximum(np.frexp(math.sqrt(l2) / scale)[1], 0)
    scaling = Scaling(learned.scaling.mean, np.ldexp(scale, growth))
    top = np.maximum(np.array(learned.grid.top, np.int32) - growth, _LEAST_TOP)
    grid = Grid(tuple(top.tolist()), math.frexp(weights.max())[1])
    penalties = np.concatenate([scaling.inverse**2, [0.0], np.ones(learned.encoding.size)])
    return replace(weighted, scaling=scaling, grid=grid), Objective(grid, weighted.weight, l2, penalties)


def _class_weights(wanted: Any, classes: npt.NDArray[Any], rows: Sequence[int]) -> FloatArray:
    """Return the weight of each class, as scikit-learn does."""
    if not isinstance(wanted, dict):
        each = sum(rows) / (len(rows) * np.array(rows)) if wanted == "balanced" else np.ones(len(rows))
        return np.array(each, np.float64)
    weights = np.array(compute_class_weight(wanted, classes=classes, y=classes), np.float64)
    if not ((weights >= 1 / _LARGEST_WEIGHT) & (weights <= _LARGEST_WEIGHT)).all():
        raise UsageError(
            f"class_weight must hold numbers from {1 / _LARGEST_WEIGHT:g} to {_LARGEST_WEIGHT:g}"
        )
    return weights


def raw_weights(scaling: Scaling, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weights of the raw columns and the intercepts, as scikit-learn has them.

    The weights are those of the numbers, then those of the categories. Two classes have one row.
    """
    d = len(scaling.mean)
    differences = theta[1:] - theta[:1] if len(theta) == 2 else theta
    numbers = differences[:, :d] / scaling.scale
    shifts = [
        math.fsum([each[d], *(-own * scaling.mean).tolist()])
        for each, own in zip(differences, numbers, strict=True)
    ]
    return np.column_stack([numbers, differences[:, d + 1 :]]), np.array(shifts)


def doubts_of(step: "Step", settings: FitSettings, class_weights: FloatArray) -> Iterator[str]:
    """Say what makes a fit doubtful."""
    uneven = class_weights.max() > _MOST_UNEVEN * class_weights.min()
    if uneven:
        yield (
            f"class_weight weighs one class more than {_MOST_UNEVEN:,.0f} times another, beside which that "
            "one hardly counts; use weights nearer to each other, or a much smaller tol"
        )
    if step.converged or (uneven and step.gradient <= settings.tol):
        return
    what = f"it stopped before it converged, at a derivative of {step.gradient:.3g}"
    if step.gradient <= settings.tol:
        yield (
            "the weights grow without an end, because the classes can be told apart without a doubt and no "
            "penalty, or too small a one, keeps the weights small; use a smaller C"
        )
    elif step.iteration >= settings.iterations:
        yield f"{what}; try more than max_iter={settings.iterations}"
    else:
        yield f"{what}, where rounding hides what would still lead on; try a greater tol"
