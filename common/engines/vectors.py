"""Rows as a user's program holds them: vectors, arrays, data frames. What is wrong with one, and where."""

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from common.errors import counted
from common.formats.columns import EMPTY_FIELD, are_usable, problem_with
from common.formats.texts import TextCodes
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatType, PointArray

EMPTY_CATEGORY = "the field is empty; drop the rows with missing values, or fill in a category"
_MISSING = ("NoneType", "NAType", "NaTType")
"""The types of None and of what pandas has in its place."""

_NAN = "missing values (NaN)"
_MOST_CHARACTERS = 200


class Flaw(NamedTuple):
    """What is wrong with a row, counted from 0, or with its value in one column."""

    row: int
    column: int | None
    what: str
    missing: str = ""
    """What such values are called, if there is no number where one should be."""

    def at(self, place: str, labels: Sequence[object] | Mapping[int | None, object]) -> str:
        """Say in one line where it is; labels are those of the columns."""
        column = "" if self.column is None else f", column {labels[self.column]}"
        return f"{place}, row {self.row + 1}{column}: {self.what}"


def as_points(rows: Any, columns: int, dtype: FloatType) -> PointArray | Flaw:
    """Return rows as an array of shape (rows, columns), a copy only if need be; else their first flaw."""
    single = getattr(rows, "dtype", None) == np.float32
    with suppress(TypeError, ValueError, OverflowError):
        kept = np.dtype(np.float32 if single else np.float64)
        points: PointArray = np.ascontiguousarray(rows, kept)  # None becomes nan
        if points.shape == (len(rows), columns) and are_usable(points, dtype) and not is_masked(rows):
            return points.astype(dtype, copy=False)
    return find_flaw(rows, columns, dtype) or Flaw(0, None, "the row is not a vector of numbers")


def as_table(columns: Sequence[Any], codes: TextCodes, dtype: FloatType) -> PointArray | Flaw:
    """Return columns of values as rows, each text as its number; else the first flaw.

    An empty text is a missing one. Raise InputError if a column has too many texts.
    """
    numbers: list[Any] = [
        _codes(i, values, codes) if i in codes else values for i, values in enumerate(columns)
    ]
    points = as_points(np.column_stack(numbers), len(columns), dtype)
    if isinstance(points, Flaw) and points.column is not None and points.column in codes:
        return points._replace(what=EMPTY_CATEGORY)
    return points


def _codes(column: int, values: Iterable[Any], codes: TextCodes) -> list[int | None]:
    return [codes.number_of(column, text) if text else None for text in map(text_of, values_of(values))]


def values_of(column: Any) -> Iterable[Any]:
    """Return a column's values; a float32 stays one, whose text is shorter than that of the same float64."""
    kind: Any = getattr(column, "dtype", None)
    kind = getattr(getattr(kind, "categories", None), "dtype", kind)
    if getattr(kind, "kind", "") == "f" and kind.itemsize < np.dtype(float).itemsize:
        return np.asarray(column, f"f{kind.itemsize}")
    values: Iterable[Any] = column.tolist() if hasattr(column, "tolist") else column
    return values


def text_of(value: Any) -> str | None:
    """Write a category; None if it is missing. A whole number is the same as an integer and as a float."""
    if type(value).__name__ in _MISSING or value != value:
        return None
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    return str(value)


def length_of(row: Any) -> int | None:
    """Return how many numbers a vector has; None for what is none."""
    if isinstance(row, str | bytes | dict):
        return None
    try:
        return len(row)
    except TypeError:
        return None


def is_masked(rows: Any) -> bool:
    """Tell whether an array, or an array in a list, has masked values; NumPy would take what is below."""
    parts = rows if isinstance(rows, list | tuple) else [rows]
    can_be = any(
        issubclass(kind, np.ma.MaskedArray) for kind in set(map(type, parts))
    )  # fast, for long lists
    return can_be and any(map(np.ma.is_masked, parts))


def find_flaw(rows: Iterable[Any], columns: int, dtype: FloatType) -> Flaw | None:
    """Find the first row that is not a vector of as many numbers as there are columns; None if all are."""
    for index, row in _suspects(rows, columns):
        length = length_of(row)
        if length is None:
            return Flaw(index, None, f"{reprlib.repr(row)} is not a vector of numbers")
        if length != columns:
            return Flaw(index, None, f"{counted(length, 'number')}, but the first row has {columns}")
        for column, value in enumerate(row):
            if flaw := _flaw_of(value, dtype):
                return Flaw(index, column, *flaw)
    return None


def _suspects(rows: Iterable[Any], columns: int) -> Iterator[tuple[int, Any]]:
    """Yield rows with their indices; of an array of so many columns of numbers only those with a flaw."""
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "biuf" or rows.shape[1:] != (columns,):
        yield from enumerate(rows)
        return
    largest = np.float64(LARGEST_MAGNITUDE)  # may not fit the rows' own type
    flawed = ~(np.abs(np.ma.getdata(rows)) <= largest) | np.ma.getmaskarray(rows)
    for index in np.flatnonzero(flawed.any(axis=1)).tolist():
        yield index, rows[index]


def _flaw_of(value: Any, dtype: FloatType) -> tuple[str, str] | None:
    """Say what is wrong with a value, and what such values are called if they are none."""
    if value is np.ma.masked:
        return "the value is masked", "masked values (np.ma.compress_rows)"
    if type(value).__name__ in _MISSING:
        return EMPTY_FIELD, _NAN
    try:
        problem = problem_with(value, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        return str(error)[:_MOST_CHARACTERS], ""
    return (problem, _NAN if value != value else "") if problem else None
