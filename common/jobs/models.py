"""Jobs with models of logistic regression: how good they are, and each row's class.

A model is a matrix of parameters, shape (classes, parameters): for each class the weights of the numbers, the
intercept, and the weights of the categories. See `common.kernels.logistic` for the arithmetic.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import check_floats
from common.jobs.encoding import BoolArray, Encoding, texts_from_array
from common.jobs.tables import NumberJob
from common.kernels.logistic.design import SMALLEST_SCALE, Design, Scaling
from common.kernels.logistic.sums import carried
from common.model import Block, FloatArray, IntArray, Key, KeyType, Records, State, as_keys

MOST_PARAMETERS = 3000
"""Of a model: classes x parameters of each. The second derivatives are as many, squared."""
MOST_SCORES = 1 << 24
"""Numbers in the result of one job."""
LOSS_UNIT = -44
"""The exponent of what a row's loss is rounded to a multiple of when models are scored."""
_SMALLEST_PROBABILITY = 2.0**-52
"""scikit-learn's log_loss takes a smaller one for this."""
_LIMBS = 2


class ModelJob(NumberJob):
    """A job with models, the state's `theta` of shape (models, classes, parameters), of encoded rows."""

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the state's arrays do not fit each other, or are out of range."""
        super().check(state, columns)
        encoding = Encoding.from_array(state["encoding"])
        d, models, classes = len(encoding.numbers), *state["theta"].shape[:2]
        shape = models, classes, d + 1 + encoding.size
        check_floats(state, theta=shape, means=(d,), scales=(d,), class_weights=(classes,))
        if not (models >= 1 and classes >= 2 and classes * shape[2] <= MOST_PARAMETERS):
            raise ValueError(f"the parameters have shape {shape}")
        if encoding.target is not None and len(encoding.target.texts) != classes:
            raise ValueError("the parameters are not those of the classes")
        if (state["scales"] < SMALLEST_SCALE).any() or (state["class_weights"] <= 0).any():
            raise ValueError("a scale or the weight of a class is out of range")

    def design(self, block: Block, state: State, counts: BoolArray) -> Design:
        """Return what a pass over the rows needs, of which some count."""
        encoding = Encoding.from_array(state["encoding"])
        numbers, labels = np.array(encoding.numbers, np.int32), encoding.labels(block.table)
        weights = np.append(state["class_weights"], 0.0)[labels] * counts
        return Design(block.table.points, numbers, encoding.codes(block.table), labels, weights)

    def scaling(self, state: State) -> Scaling:
        """Return how numbers are standardised."""
        return Scaling(state["means"], state["scales"])


@dataclass(frozen=True)
class Score(ModelJob):
    """Compare what models say of rows with the rows' classes.

    Result: per model and class (the key) one row: how many rows of that class the model takes for each of the
    classes, and their losses in two limbs, in units of 2**LOSS_UNIT. With `test` of the test rows, else of
    the training rows.
    """

    test: int

    name: ClassVar[str] = "confusion"

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if too many numbers are asked for, or those of no sample."""
        super().check(state, columns)
        if self.test not in (0, 1) or math.prod(self.result_shape(state, columns)) > MOST_SCORES:
            raise ValueError("too many models and classes, or a sample that there is not")

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the models' classes, and a count for each class with two limbs."""
        models, classes, _ = state["theta"].shape
        return models * classes, classes + _LIMBS

    def map(self, block: Block, state: State) -> Records:
        """Score each model on a block."""
        design = self.design(block, state, self.sampled_rows(block)[self.test])
        scores = np.concatenate([_scores(design, self.scaling(state), theta) for theta in state["theta"]])
        return Records(np.arange(len(scores), dtype=np.int32), scores)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add up."""
        total = values.sum(axis=0)
        limbs = carried(total[-_LIMBS:].reshape(_LIMBS, 1))
        return np.concatenate([total[:-_LIMBS], limbs.ravel()])[None]


def _scores(design: Design, scaling: Scaling, theta: FloatArray) -> FloatArray:
    """Return one model's row for each class."""
    from common.kernels.logistic.passes import in_pieces

    total = np.zeros((len(theta), len(theta) + _LIMBS))
    for rows, found in in_pieces(design, scaling, theta):
        counted = design.weights[rows] > 0
        total += _compared(found[counted], design.labels[rows][counted])
    return total


def _compared(found: FloatArray, labels: IntArray) -> FloatArray:
    """Return a row for each class, given some rows' probabilities and classes."""
    from common.kernels.logistic.elementary import logs

    classes = found.shape[1]
    pairs = labels * classes + best_classes(found)
    counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    own = np.clip(found[np.arange(len(found)), labels], _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    losses = np.rint(np.ldexp(-logs(own), -LOSS_UNIT))
    high = np.floor(np.ldexp(losses, -32))
    limbs = [np.bincount(labels, part, classes) for part in (high, losses - np.ldexp(high, 32))]
    return np.column_stack([counts, *limbs])


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

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the classes have not a text each."""
        super().check(state, columns)
        if self.shows not in (0, 1) or len(texts_from_array(state["classes"])) != state["theta"].shape[1]:
            raise ValueError("the texts are not those of the classes")

    def map(self, block: Block, state: State) -> Records:
        """Classify a block; the state's `classes` are the texts of the classes."""
        from common.kernels.logistic.passes import in_pieces

        design = self.design(block, state, np.ones(len(block.table), np.bool_))
        texts, theta = texts_from_array(state["classes"]), state["theta"][0]
        shown = np.empty((len(block.table), len(texts) if self.shows else 0))
        best: list[int] = []
        for rows, found in in_pieces(design, self.scaling(state), theta):
            best += best_classes(found).tolist()
            shown[rows] = found[:, : shown.shape[1]]
        return Records(as_keys([texts[label] for label in best], str), shown)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Return the values: this job has no reduce task."""
        return values
