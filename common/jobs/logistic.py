"""Jobs that fit models of `common.jobs.models`: the sums of a step, and a model of a part alone."""

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Memory, check_floats
from common.jobs.models import ModelJob
from common.kernels.logistic.design import Design, Grid
from common.kernels.logistic.newton import newton
from common.kernels.logistic.objective import Objective, weight_of
from common.kernels.logistic.sums import carried
from common.model import Block, FloatArray, Key, KeyType, Records, State

_CURVATURE_ROWS = 50_000
"""So many rows tell second derivatives well enough; see docs/CLASSIFICATION.md."""
_MOST_KEYS = 1 << 10
"""Of second derivatives: each key takes some time."""
MOST_ITERATIONS = 100_000
"""Far more than any fit needs."""
_LIMBS = 2


class FitJob(ModelJob):
    """A job that adds up what a fit needs, by the state's `grid`."""

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the grid is none, or not that of the columns and weights."""
        super().check(state, columns)
        grid = Grid.from_array(state["grid"])
        if len(grid.top) != len(state["means"]) or state["class_weights"].max() >= 2.0**grid.weight:
            raise ValueError("the grid is not that of the columns and weights")


class SumsJob(FitJob):
    """A job whose records are sums in two limbs, of the one model of the state; see `common.kernels`."""

    def map(self, block: Block, state: State) -> Records:
        """Add up a block."""
        return self.sums(block, state, {})

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records:
        """Add up all rows at once."""
        return self.sums(rows, state, memory)

    @abstractmethod
    def sums(self, block: Block, state: State, memory: Memory) -> Records:
        """Add up."""

    def kept_design(self, block: Block, state: State, memory: Memory) -> Design:
        """Return the design of the training rows, which is the same in each step."""
        key = (state["encoding"].tobytes(), state["class_weights"].tobytes(), self.sample)
        if memory.get("design", [None])[0] != key:
            memory["design"] = key, self.design(block, state, self.sampled_rows(block)[0])
        found: Design = memory["design"][1]
        return found

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add the limbs up, and carry, so that the result does not depend on the parts."""
        total = values.sum(axis=0).reshape(_LIMBS, -1)
        return carried(total).reshape(1, -1)


@dataclass(frozen=True)
class Gradient(SumsJob):
    """Add up the losses of the training rows, and their gradient.

    Result: per class (the key) one row, in two limbs: the loss of the rows of that class, and the gradient of
    the losses of all rows in the parameters of that class.
    """

    name: ClassVar[str] = "gradient"

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the classes, and two limbs for the loss and each parameter."""
        _, classes, parameters = state["theta"].shape
        return classes, _LIMBS * (1 + parameters)

    def sums(self, block: Block, state: State, memory: Memory) -> Records:
        """Add up."""
        from common.kernels.logistic.passes import gradient_sums  # compiled, which takes time to import

        design, grid = self.kept_design(block, state, memory), Grid.from_array(state["grid"])
        limbs = gradient_sums(design, self.scaling(state), grid, state["theta"][0])
        return Records(np.arange(len(limbs), dtype=np.int32), limbs.reshape(len(limbs), -1))


def stride_of(rows: int, every: bool) -> int:
    """Return a stride that takes enough of so many rows for second derivatives, or every one."""
    return 1 if every else max(1, rows // _CURVATURE_ROWS)


def curvature_of(
    sums: Callable[[FloatArray, int], tuple[FloatArray, FloatArray]],
    objective: Objective,
    theta: FloatArray,
    stride: int,
) -> FloatArray:
    """Return the second derivatives of each `stride`-th row, or, if none of these counts, of all rows.

    `sums` returns what `curvature_sums` and `weight_of_stride` do, given theta and a stride.
    """
    limbs, weight = sums(theta, stride)
    if not weight.any():
        limbs, weight = sums(theta, 1)
    return objective.hessian(limbs, weight_of(weight, objective.grid))


def packed(limbs: FloatArray, weight: FloatArray) -> FloatArray:
    """Return sums, shape (pairs, p, 2, p), and a weight, shape (2, 1), as rows of two limbs.

    Each row has p numbers, or more, so that there are not too many rows; the last one is filled with zeros.
    """
    numbers = np.concatenate([np.moveaxis(limbs, 2, 0).reshape(_LIMBS, -1), weight], axis=1)
    width = max(limbs.shape[3], -(-numbers.shape[1] // _MOST_KEYS))
    filled = np.pad(numbers, ((0, 0), (0, -numbers.shape[1] % width)))
    return filled.reshape(_LIMBS, -1, width).swapaxes(0, 1).reshape(-1, _LIMBS * width)


def unpacked(rows: FloatArray, classes: int, parameters: int) -> tuple[FloatArray, FloatArray]:
    """Undo `packed`."""
    numbers = rows.reshape(len(rows), _LIMBS, -1).swapaxes(0, 1).reshape(_LIMBS, -1)
    size = classes * (classes - 1) // 2 * parameters**2
    sums = numbers[:, :size].reshape(_LIMBS, -1, parameters, parameters)
    return np.moveaxis(sums, 0, 2), numbers[:, size : size + 1]


@dataclass(frozen=True)
class Curvature(SumsJob):
    """Add up the curvature of the losses of every `stride`-th training row.

    Result: what `packed` makes of the sums and of the weight of these rows; see `curvature_sums`.
    """

    stride: int

    name: ClassVar[str] = "curvature"

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the stride is out of range."""
        super().check(state, columns)
        if self.stride < 1:
            raise ValueError("the stride is a number from 1")

    def sums(self, block: Block, state: State, memory: Memory) -> Records:
        """Add up."""
        from common.kernels.logistic.passes import curvature_sums, weight_of_stride

        design, grid = self.kept_design(block, state, memory), Grid.from_array(state["grid"])
        place = block.row_start, self.stride
        limbs = curvature_sums(design, self.scaling(state), grid, state["theta"][0], *place)
        rows = packed(limbs, weight_of_stride(design, grid, *place))
        return Records(np.arange(len(rows), dtype=np.int32), rows)


@dataclass(frozen=True)
class LocalFit(FitJob):
    """Fit a model to each split alone, as if there were no other.

    Result: per split (the key is its first row, as text) one row: its training rows, iterations, 1 if it
    converged, its greatest derivative, the parameters, shape (classes, parameters), and what it took; see
    `Job.alone`. `l2` is the weight of the penalty; with `per_row` it is divided by the training rows.
    """

    l2: float
    per_row: int
    tol: float
    iterations: int

    name: ClassVar[str] = "local_fit"
    key_type: ClassVar[KeyType] = str
    alone: ClassVar[bool] = True

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if a number is out of range."""
        super().check(state, columns)
        check_floats(state, penalties=state["theta"].shape[2:])
        sizes = self.l2, self.tol, state["penalties"].min()
        if not (all(0 <= size < math.inf for size in sizes) and self.per_row in (0, 1)):
            raise ValueError("a penalty or the tolerance is out of range")
        if not 1 <= self.iterations <= MOST_ITERATIONS:
            raise ValueError(f"iterations are from 1 to {MOST_ITERATIONS}")

    def map(self, block: Block, state: State) -> Records:
        """Fit a model to a split; nothing if none of its rows counts."""
        design = self.design(block, state, self.sampled_rows(block)[0])
        rows = int(np.count_nonzero(design.weights))
        if not rows:
            return Records.empty(str)
        problem = _LocalProblem(self, design, state, rows)
        step = deque(newton(problem, state["theta"][0], self.tol, self.iterations), maxlen=1)[0]
        figures = [rows, step.iteration, step.converged, step.gradient, *step.theta.ravel().tolist()]
        return Records.of_key(str(block.row_start), np.array([figures], np.float64))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return the values: each split has a key of its own."""
        return values


class _LocalProblem:
    """Adds the sums of the objective's derivatives up itself; see `newton.Problem`."""

    def __init__(self, job: LocalFit, design: Design, state: State, rows: int) -> None:
        self._design, self._scaling, self._rows = design, job.scaling(state), rows
        grid = Grid.from_array(state["grid"])
        l2 = job.l2 / rows if job.per_row else job.l2
        weight = math.fsum(design.weights.tolist())
        self._objective = Objective(grid, weight, l2, state["penalties"])

    def gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        from common.kernels.logistic.passes import gradient_sums

        limbs = gradient_sums(self._design, self._scaling, self._objective.grid, theta)
        return self._objective.value(limbs, theta)

    def curvature(self, theta: FloatArray, every: bool) -> FloatArray:
        return curvature_of(self._curvature_sums, self._objective, theta, stride_of(self._rows, every))

    def _curvature_sums(self, theta: FloatArray, stride: int) -> tuple[FloatArray, FloatArray]:
        from common.kernels.logistic.passes import curvature_sums, weight_of_stride

        grid = self._objective.grid
        limbs = curvature_sums(self._design, self._scaling, grid, theta, 0, stride)
        return limbs, weight_of_stride(self._design, grid, 0, stride)
