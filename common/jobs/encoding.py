"""How the rows of a table become numbers, categories and classes, and which rows count."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from common.errors import BadRequestError
from common.kernels.draws import uniforms
from common.model import IntArray, Table

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """A column of texts that count, by its position among the columns used; other texts are unknown."""

    position: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Encoding:
    """What the columns of a table are.

    `numbers` are positions among the columns used; a category is a text of one of `categories`, counted over
    all of them; a class is a text of `target`, None if rows have none.
    """

    numbers: tuple[int, ...]
    categories: tuple[Column, ...] = ()
    target: Column | None = None

    def to_array(self) -> npt.NDArray[np.uint8]:
        """Return it as one array, for the wire."""
        return np.frombuffer(json.dumps(asdict(self)).encode(), np.uint8)

    @classmethod
    def from_array(cls, array: npt.NDArray[np.uint8]) -> "Encoding":
        """Undo `to_array`; ValueError if the array is not one of these."""
        match _loaded(array):
            case {"numbers": list(numbers), "categories": list(categories), "target": target}:
                columns, known = tuple(map(_column, categories)), target is not None
                return cls(tuple(map(_position, numbers)), columns, _column(target) if known else None)
        raise ValueError("not an encoding")

    @property
    def size(self) -> int:
        """The number of all categories."""
        return sum(len(column.texts) for column in self.categories)

    @property
    def columns(self) -> Iterator[int]:
        """The positions of all columns."""
        yield from self.numbers
        yield from (column.position for column in self.categories)
        if self.target is not None:
            yield self.target.position

    def codes(self, table: Table) -> IntArray:
        """Return the category of each row in each of the columns, shape (rows, columns); -1: none of them."""
        codes = np.empty((len(table), len(self.categories)), np.int32)
        before = 0
        for i, column in enumerate(self.categories):
            codes[:, i] = _places(table, column, before)
            before += len(column.texts)
        return codes

    def labels(self, table: Table) -> IntArray:
        """Return the class of each row, shape (rows,); -1: none of the classes."""
        return np.full(len(table), -1, np.int32) if self.target is None else _places(table, self.target, 0)


def texts_to_array(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return texts as one array, for the wire."""
    return np.frombuffer(json.dumps(texts).encode(), np.uint8)


def texts_from_array(array: npt.NDArray[np.uint8]) -> list[str]:
    """Undo `texts_to_array`; ValueError if the array is not one of these."""
    return list(_column({"position": 0, "texts": _loaded(array)}).texts)


def _loaded(array: npt.NDArray[np.uint8]) -> object:
    """Return what JSON says; ValueError if it is none, or nested too deep."""
    try:
        return json.loads(array.tobytes())
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _position(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a position is a number from 0")
    return value


def _column(value: object) -> Column:
    match value:
        case {"position": position, "texts": list(texts)} if all(isinstance(text, str) for text in texts):
            "".join(texts).encode()  # ValueError if half a character is in one
            return Column(_position(position), tuple(texts))
    raise ValueError("a column has a position and a list of texts")


def _places(table: Table, column: Column, before: int) -> IntArray:
    """Return where each row's text stands among the column's, `before` being added; -1: nowhere."""
    if column.position not in table.texts:
        raise BadRequestError(f"column {column.position} of the rows holds no texts")
    known = {text: before + i for i, text in enumerate(column.texts)}
    places = np.array([known.get(text, -1) for text in table.texts[column.position]], np.int32)
    numbers = table.points[:, column.position].astype(np.int64)
    return places[numbers] if len(places) else np.empty(0, np.int32)


@dataclass(frozen=True)
class Sample:
    """Which rows a model is fitted to, and which it is tested on: each row is drawn by its own number.

    `share` of the rows are test rows. With `skips`, rows that lack anything count nowhere.
    """

    seed: int = 0
    share: float = 0.0
    skips: bool = False

    @property
    def parameters(self) -> tuple[int, float, int]:
        """The first parameters of each job over a sample; see `SampledJob`."""
        return self.seed, self.share, int(self.skips)

    def test_rows(self, row_start: int, rows: int) -> BoolArray:
        """Tell of some rows which are test rows."""
        drawn: BoolArray = uniforms(self.seed, 0, row_start, rows) < self.share
        return drawn

    def complete_rows(self, table: Table) -> BoolArray:
        """Tell which rows count."""
        complete = np.ones(len(table), np.bool_)
        if not self.skips:
            return complete
        for position in range(table.points.shape[1]):
            values = table.points[:, position]
            texts = table.texts.get(position)
            missing = np.isnan(values) if texts is None else _is_empty(texts)[values.astype(np.int64)]
            complete &= ~missing
        return complete


def _is_empty(texts: Sequence[str]) -> BoolArray:
    return np.array([not text for text in texts], np.bool_)
