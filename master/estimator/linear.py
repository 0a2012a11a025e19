"""A fitted classifier at work on rows in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from common.errors import shortened
from common.jobs.encoding import Encoding
from common.kernels.logistic.design import Design, Scaling
from common.model import FloatArray, IntArray, Table
from master.algorithms.logistic.learning import refusal
from master.algorithms.logistic.model import Model
from master.estimator.tables import Given

_BLOCK_ROWS = 1 << 16


@dataclass(frozen=True)
class LinearModel:
    """How columns become numbers and categories, and the parameters of each class, shape (classes, p)."""

    encoding: Encoding
    scaling: Scaling
    theta: FloatArray

    @classmethod
    def stored(cls, model: Model) -> Self:
        """Return a model as `classify` has stored it."""
        means, scales = ([getattr(each, name) for each in model.numbers] for name in ("mean", "scale"))
        return cls(model.encoding(with_target=False), Scaling(np.array(means), np.array(scales)), model.theta)

    def names(self, columns: Sequence[str]) -> list[str]:
        """Return what each weight belongs to, given the columns' names."""
        numbers = [columns[column] for column in self.encoding.numbers]
        texts = [(columns[each.position], text) for each in self.encoding.categories for text in each.texts]
        return [*numbers, *(f"{column}={text}" for column, text in texts)]

    def check_seen(self, given: Given) -> None:
        """Raise InputError if a row has a category that no row of the fit had."""
        table, columns = given.table, self.encoding.categories
        unseen = self.encoding.codes(table) < 0
        if not unseen.any():
            return
        row, i = np.argwhere(unseen)[0].tolist()
        column = columns[i].position
        text = shortened(repr(table.texts[column][int(table.points[row, column])]))
        what = f"{text} was not seen in fit; to give it no weight: handle_unknown='ignore'"
        raise refusal(given.source, column, what, row + 1)

    def probabilities(self, table: Table) -> FloatArray:
        """Return the probability of each class, shape (rows, classes)."""
        found = np.empty((len(table), len(self.theta)))
        for rows, some in self._probabilities(table):
            found[rows] = some
        return found

    def classes(self, table: Table) -> IntArray:
        """Return each row's most probable class, from 0; of several, the first."""
        return np.concatenate([each.argmax(axis=1) for _, each in self._probabilities(table)]).astype(
            np.int32
        )

    def scores(self, table: Table) -> FloatArray:
        """Return logarithms of what the probabilities are in proportion to, shape (rows, classes)."""
        return np.concatenate([self._scores(block) for block in _blocks(table)])

    def _probabilities(self, table: Table) -> Iterator[tuple[slice, FloatArray]]:
        from common.kernels.logistic.passes import in_pieces  # compiled, which takes time to import

        numbers, codes = np.array(self.encoding.numbers, np.int32), self.encoding.codes(table)
        labels, weights = np.full(len(table), -1, np.int32), np.zeros(len(table))
        return in_pieces(Design(table.points, numbers, codes, labels, weights), self.scaling, self.theta)

    def _scores(self, block: Table) -> FloatArray:
        d = len(self.encoding.numbers)
        numbers = block.points[:, list(self.encoding.numbers)].astype(np.float64)
        standardised = (numbers - self.scaling.mean) * self.scaling.inverse
        scores: FloatArray = standardised @ self.theta[:, :d].T + self.theta[:, d]
        weights = np.column_stack([self.theta[:, d + 1 :], np.zeros(len(self.theta))])  # the last: of none
        for codes in self.encoding.codes(block).T:
            scores += weights.T[codes]
        return scores


def _blocks(table: Table) -> Iterator[Table]:
    for start in range(0, len(table), _BLOCK_ROWS):
        yield table[start : start + _BLOCK_ROWS]
