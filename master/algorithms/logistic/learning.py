"""What a fit must know of the training rows before its first iteration: classes, categories, ranges."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import InputError, counted, shortened
from common.jobs.base import Engine
from common.jobs.encoding import Column, Encoding, Sample
from common.jobs.models import MOST_PARAMETERS
from common.jobs.tables import (
    SQUARE_BITS,
    NumberRanges,
    NumberSums,
    SquaredDeviations,
    Vocabulary,
    column_and_text,
)
from common.kernels.exact import SumGrid, round_once
from common.kernels.logistic.design import Grid, Scaling
from common.model import FloatArray, Input, State

_LEAST_SPAN = 1e-140
"""Of a column's numbers, unless they are all the same; squares of less vanish in float64."""


@dataclass(frozen=True)
class Texts:
    """The texts of a column: how many training and test rows have each, and the first row that has it."""

    training: dict[str, int]
    test: dict[str, int]
    first_row: dict[str, int]

    @property
    def seen(self) -> list[str]:
        """Those that a training row has."""
        return [text for text, rows in self.training.items() if rows]


@dataclass(frozen=True)
class Learned:
    """How the rows of a table become what the arithmetic reads.

    `class_rows` has the number of training rows of each class.
    """

    encoding: Encoding
    class_rows: tuple[int, ...]
    class_weights: FloatArray
    scaling: Scaling
    grid: Grid
    sample: Sample

    @property
    def classes(self) -> tuple[str, ...]:
        """The texts of the classes, in order."""
        assert self.encoding.target is not None
        return self.encoding.target.texts

    @property
    def rows(self) -> int:
        """The number of training rows."""
        return sum(self.class_rows)

    @property
    def weight(self) -> float:
        """The weight of all training rows."""
        return math.fsum((self.class_weights * np.array(self.class_rows)).tolist())

    @property
    def parameters(self) -> int:
        """The number of parameters of each class."""
        return len(self.encoding.numbers) + 1 + self.encoding.size

    @property
    def state(self) -> State:
        """What stays the same in each step."""
        return {
            "encoding": self.encoding.to_array(),
            "means": self.scaling.mean,
            "scales": self.scaling.scale,
            "class_weights": self.class_weights,
            "grid": self.grid.to_array(),
        }


def find_texts(engine: Engine, source: Input, sample: Sample) -> dict[int, Texts]:
    """Find the texts of each column of texts, by the column's position among those used."""
    found = engine.map_reduce(Vocabulary(*sample.parameters), {})
    texts = {column: Texts({}, {}, {}) for column in source.texts}
    for key, ((training, test, first),) in found.items():
        column, text = column_and_text(key)
        texts[column].training[text] = int(training)
        texts[column].test[text] = int(test)
        texts[column].first_row[text] = int(first)
    return texts


def learn(engine: Engine, source: Input, sample: Sample, *, balanced: bool, unseen: str = "error") -> Learned:
    """Find classes, categories and ranges; the target is the last column.

    Raise InputError if the table can't be learnt from.
    """
    texts = find_texts(engine, source, sample)
    target = len(source.columns) - 1
    classes = _classes(source, texts.pop(target), target)
    categories = tuple(Column(column, _in_order(found.seen)) for column, found in texts.items())
    for column in categories:
        check_seen(source, column.position, texts[column.position], column.texts, unseen)
    numbers = tuple(column for column in range(target) if column not in texts)
    encoding = Encoding(numbers, categories, Column(target, tuple(classes)))
    _check_size(source, encoding)
    rows = sum(classes.values())
    weights = [rows / (len(classes) * n) if balanced else 1.0 for n in classes.values()]
    scaling, largest = _scaling(engine, source, encoding, sample)
    grid = Grid.covering(largest, max(weights))
    return Learned(encoding, tuple(classes.values()), np.array(weights), scaling, grid, sample)


def name_of(source: Input, column: int) -> str:
    """Return a column's name, or its position in the file, from 1."""
    return source.names[column] if source.names else str(source.columns[column] + 1)


def refusal(source: Input, column: int, what: str, row: int = 0) -> InputError:
    """Return an error about a column used, and a row of the input, from 1."""
    place = source.columns[column] + 1
    return InputError.at(source.path, what, row=row, column=place, name=name_of(source, column))


def check_seen(source: Input, column: int, found: Texts, known: Collection[str], unseen: str) -> None:
    """Raise InputError if a column holds a text that is not known, unless that may be."""
    strange = {row: text for text, row in found.first_row.items() if text not in known}
    if not strange or unseen == "zero":
        return
    row = min(strange)
    text = strange[row]
    times = counted(found.training[text] + found.test[text], "row")
    shown = repr(shortened(text)) if text else "an empty field"
    what = f"{shown} was not seen in training ({times}); to give it no weight: --unseen zero"
    raise refusal(source, column, what, row + 1)


def _classes(source: Input, found: Texts, target: int) -> dict[str, int]:
    """Return the classes in order, each with its training rows."""
    known = {text: found.training[text] for text in _in_order(found.training) if text}
    if not sum(known.values()):
        what = "no row is left to train with; choose a smaller --test, or another --missing or --target"
        raise refusal(source, target, what)
    for text, rows in known.items():
        if not rows:
            what = (
                f"class {shortened(text)!r} has no training row, only {counted(found.test[text], 'test row')}"
            )
            raise refusal(source, target, f"{what}; choose another --seed or --test")
    if len(known) < 2:
        what = f"it holds one class alone, {shortened(next(iter(known)))!r}; choose another --target"
        raise refusal(source, target, what)
    numbers: dict[Decimal, str] = {}
    for text in known if all(map(is_number, known)) else ():
        if (other := numbers.setdefault(Decimal(text), text)) != text:
            what = f"classes {other!r} and {text!r} are one number written in two ways; write it in one way"
            raise refusal(source, target, what, found.first_row[text] + 1)
    return known


def _in_order(texts: Collection[str]) -> tuple[str, ...]:
    """Sort texts by code point, or by value if all are numbers."""
    if all(map(is_number, texts)):
        return tuple(sorted(texts, key=lambda text: (Decimal(text), text)))
    return tuple(sorted(texts))


def is_number(text: str) -> bool:
    """Tell whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _check_size(source: Input, encoding: Encoding) -> None:
    """Raise InputError if the second derivatives would be too many to solve for."""
    assert encoding.target is not None
    classes, parameters = len(encoding.target.texts), len(encoding.numbers) + 1 + encoding.size
    if classes * parameters <= MOST_PARAMETERS:
        return
    largest = max([*encoding.categories, encoding.target], key=lambda column: len(column.texts))
    what = (
        f"it has {len(largest.texts):,} different texts, and {classes:,} classes with {parameters:,} "
        f"parameters each are more than {MOST_PARAMETERS:,} in all"
    )
    remedy = "choose another --target"
    if largest is not encoding.target:
        remedy = "leave it out with --columns, or use scripts/pipelines/spark_ml_pipeline.py"
    raise refusal(source, largest.position, f"{what}; {remedy}")


def _scaling(
    engine: Engine, source: Input, encoding: Encoding, sample: Sample
) -> tuple[Scaling, list[float]]:
    """Return how the numbers are standardised, and a bound of each column's standardised magnitudes."""
    if not encoding.numbers:
        return Scaling(np.empty(0), np.empty(0)), []
    state: dict[str, npt.NDArray[Any]] = {"encoding": encoding.to_array()}
    found = engine.map_reduce(NumberRanges(*sample.parameters), state)
    ranges = np.concatenate([found[key] for key in range(len(encoding.numbers))])
    counts, low, high, smallest = ranges.T
    for column, count, span in zip(encoding.numbers, counts, high - low, strict=True):
        if not count:
            what = "it holds no number in the training rows; leave it out with --columns, or see --categories"
            raise refusal(source, column, what)
        if 0 < span < _LEAST_SPAN:
            what = f"its numbers span {span:.3g}, whose square is 0; multiply them, or leave it out"
            raise refusal(source, column, what)
    magnitudes, least = np.maximum(-low, high), np.where(np.isinf(smallest), 0.0, smallest)
    grid = SumGrid.covering(magnitudes.tolist(), least.tolist(), source.rows)
    sums = engine.map_reduce(NumberSums(*sample.parameters, grid), state)[0]
    # The sum is rounded, and the quotient again: the mean of a constant column could be a unit off.
    means = np.clip(round_once(sums.reshape(grid.limbs, -1)) / counts, low, high)
    largest = np.maximum(means - low, high - means)
    squares = SumGrid.covering(
        (2.0 * largest**2).tolist(), (2.0 * largest**2 * 2.0 ** (52 - SQUARE_BITS)).tolist(), source.rows
    )
    job = SquaredDeviations(*sample.parameters, squares)
    sums = engine.map_reduce(job, {**state, "means": means})[0]
    deviations = np.sqrt(round_once(sums.reshape(squares.limbs, -1)) / counts)
    scaling = Scaling(means, np.where(high > low, deviations, 1.0))
    return scaling, (largest * scaling.inverse * (1 + 2.0**-40)).tolist()
