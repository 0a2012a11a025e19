"""How good a model is: what it takes rows for, against what they are.

The definitions are those of scikit-learn's metrics. F1 of a class is 2 tp / (2 tp + fp + fn), 0 where that
is 0 / 0 (van Rijsbergen, "Information Retrieval", 1979, chapter 7: E = 1 - F). Weighted: by the classes'
rows; macro: each class counts the same.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from common.jobs.base import Engine
from common.jobs.encoding import Sample
from common.jobs.models import LOSS_UNIT, MOST_SCORES, Score
from common.model import FloatArray, Key, LongArray, State
from master.algorithms.tables import aligned


@dataclass(frozen=True)
class ModelScores:
    """What a model takes rows for.

    Parameters
    ----------
    classes
        The texts of the classes.
    confusion
        Shape (classes, classes): rows of the class of the row that are taken for the class of the column.
    loss
        The sum of the rows' losses.
    """

    classes: tuple[str, ...]
    confusion: LongArray
    loss: float

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """How many of them the model takes for what they are."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """The share of them."""
        return _share(self.right, self.rows)

    @property
    def log_loss(self) -> float:
        """The mean of -log of the probability of the right class."""
        return _share(self.loss, self.rows)

    @cached_property
    def precisions(self) -> list[float]:
        """Per class: of the rows taken for it, the share that is right."""
        return list(map(_share, self.confusion.diagonal().tolist(), self.confusion.sum(axis=0).tolist()))

    @cached_property
    def recalls(self) -> list[float]:
        """Per class: of its rows, the share that is taken for it."""
        return list(map(_share, self.confusion.diagonal().tolist(), self.supports))

    @cached_property
    def f1s(self) -> list[float]:
        """Per class, F1."""
        taken = self.confusion.sum(axis=0).tolist()
        right = self.confusion.diagonal().tolist()
        return [_share(2 * tp, n + m) for tp, n, m in zip(right, taken, self.supports, strict=True)]

    @property
    def supports(self) -> list[int]:
        """Per class, its rows."""
        return self.confusion.sum(axis=1).tolist()  # type: ignore[no-any-return]

    @property
    def weighted_f1(self) -> float:
        """The mean of the classes' F1, weighted by their rows."""
        weighted = [f1 * n for f1, n in zip(self.f1s, self.supports, strict=True)]
        return _share(math.fsum(weighted), self.rows)

    @property
    def macro_f1(self) -> float:
        """The mean of the F1 of the classes that occur in the rows, or that a row is taken for."""
        present = np.flatnonzero(self.confusion.sum(axis=0) + self.confusion.sum(axis=1)).tolist()
        return _share(math.fsum(self.f1s[k] for k in present), len(present))

    @property
    def figures(self) -> dict[str, Any]:
        """The figures by name."""
        names = ("rows", "accuracy", "weighted_f1", "macro_f1", "log_loss")
        return {name: getattr(self, name) for name in names}


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def score(
    engine: Engine, state: State, models: FloatArray, classes: tuple[str, ...], sample: Sample, *, test: bool
) -> list[ModelScores]:
    """Score models, shape (models, classes, parameters), on the test rows, or else on the training rows."""
    job, k = Score(*sample.parameters, int(test)), len(classes)
    most = max(1, MOST_SCORES // (k * (k + 2)))
    return [
        each
        for some in np.split(models, range(most, len(models), most))
        for each in _scores_of(engine.map_reduce(job, {**state, "theta": some}), len(some), classes)
    ]


def _scores_of(found: Mapping[Key, FloatArray], models: int, classes: tuple[str, ...]) -> list[ModelScores]:
    k, scores = len(classes), []
    for model in range(models):
        table = np.concatenate([found.get(model * k + i, np.zeros((1, k + 2))) for i in range(k)])
        units = [int(high) * 2**32 + int(low) for high, low in table[:, k:].tolist()]
        loss = math.ldexp(sum(units), LOSS_UNIT)
        scores.append(ModelScores(classes, table[:, :k].astype(np.int64), loss))
    return scores


def confusion_table(scores: ModelScores, most: int = 20) -> Iterator[str]:
    """Yield the lines of the confusion matrix, with the figures of each class."""
    shown = scores.classes[:most]
    heads = ["class", *shown, "precision", "recall", "F1"]
    rows = [
        [text, *map(str, counts[:most]), f"{precision:.4f}", f"{recall:.4f}", f"{f1:.4f}"]
        for text, counts, precision, recall, f1 in zip(
            shown,
            scores.confusion.tolist(),
            scores.precisions,
            scores.recalls,
            scores.f1s,
            strict=False,
        )
    ]
    yield from aligned([heads, *rows], "<>")
    if len(scores.classes) > most:
        yield f"... and {len(scores.classes) - most} more classes"
