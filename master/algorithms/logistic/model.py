"""A model as a file: model.json."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from common.errors import InputError, shortened
from common.formats.columns import ColumnChoice
from common.formats.unchanged import readable
from common.jobs.encoding import Column, Encoding, texts_to_array
from common.jobs.models import MOST_PARAMETERS
from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.logistic.design import SMALLEST_SCALE
from common.model import FloatArray, State

FORMAT = 1
_KIND = "logistic"
_AGAIN = "give the model.json of a run of classify"
_T = TypeVar("_T")


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
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns that it reads: those of numbers, then those of categories."""
        return (*(column.name for column in self.numbers), *(column.name for column in self.categories))

    def choice(self, *, with_target: bool, keeps_missing: bool, target: str | None = None) -> ColumnChoice:
        """Return which columns of a table it reads, and, to be compared, that of the classes."""
        classes = self.target if target is None else target
        return ColumnChoice(
            wanted=self.column_names,
            takes_texts=True,
            target=classes if with_target else None,
            categories=tuple(column.name for column in self.categories),
            keeps_missing=keeps_missing,
            by_model=True,
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
        raise InputError.at(str(path), f"not a model ({shortened(str(error), 80)}); {_AGAIN}") from None
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise InputError.at(str(path), f"not a model that classify has written; {_AGAIN}")
    if (found := json.dumps(content.get("format"))) != str(FORMAT):
        what = f"a model of another version (format {shortened(found, 20)}, expected {FORMAT}); fit it again"
        raise InputError.at(str(path), what)
    try:
        return _model_from(content)
    except ValueError as error:
        what = f"a damaged model ({shortened(str(error), 80)}); fit it again"
        raise InputError.at(str(path), what) from None


def _model_from(content: dict[str, Any]) -> Model:
    """Return the model of a file's content; ValueError if something is wrong in it."""
    classes = _texts(content, "classes")
    numbers = tuple(map(_number_column, _field(content, "numbers", list)))
    categories = tuple(map(_category_column, _field(content, "categories", list)))
    if len(classes) < 2 or "" in classes:
        raise ValueError("classes are two texts or more, none of them empty")
    names = [*(column.name for column in numbers), *(column.name for column in categories)]
    if not names or len({*names, _field(content, "target", str)}) <= len(names):
        raise ValueError("its columns have not names of their own")
    return Model(
        target=_text(content["target"], "target"),
        classes=classes,
        numbers=numbers,
        categories=categories,
        theta=_theta(content, len(classes), len(numbers), sum(len(column.values) for column in categories)),
        l2=_number(_field(content, "l2"), "l2"),
        iterations=_field(content, "iterations", int),
        gradient=_number(_field(content, "gradient"), "gradient"),
        converged=_field(content, "converged", bool),
        rows=_field(content, "rows", int),
    )


def _theta(content: dict[str, Any], classes: int, d: int, categories: int) -> FloatArray:
    """Return the parameters, if they are those of so many classes, numbers and categories."""
    rows = [_each(row, "weights", _number) for row in _field(content, "weights", list)]
    intercepts = _each(_field(content, "intercepts"), "intercepts", _number)
    if [len(row) for row in rows] != [d + categories] * classes or len(intercepts) != classes:
        raise ValueError("its weights are not those of its columns and classes")
    if classes * (d + 1 + categories) > MOST_PARAMETERS:
        raise ValueError(f"more than {MOST_PARAMETERS:,} parameters in all")
    weights = np.array(rows, np.float64)
    return np.column_stack([weights[:, :d], intercepts, weights[:, d:]])


def _number_column(fields: Any) -> NumberColumn:
    name = _text(_field(fields, "name"), "name")
    mean, scale = (_number(_field(fields, each), each) for each in ("mean", "scale"))
    if scale < SMALLEST_SCALE:
        raise ValueError(f"scale is {scale}")
    return NumberColumn(name, mean, scale)


def _category_column(fields: Any) -> CategoryColumn:
    return CategoryColumn(_text(_field(fields, "name"), "name"), _texts(fields, "values"))


def _texts(fields: Any, name: str) -> tuple[str, ...]:
    texts = _each(_field(fields, name), name, _text)
    if len(set(texts)) < len(texts):
        raise ValueError(f"{name} has a text twice")
    return tuple(texts)


def _field(fields: Any, name: str, kind: type | None = None) -> Any:
    """Return a field of an object, of a type if one is given."""
    if not isinstance(fields, dict) or name not in fields:
        raise ValueError(f"there is no {name}")
    return fields[name] if kind is None else _typed(fields[name], name, kind)


def _each(values: Any, name: str, convert: Callable[[Any, str], _T]) -> list[_T]:
    return [convert(value, name) for value in _typed(values, name, list)]


def _typed(value: Any, name: str, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{name}: {shortened(json.dumps(value))}")
    return value


def _text(value: Any, name: str) -> str:
    text: str = _typed(value, name, str)
    text.encode()  # ValueError if half a character is in it
    return text


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= LARGEST_MAGNITUDE:
        raise ValueError(f"{name}: {shortened(json.dumps(value))}")
    return float(value)
