"""Jobs of logistic regression: a step's sums, how good models are, each row's class, a model of a part.

A model is a matrix of parameters, shape (classes, parameters): for each class the weights of the numbers, the
intercept, and the weights of the categories. See `common.kernels.logistic` for the arithmetic.
"""

import math
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Memory
from common.jobs.encoding import BoolArray, Encoding, texts_from_array
from common.jobs.tables import NumberJob
from common.kernels.logistic.design import Design, Grid, Scaling
from common.kernels.logistic.newton import newton
from common.kernels.logistic.objective import Objective, weight_of
from common.kernels.logistic.sums import carried
from common.model import Block, FloatArray, IntArray, Key, KeyType, Records, State, as_keys

_CURVATURE_ROWS = 50_000
"""So many rows tell second derivatives well enough; see docs/CLASSIFICATION.md."""
LOSS_UNIT = -44
"""The exponent of what a row's loss is rounded to a multiple of when models are scored."""
_SMALLEST_PROBABILITY = 2.0**-52
"""scikit-learn's log_loss takes a smaller one for this."""
_LIMBS = 2


class ModelJob(NumberJob):
    """A job with models, the state's `theta` of shape (models, classes, parameters), of encoded rows."""

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the state's arrays do not fit each other."""
        super().check(state, columns)
        encoding = Encoding.from_array(state["encoding"])
        d, classes = len(encoding.numbers), state["theta"].shape[1]
        found = [state[name].shape for name in ("means", "scales", "class_weights")]
        if state["theta"].shape[2] != d + 1 + encoding.size or found != [(d,), (d,), (classes,)]:
            raise ValueError("the parameters are not those of the columns and classes")
        if "grid" in state and Grid.from_array(state["grid"]).to_array().shape != (d + 1,):
            raise ValueError("the grid is not that of the columns")
        if encoding.target is not None and len(encoding.target.texts) != classes:
            raise ValueError("the parameters are not those of the classes")

    def design(self, block: Block, state: State, counts: BoolArray) -> Design:
        """Return what a pass over the rows needs, of which some count."""
        encoding = Encoding.from_array(state["encoding"])
        numbers, labels = np.array(encoding.numbers, np.int32), encoding.labels(block.table)
        weights = np.append(state["class_weights"], 0.0)[labels] * counts
        return Design(block.table.points, numbers, encoding.codes(block.table), labels, weights)

    def scaling(self, state: State) -> Scaling:
        """Return how numbers are standardised."""
        return Scaling(state["means"], state["scales"])


class SumsJob(ModelJob):
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


@dataclass(frozen=True)
class Curvature(SumsJob):
    """Add up the curvature of the losses of every `stride`-th training row.

    Result: per pair of classes and parameter (the key) one row in two limbs, of the products with each of the
    parameters, see `curvature_sums`; under the last key, the weight of these rows, and zeros.
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
        weight = np.zeros((1, *limbs.shape[2:]))
        weight[0, :, :1] = weight_of_stride(design, grid, *place)
        rows = np.concatenate([limbs.reshape(-1, *limbs.shape[2:]), weight])
        return Records(np.arange(len(rows), dtype=np.int32), rows.reshape(len(rows), -1))


@dataclass(frozen=True)
class LocalFit(ModelJob):
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
        from common.kernels.logistic.passes import curvature_sums, weight_of_stride

        place = 0, stride_of(self._rows, every)
        limbs = curvature_sums(self._design, self._scaling, self._objective.grid, theta, *place)
        weight = weight_of(weight_of_stride(self._design, self._objective.grid, *place), self._objective.grid)
        return self._objective.hessian(limbs, weight)


@dataclass(frozen=True)
class Score(ModelJob):
    """Compare what models say of rows with the rows' classes.

    Result: per model and class (the key) one row: how many rows of that class the model takes for each of the
    classes, and their losses in two limbs, in units of 2**LOSS_UNIT. With `test` of the test rows, else of
    the training rows.
    """

    test: int

    name: ClassVar[str] = "confusion"

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the models' classes, and a count for each class with two limbs."""
        models, classes, _ = state["theta"].shape
        return models * classes, classes + _LIMBS

    def map(self, block: Block, state: State) -> Records:
        """Score each model on a block."""
        from common.kernels.logistic.passes import probabilities

        design = self.design(block, state, self.sampled_rows(block)[self.test])
        counted = np.flatnonzero(design.weights > 0)
        labels = design.labels[counted]
        parts = []
        for model, theta in enumerate(state["theta"]):
            found = probabilities(design, self.scaling(state), theta)[counted]
            parts.append(_scored(found, labels, model))
        return Records.concatenate([*parts, Records.empty()])

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add up."""
        total = values.sum(axis=0)
        limbs = carried(total[-_LIMBS:].reshape(_LIMBS, 1))
        return np.concatenate([total[:-_LIMBS], limbs.ravel()])[None]


def _scored(found: FloatArray, labels: IntArray, model: int) -> Records:
    """Return the records of one model, given each row's probabilities."""
    from common.kernels.logistic.elementary import logs

    classes = found.shape[1]
    pairs = labels * classes + best_classes(found)
    counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    own = np.clip(found[np.arange(len(found)), labels], _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    losses = np.rint(np.ldexp(-logs(own), -LOSS_UNIT))
    high = np.floor(np.ldexp(losses, -32))
    limbs = [np.bincount(labels, part, classes) for part in (high, losses - np.ldexp(high, 32))]
    keys = np.arange(classes, dtype=np.int32) + np.int32(model * classes)
    return Records(keys, np.column_stack([counts, *limbs]))


def best_classes(found: FloatArray) -> IntArray:
    """Return each row's most probable class; of several, the first."""
    best: IntArray = found.argmax(axis=1).astype(np.int32)
    return best


@dataclass(frozen=True)
class Classify(ModelJob):
    """Map alone: the class of each row, as text, and with `shows` the probability of each class."""

    shows: int

    name: ClassVar[str] = "classify"
    key_type: ClassVar[KeyType] = str
    aggregates: ClassVar[bool] = False

    def map(self, block: Block, state: State) -> Records:
        """Classify a block; the state's `classes` are the texts of the classes."""
        from common.kernels.logistic.passes import probabilities

        design = self.design(block, state, np.ones(len(block.table), np.bool_))
        found = probabilities(design, self.scaling(state), state["theta"][0])
        texts = texts_from_array(state["classes"])
        keys = as_keys([texts[label] for label in best_classes(found).tolist()], str)
        return Records(keys, found if self.shows else np.empty((len(found), 0)))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return the values: this job has no reduce task."""
        return values
