"""A model as a file: model.json."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError, shortened
from common.formats.columns import ColumnChoice, list_of
from common.formats.unchanged import readable
from common.jobs.encoding import Column, Encoding, texts_to_array
from common.model import FloatArray, State

FORMAT = 1
_KIND = "logistic"
_FIELDS = {
    "target": str,
    "classes": list,
    "numbers": list,
    "categories": list,
    "intercepts": list,
    "weights": list,
    "l2": float,
    "iterations": int,
    "gradient": float,
    "converged": bool,
    "rows": int,
}


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, and how they are standardised: (x - mean) / scale."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True)
class CategoryColumn:
    """A column of texts, and those that were seen."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """What a fit found: the probability of class k is that of softmax over k of the scores.

    `theta` has shape (classes, parameters): the weights of the standardised numbers, the intercept, and the
    weights of the categories, column after column.
    """

    target: str
    classes: tuple[str, ...]
    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    theta: FloatArray
    l2: float
    iterations: int
    gradient: float
    converged: bool
    rows: int

    def to_json(self) -> bytes:
        """Return the content of model.json: one line for each thing, floats as short as they can be."""
        d = len(self.numbers)
        weights = np.delete(self.theta, d, axis=1)
        fields = {
            "format": FORMAT,
            "kind": _KIND,
            "target": self.target,
            "classes": self.classes,
            "numbers": [vars(column) for column in self.numbers],
            "categories": [vars(column) for column in self.categories],
            "intercepts": self.theta[:, d].tolist(),
            "weights": weights.tolist(),
            "l2": self.l2,
            "iterations": self.iterations,
            "gradient": self.gradient,
            "converged": self.converged,
            "rows": self.rows,
        }
        lines = [
            f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()
        ]
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()

    @property
    def column_names(self) -> list[str]:
        """The names of the columns that it reads: those of numbers, then those of categories."""
        return [*(column.name for column in self.numbers), *(column.name for column in self.categories)]

    def choice(self, *, with_target: bool, keeps_missing: bool, target: str | None = None) -> ColumnChoice:
        """Return which columns of a table it reads, and, to be compared, that of the classes."""
        categories = list_of([column.name for column in self.categories])
        return ColumnChoice(
            wanted=list_of(self.column_names),
            takes_texts=True,
            target=(target or self.target) if with_target else None,
            categories=categories or None,
            keeps_missing=keeps_missing,
        )

    def encoding(self, *, with_target: bool) -> Encoding:
        """Return what the columns of such a table are."""
        d, n = len(self.numbers), len(self.numbers) + len(self.categories)
        columns = tuple(Column(d + i, column.values) for i, column in enumerate(self.categories))
        return Encoding(tuple(range(d)), columns, Column(n, self.classes) if with_target else None)

    def state(self, *, with_target: bool) -> State:
        """Return what jobs with this model need to know of it."""
        return {
            "encoding": self.encoding(with_target=with_target).to_array(),
            "classes": texts_to_array(self.classes),
            "theta": self.theta[None],
            "means": np.array([column.mean for column in self.numbers]),
            "scales": np.array([column.scale for column in self.numbers]),
            "class_weights": np.ones(len(self.classes)),
        }


def read_model(path: Path) -> Model:
    """Read a model.json; InputError if it is damaged, or another program has written it."""
    try:
        with readable(path):
            content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError.at(str(path), f"not a model: {shortened(str(error), 80)}") from None
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise InputError.at(str(path), "not a model that classify has written")
    if content.get("format") != FORMAT:
        found = shortened(str(content.get("format")), 20)
        raise InputError.at(str(path), f"a model of another version (format {found}, expected {FORMAT})")
    try:
        return _model_from(content)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError.at(str(path), f"a damaged model: {shortened(str(error), 80)}") from None


def _model_from(content: dict[str, Any]) -> Model:
    """Return the model of a file's content; KeyError, TypeError or ValueError if something is wrong in it."""
    found = {name: _typed(content[name], kind, name) for name, kind in _FIELDS.items()}
    numbers = tuple(
        NumberColumn(_typed(each["name"], str), _number(each["mean"]), _number(each["scale"]))
        for each in found["numbers"]
    )
    categories = tuple(
        CategoryColumn(_typed(each["name"], str), _texts(each["values"])) for each in found["categories"]
    )
    classes, d = _texts(found["classes"]), len(numbers)
    size = sum(len(column.values) for column in categories)
    weights = np.array([[_number(w) for w in row] for row in found["weights"]]).reshape(len(classes), -1)
    intercepts = np.array([_number(number) for number in found["intercepts"]])
    if weights.shape != (len(classes), d + size) or intercepts.shape != (len(classes),) or len(classes) < 2:
        raise ValueError("its weights are not those of its columns and classes")
    if not all(column.scale > 0 for column in numbers):
        raise ValueError("a scale is not greater than 0")
    theta = np.column_stack([weights[:, :d], intercepts, weights[:, d:]])
    rest = {name: found[name] for name in ("target", "l2", "iterations", "gradient", "converged", "rows")}
    return Model(classes=classes, numbers=numbers, categories=categories, theta=theta, **rest)


def _typed(value: Any, kind: type, name: str = "a value") -> Any:
    if type(value) is not kind:
        raise TypeError(f"{name} is {shortened(repr(value), 40)}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{shortened(repr(value), 40)} is not a number")
    return float(value)


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    texts = tuple(_typed(value, str) for value in _typed(values, list))
    if len(set(texts)) < len(texts):
        raise ValueError("a text is there twice")
    return texts
