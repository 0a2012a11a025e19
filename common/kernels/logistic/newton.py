"""Newton's method for the parameters, of shape (K, p): the loop, whoever adds up the sums.

A step solves with the second derivatives and is halved until the objective falls enough (Armijo's rule). The
second derivatives are computed anew while the gradient is large, or falls slowly; later the same ones serve
several steps. They come from a sample of the rows, which misses too much where a few rows far out matter
most: then from all rows. A common shift of all classes changes no probability:
the mean over the classes is kept at 0, which is where the penalty is least.

Everything is elementwise or added in a fixed order: the same bits on every machine. And everything follows
from a few arrays, `Progress`, so a run that was interrupted goes on as if nothing had happened.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from common.kernels.logistic import cholesky
from common.model import FloatArray

_FAR = 1e-3
"""While the largest gradient is more than this part of the first one, second derivatives change much."""
_SLOW = 0.1
"""A step that leaves more than this part of the gradient calls for new ones, too."""
_POOR = 0.5
"""If it leaves more than this part, or is halved, with new ones, a sample of the rows misses too much."""
_ARMIJO = 1e-4
_LOSS_ERROR = 2.0**-36
"""The objective is not known better. A change by less is none, and the gradient decides."""
_RIDGE = 1e-9
"""The least pivot: this part of the mean of the diagonal, and at least this much.

Where nothing is penalised and no row is in doubt, the second derivatives fade away; smaller pivots would make
steps so long that most are halved many times.
"""
_SHRINKING, _SHORT = 0.5, 1e-3
"""Near a minimum the next step is at most this part of the last one, or at most this long."""


class Problem(Protocol):
    """Knows the objective."""

    def gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the objective and its gradient, shape (K, p)."""

    def curvature(self, theta: FloatArray, every: bool) -> FloatArray:
        """Return the second derivatives, as `Objective.hessian` does: of every row, or a sample will do."""


@dataclass(frozen=True)
class Progress:
    """What the rest of a run follows from."""

    theta: FloatArray
    anchor: FloatArray
    """Where the second derivatives for the next step are computed: at an earlier theta, or here."""
    every: bool
    """Whether they are computed from every row; a sample did not do."""
    iteration: int
    halvings: int
    """Of the last step."""
    first: float
    """The largest gradient at the start; 0 before it is known."""
    length: float
    """The largest change of a parameter in the last step; infinite before the first."""

    @classmethod
    def at(cls, theta: FloatArray) -> "Progress":
        """Begin."""
        theta = _centred(theta)
        return cls(theta, theta, False, 0, 0, 0.0, math.inf)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return it as arrays of float64 and int64, for a checkpoint."""
        counts = np.array([self.every, self.iteration, self.halvings], np.int64)
        sizes = np.array([self.first, self.length])
        return {"theta": self.theta, "anchor": self.anchor, "counts": counts, "sizes": sizes}

    @classmethod
    def resume(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Progress":
        """Undo `to_arrays`."""
        every, iteration, halvings = arrays["counts"].tolist()
        first, length = arrays["sizes"].tolist()
        return cls(arrays["theta"], arrays["anchor"], bool(every), iteration, halvings, first, length)


@dataclass(frozen=True)
class Step:
    """Where an iteration has come to."""

    state: Progress
    loss: float
    """The objective."""
    gradient: float
    """The largest in magnitude."""
    converged: bool
    """Whether the gradient is at most `tol`, and steps shrink.

    If classes can be told apart without a doubt and nothing is penalised, the gradient falls for ever while
    parameters grow: the steps do not shrink, and there is no minimum.
    """

    @property
    def theta(self) -> FloatArray:
        """The parameters, shape (K, p)."""
        return self.state.theta

    @property
    def iteration(self) -> int:
        """How many steps led here."""
        return self.state.iteration

    @property
    def halvings(self) -> int:
        """How often the last of them was halved."""
        return self.state.halvings

    def progress(self) -> dict[str, npt.NDArray[Any]]:
        """Return arrays from which `newton` goes on."""
        return self.state.to_arrays()


def newton(
    problem: Problem,
    start: FloatArray | Mapping[str, npt.NDArray[Any]],
    tol: float = 1e-8,
    iterations: int = 100,
) -> Iterator[Step]:
    """Yield where it starts, then each step's end; the last one is the result.

    It starts from parameters, of at least two classes, or goes on from a step's progress. It ends when the
    largest gradient is at most `tol`, after so many iterations, or when no step leads on any more: then
    rounding hides what is left.
    """
    descent = _Descent(problem)
    place: _Place | None = descent.begin(
        Progress.resume(start) if isinstance(start, Mapping) else Progress.at(start)
    )
    while place is not None:
        done = place.largest <= tol
        yield Step(place.state, place.loss, place.largest, done and descent.shrinks(place))
        place = None if done or place.state.iteration >= iterations else descent.advance(place)


@dataclass(frozen=True)
class _Place:
    """A point, and what was found there."""

    state: Progress
    loss: float
    gradient: FloatArray

    @property
    def largest(self) -> float:
        return _largest(self.gradient)


class _Descent:
    """Finds the next place; keeps the factor of the second derivatives while it serves."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._factored: tuple[FloatArray, bool] | None = None
        self._factor: FloatArray = np.empty((0, 0))

    def begin(self, state: Progress) -> _Place:
        loss, gradient = self._problem.gradient(state.theta)
        return _Place(replace(state, first=state.first or _largest(gradient)), loss, gradient)

    def shrinks(self, place: _Place) -> bool:
        """Return whether the next step would be much shorter than the last one, or short."""
        return _largest(self._direction(place)) <= max(_SHRINKING * place.state.length, _SHORT)

    def advance(self, place: _Place) -> _Place | None:
        """Make a step; if the second derivatives at hand lead nowhere, with new ones of every row."""
        best = replace(place, state=replace(place.state, anchor=place.state.theta, every=True))
        return self._search(place) or self._search(best)

    def _search(self, place: _Place) -> _Place | None:
        """Halve the step from a place until it leads on; return None if it never does, or is not finite."""
        direction = self._direction(place)
        if not np.isfinite(direction).all():
            return None
        slope = math.fsum((place.gradient * direction).ravel().tolist())
        halvings, scale = 0, 1.0
        while halvings == 0 or -slope * scale > _LOSS_ERROR:
            theta = _centred(place.state.theta + scale * direction)
            found = _Place(place.state, *self._problem.gradient(theta))
            if _leads_on(place, found, scale * slope):
                return replace(found, state=_state(place, theta, found.largest, halvings, scale * direction))
            halvings, scale = halvings + 1, 0.5 * scale
        return None

    def _direction(self, place: _Place) -> FloatArray:
        """Solve for the full step; the last class's part follows from the mean."""
        self._make_factor(place.state.anchor, place.state.every)
        step = np.zeros_like(place.gradient)
        solved = cholesky.solve(self._factor, place.gradient[:-1].ravel())
        step[:-1] = -solved.reshape(-1, place.gradient.shape[1])
        return _centred(step)

    def _make_factor(self, anchor: FloatArray, every: bool) -> None:
        """Factor the second derivatives, unless that was done already."""
        if self._factored is None or self._factored[1] != every or not _same(self._factored[0], anchor):
            matrix = self._problem.curvature(anchor, every)
            mean = math.fsum(matrix.diagonal().tolist()) / len(matrix)
            self._factor = cholesky.factor(matrix, _RIDGE * max(mean, 1.0))
            self._factored = anchor, every


def _state(place: _Place, theta: FloatArray, largest: float, halvings: int, moved: FloatArray) -> Progress:
    """Return the progress after a step from a place, and decide on the next second derivatives."""
    before = place.state
    left = largest / place.largest
    poor = _same(before.anchor, before.theta) and (halvings > 0 or left > _POOR)
    every = before.every or poor
    stale = largest > _FAR * before.first or left > _SLOW or every != before.every
    anchor = theta if stale else before.anchor
    return Progress(theta, anchor, every, before.iteration + 1, halvings, before.first, _largest(moved))


def _leads_on(before: _Place, after: _Place, slope: float) -> bool:
    """Return whether the objective falls as it should, or, where it is not known so well, the gradient."""
    change = after.loss - before.loss
    return change <= _ARMIJO * slope if abs(change) > _LOSS_ERROR else after.largest < before.largest


def _centred(theta: FloatArray) -> FloatArray:
    """Subtract the mean over the classes."""
    total = np.zeros(theta.shape[1])
    for of_class in theta:
        total += of_class
    centred: FloatArray = theta - total / len(theta)
    return centred


def _largest(array: FloatArray) -> float:
    return float(np.abs(array).max())


def _same(one: FloatArray, other: FloatArray) -> bool:
    return one is other or np.array_equal(one, other)
