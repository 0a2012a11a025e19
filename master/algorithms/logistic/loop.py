"""Logistic regression: Newton's loop, as jobs for an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from common.events.catalogue.logistic import FitFinished, StepFinished
from common.events.catalogue.run import IterationStarted, Resumed
from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.logistic import Curvature, Gradient, curvature_of, stride_of, unpacked
from common.kernels.logistic.newton import Step, newton
from common.kernels.logistic.objective import Objective
from common.model import FloatArray, State
from master.algorithms.base import Checkpoints, Progress
from master.algorithms.logistic.learning import Learned

_NONE_KEPT = Checkpoints()


@dataclass
class EngineProblem:
    """Has an engine add up the sums of the objective's derivatives; `iteration` is the one that asks."""

    engine: Engine
    learned: Learned
    objective: Objective
    iteration: int = 0
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.learned.state
        self._sample = self.learned.sample.parameters

    def gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """See `newton.Problem`."""
        limbs = self._rows(Gradient(*self._sample), theta).reshape(len(theta), 2, -1)
        return self.objective.value(limbs, theta)

    def curvature(self, theta: FloatArray, every: bool) -> FloatArray:
        """See `newton.Problem`."""
        return curvature_of(self._curvature_sums, self.objective, theta, stride_of(self.learned.rows, every))

    def _curvature_sums(self, theta: FloatArray, stride: int) -> tuple[FloatArray, FloatArray]:
        return unpacked(self._rows(Curvature(*self._sample, stride), theta), *theta.shape)

    def _rows(self, job: Gradient | Curvature, theta: FloatArray) -> FloatArray:
        """Run a job; return its rows in the order of the keys."""
        found = self.engine.map_reduce(job, {**self.state, "theta": theta[None]}, self.iteration or None)
        return np.concatenate([found[key] for key in range(len(found))])


def fit(
    engine: Engine,
    learned: Learned,
    objective: Objective,
    *,
    iterations: int,
    tol: float,
    log: Log,
    checkpoints: Checkpoints = _NONE_KEPT,
) -> Step:
    """Fit a model to the training rows; return where the last iteration has come to."""
    problem = EngineProblem(engine, learned, objective)
    start: FloatArray | Mapping[str, npt.NDArray[Any]]
    start = np.zeros((len(learned.classes), learned.parameters))
    if resumed := checkpoints.resumed():
        start = dict(resumed[0])
        problem.iteration = int(start["counts"][1])
        log.event(Resumed(iteration=problem.iteration, of=iterations))
    step = None
    for step in newton(problem, start, tol, iterations):
        done = StepFinished(
            iteration=step.iteration, loss=step.loss, gradient=step.gradient, halvings=step.halvings
        )
        log.event(done)
        checkpoints.save(step.iteration, [step.progress()])
        problem.iteration = step.iteration + 1
        if step.gradient > tol and step.iteration < iterations:
            log.event(IterationStarted(iteration=problem.iteration, of=iterations))
    assert step is not None  # it yields where it starts
    log.event(
        FitFinished(
            reason=_why(step, iterations, tol),
            iterations=step.iteration,
            loss=step.loss,
            gradient=step.gradient,
        )
    )
    return step


def _why(step: Step, iterations: int, tol: float) -> str:
    if step.converged:
        return f"converged: no derivative is greater than {tol:g}"
    if step.iteration >= iterations:
        return f"not converged after {iterations} iterations"
    if step.gradient <= tol:
        return "not converged: the weights grow without an end"
    return "not converged: rounding hides what would still lead on"


def check_progress(was: Progress, iteration: int) -> None:
    """Raise ValueError if this is no fit's progress after that iteration."""
    if was.keys() != {"theta", "anchor", "counts", "sizes"}:
        raise ValueError(f"a fit with {', '.join(was)}")
    theta, anchor, counts, sizes = was["theta"], was["anchor"], was["counts"], was["sizes"]
    types = [array.dtype.str[1:] for array in (theta, anchor, counts, sizes)]
    if types != ["f8", "f8", "i8", "f8"] or theta.ndim != 2 or theta.shape != anchor.shape:
        raise ValueError("a fit's arrays have other types or shapes")
    if counts.shape != (3,) or sizes.shape != (2,) or counts[1] != iteration or counts.min() < 0:
        raise ValueError("a fit's numbers are out of range")
    if not (np.isfinite(theta).all() and np.isfinite(anchor).all() and (sizes >= 0).all()):
        raise ValueError("a fit's numbers are out of range")
