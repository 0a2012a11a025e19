"""A user's data frame, array or nested list as a table of numbers and categories; labels as classes.

Categories are texts, as a text file has them. So a data frame and the file that it was written to are one.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_consistent_length, column_or_1d

from common.engines.vectors import EMPTY_CATEGORY, Flaw, is_masked, text_of, values_of
from common.errors import UsageError, shortened
from common.formats.columns import ColumnChoice
from common.formats.dataset import open_input
from common.model import Dialect, Input, InputFormat, PointArray, Table
from master.engines.inline import load_rows
from master.estimator.arrays import check_array, in_words, names_of
from master.estimator.text_file import TextFile

_HALF = "the text holds half a character (a lone surrogate); correct it"


@dataclass(frozen=True)
class Given:
    """A table, and what error messages call it and its columns."""

    table: Table
    source: Input


def category_columns(X: Any, wanted: Any) -> tuple[int, ...]:
    """Return which columns are categories; `wanted` None: those that by a data frame's types hold no numbers.

    Raise UsageError if a column wanted is none of the names, or no position from 0.
    """
    if wanted is None:
        return tuple(_columns_of_texts(X))
    given, names = np.array(wanted, object), names_of(X)
    if given.ndim != 1:
        raise UsageError("categorical_features must be None, or a list of names or positions of columns")
    if given.size and all(isinstance(each, bool | np.bool_) for each in given):
        return tuple(np.flatnonzero(given).tolist())
    return tuple(sorted({_position(each, names) for each in given}))


def _position(wanted: Any, names: list[Any]) -> int:
    if wanted in names:
        return names.index(wanted)
    if isinstance(wanted, int | np.integer) and wanted >= 0:
        return int(wanted)
    raise UsageError(f"categorical_features: X has no column {shown(wanted)}")


def shown(value: Any) -> str:
    """Write a value as Python does, one of NumPy's without its type."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def column_list(columns: Any) -> str | None:
    """Return columns, a text or a list of names and positions, as the text that the command line takes."""
    if columns is None or isinstance(columns, str):
        return columns
    try:
        names = list(map(str, columns))
    except TypeError:
        raise UsageError(f"columns is {columns!r}, but must be a text or a list of columns") from None
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def check_in_memory(kind: str) -> None:
    """Raise UsageError if data, of a kind by `sources.kind_of`, are neither in memory nor a file."""
    if kind != "array":
        what = "but must be an array, a data frame in memory or the path of a file"
        raise UsageError(f"X is data of {kind}'s, {what}")


def refuse_labels(y: Any) -> None:
    """Raise UsageError if there are labels, though the data hold them."""
    if y is not None:
        raise UsageError("y must be None for a file or a cluster: target names the column with the classes")


def _columns_of_texts(X: Any) -> Iterator[int]:
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        for i, kind in enumerate(X.dtypes):
            if kind.name == "category" or (kind.kind == "O" and _has_text(X.iloc[:, i])):
                yield i
    elif names_of(X):
        from common.formats.arrays import holds_texts  # imports pyarrow

        for i, field in enumerate(_plain(X).schema):
            if holds_texts(field.type):
                yield i


def _has_text(values: Any) -> bool:
    return any(isinstance(value, str | bool) for value in values.tolist())


def check_table(model: Any, X: Any, categories: Sequence[int], *, reset: bool) -> Given:
    """Return the rows of data in memory; scikit-learn learns (reset) or checks their columns.

    Raise ValueError or TypeError, in one line, if there is something else than numbers and categories.
    """
    coded, texts = _with_codes(X, categories) if categories else (X, {})
    points = _checked(model, coded, reset=reset)
    if categories and max(categories) >= points.shape[1]:
        raise UsageError(f"categorical_features: X has no column {max(categories)}")
    return Given(Table(points, texts), _described(points, names_of(X), texts))


def _with_codes(X: Any, categories: Sequence[int]) -> tuple[Any, dict[int, tuple[str, ...]]]:
    """Return data with the places of texts in place of the texts, and the texts of each column."""
    plain, texts = _plain(X), dict[int, tuple[str, ...]]()
    if getattr(plain, "ndim", 2) != 2:
        return X, texts
    for column in (each for each in categories if each < plain.shape[1]):
        codes, texts[column] = _encoded(X, plain, column)
        plain = _replaced(plain, column, codes)
    return plain, texts


def _checked(model: Any, coded: Any, *, reset: bool) -> PointArray:
    try:
        return check_array(model, coded, reset=reset)
    except ValueError as error:
        if not reset or "could not convert string" not in str(error):
            raise
        remedy = "if the column holds categories, name it in categorical_features"
        raise ValueError(f"{error}; {remedy}") from None


def _plain(X: Any) -> Any:
    """Return a data frame of pandas, a table of pyarrow (of polars' frames, too), or a copy as an array."""
    if hasattr(X, "iloc"):
        return X.copy(deep=False)
    if names_of(X):
        import pyarrow

        return pyarrow.table(X)
    if is_masked(X):
        raise UsageError("X holds masked values; drop their rows, or fill them in")
    numeric = isinstance(X, np.ndarray) and X.dtype.kind in "biuf"
    return np.array(X, np.float64 if numeric else object)


def _encoded(X: Any, plain: Any, column: int) -> tuple[list[int], tuple[str, ...]]:
    """Return a column's texts, and the place of each row's among them."""
    codes: dict[str, int] = {}
    places = []
    raw = np.asarray(X) if isinstance(X, np.ndarray) else plain
    for row, text in enumerate(map(text_of, _values(raw, column))):
        if text is None or (text not in codes and not _is_whole(text)):
            raise ValueError(in_words(X, Flaw(row, column, EMPTY_CATEGORY if text is None else _HALF)))
        places.append(codes.setdefault(text, len(codes)))
    return places, tuple(codes)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(raw: Any, column: int) -> Iterable[Any]:
    if hasattr(raw, "iloc"):
        return values_of(raw.iloc[:, column])
    if isinstance(raw, np.ndarray):
        return values_of(raw[:, column])
    found = raw.column(column)
    single = str(found.type) in ("float", "halffloat")
    return found.to_numpy() if single else found.to_pylist()  # type: ignore[no-any-return]


def _replaced(plain: Any, column: int, codes: list[int]) -> Any:
    """Put codes in place of a column."""
    if hasattr(plain, "iloc"):
        plain.isetitem(column, codes)
    elif isinstance(plain, np.ndarray):
        plain[:, column] = codes
    else:
        plain = plain.set_column(column, plain.column_names[column], [codes])
    return plain


def _described(points: PointArray, names: Sequence[Any], texts: Iterable[int]) -> Input:
    rows, columns = points.shape
    return Input(
        "X",
        InputFormat.NPY,
        Dialect(),
        fields=columns,
        columns=tuple(range(columns)),
        rows=rows,
        size_bytes=points.nbytes,
        mtime_ns=0,
        names=tuple(map(str, names)),
        texts=tuple(texts),
    )


def check_labels(y: Any, rows: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the classes in order, and the place of each row's among them.

    Raise ValueError if these are no labels of so many rows, or all the same.
    """
    if y is None:
        raise ValueError("LogisticRegression requires y to be passed, but the target y is None")
    labels = column_or_1d(y, warn=True)
    check_consistent_length(rows, labels)
    assert_all_finite(labels, input_name="y")
    try:
        check_classification_targets(labels)
        classes, places = np.unique(labels, return_inverse=True)
    except TypeError:
        raise ValueError(
            "y holds labels of types that have no order, or lacks some; make them texts"
        ) from None
    if len(classes) < 2:
        only = shortened(shown(classes.tolist()[0]))
        raise ValueError(f"y holds one class alone, {only}; a classifier needs two classes")
    return classes, places


def with_labels(given: Given, classes: int, places: npt.NDArray[np.int64]) -> Given:
    """Add the classes as the last column, whose texts are their places."""
    points, texts = given.table.points, given.table.texts
    table = Table(
        np.ascontiguousarray(np.column_stack([points, places.astype(points.dtype)])),
        {**texts, points.shape[1]: tuple(map(str, range(classes)))},
    )
    names = [*given.source.names, "y"] if given.source.names else []
    return Given(table, _described(table.points, names, table.texts))


def read_table(
    file: TextFile, columns: Sequence[str], categories: Sequence[str], target: str | None
) -> Given:
    """Read columns of a file, of which some are categories, and, last, a target, if there is one."""
    choice = ColumnChoice(
        wanted=tuple(columns), takes_texts=True, target=target, categories=tuple(categories), by_model=True
    )
    opened = open_input(Path(file.path), choice, options=file.options)
    rows = load_rows(opened)
    return Given(rows if isinstance(rows, Table) else Table(cast(PointArray, rows), {}), opened.input)


def save_table(path: Path, table: Table) -> ColumnChoice:
    """Write a table, whose last column is the target, to an Arrow file; return how to read it."""
    import pyarrow
    from pyarrow import feather

    columns = [pyarrow.array(np.ascontiguousarray(column)) for column in table.points.T]
    for i, texts in table.texts.items():
        places = pyarrow.array(table.points[:, i].astype(np.int32))
        columns[i] = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array(texts, pyarrow.string()))
    names = [str(i) for i in range(1, len(columns) + 1)]
    feather.write_feather(pyarrow.table(columns, names), path, compression="uncompressed")
    return ColumnChoice(takes_texts=True, target=names[-1])
