"""Rows as a program holds them: what becomes of them, and what is said of a flaw."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from common.engines.on_dask import rows_of, table_of
from common.engines.vectors import Flaw, as_points, is_masked, length_of
from common.formats.line_index import PLAIN
from common.formats.texts import MOST_TEXTS
from common.model import FloatType, Input, InputFormat, Table

MASKED = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, False], [False, True]])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 2.5], (3, 4)], [[1, 2.5], [3, 4]]),
        ([np.array([1.0, 2.0]), [True, np.float16(0.5)]], [[1, 2], [1, 0.5]]),
        ([[Decimal("0.1"), Decimal("1e3")]], [[0.1, 1000]]),
        ([["1", "2.5"]], [[1, 2.5]]),
        (np.array([[True, False]]), [[1, 0]]),
        (np.array([[1, 2.5]], object), [[1, 2.5]]),
        (np.ma.array([[1.0, 2.0]], mask=False), [[1, 2]]),
        ([np.ma.array([1.0, 2.0], mask=False)], [[1, 2]]),
    ],
)
def test_numbers_of_any_kind(rows: Any, expected: Any) -> None:
    points = as_points(rows, 2, FloatType.FLOAT64)
    assert isinstance(points, np.ndarray)
    assert points.dtype == np.float64
    assert type(points) is np.ndarray
    assert points.tolist() == expected


def test_float32_stays_and_other_numbers_become_it() -> None:
    single = np.array([[1.0, 2.0]], np.float32)
    assert as_points(single, 2, FloatType.FLOAT32) is single
    rounded = as_points([[0.1, 2.0]], 2, FloatType.FLOAT32)
    assert isinstance(rounded, np.ndarray)
    assert rounded.tolist() == [[float(np.float32(0.1)), 2.0]]


FLAWS = [
    ([[1, 2], [3]], "row 2: 1 number, but the first row has 2"),
    ([[1, 2], [3, 4, 5]], "row 2: 3 numbers, but the first row has 2"),
    ([[1, 2, 3], [4, 5, 6]], "row 1: 3 numbers, but the first row has 2"),
    ([[1, 2], "3,4"], "row 2: '3,4' is not a vector of numbers"),
    ([[1, 2], None], "row 2: None is not a vector of numbers"),
    ([[1, 2], 3.5], "row 2: 3.5 is not a vector of numbers"),
    ([{"x": 1, "y": 2}], "row 1: {'x': 1, 'y': 2} is not a vector of numbers"),
    ([[1, "a"]], "row 1, column 2: could not convert string to float: 'a'"),
    (np.array([["1", "b"]]), "row 1, column 2: could not convert string to float: np.str_('b')"),
    ([["x" * 999, 1]], f"row 1, column 1: could not convert string to float: '{'x' * 164}"),
    ([[1, [2]]], "row 1, column 2: float() argument must be a string or a real number, not 'list'"),
    ([[1, 2j]], "row 1, column 2: float() argument must be a string or a real number, not 'complex'"),
    ([[10**400, 1]], "row 1, column 1: int too large to convert to float"),
    ([[1, None]], "row 1, column 2: the field is empty; every field needs a number"),
    ([[1, pd.NA]], "row 1, column 2: the field is empty; every field needs a number"),
    ([[1, pd.NaT]], "row 1, column 2: the field is empty; every field needs a number"),
    ([[1, 2], [float("nan"), 4]], "row 2, column 1: nan is not a number"),
    ([[1, 2], [3, -float("inf")]], "row 2, column 2: infinity is not allowed"),
    (np.array([[1, 2], [3, 4], [np.inf, np.nan]]), "row 3, column 1: infinity is not allowed"),
    ([[1e200, 2]], "row 1, column 1: 1e+200 is larger than ±3.12e+144; squared distances would overflow"),
    (MASKED, "row 2, column 2: the value is masked"),
    (list(MASKED), "row 2, column 2: the value is masked"),
    ([[1, 2], [3, None], ["x", 4], [5]], "row 2, column 2: the field is empty; every field needs a number"),
]


@pytest.mark.parametrize(("rows", "text"), FLAWS)
def test_the_first_flaw_is_named(rows: Any, text: str) -> None:
    flaw = as_points(rows, 2, FloatType.FLOAT64)
    assert isinstance(flaw, Flaw)
    assert flaw.at("X", (1, 2)) == f"X, {text}"


@pytest.mark.filterwarnings("ignore:.*ndim > 0 to a scalar:DeprecationWarning")
def test_what_only_numpy_rejects() -> None:
    flaw = as_points([[np.array([1.0]), 2.0]], 2, FloatType.FLOAT64)
    assert isinstance(flaw, Flaw)


def test_a_number_too_large_for_float32() -> None:
    flaw = as_points([[1.0, 1e39]], 2, FloatType.FLOAT32)
    assert isinstance(flaw, Flaw)
    assert flaw.at("f", (1, 2)) == "f, row 1, column 2: 1e+39 does not fit a float32"


def test_what_is_masked() -> None:
    assert is_masked(MASKED)
    assert is_masked([MASKED[1]])
    assert not is_masked(MASKED[:1])
    assert not is_masked([[1, 2]])


def test_length() -> None:
    lengths = [length_of(row) for row in ([1, 2], (), "ab", b"ab", {"a": 1}, 3, np.array(3), None)]
    assert lengths == [2, 0, None, None, None, None, None, None]


@pytest.mark.parametrize(
    ("data", "names", "text"),
    [
        (
            pd.DataFrame({"a": [1, 2], "b": ["1", "x"]}),
            ("a", "b"),
            "p, row 2, column 'b': could not convert string to float: 'x'",
        ),
        (
            pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1.5, 2]}),
            ("a", "b"),
            "p, row 2, column 'a': the field is empty; every field needs a number",
        ),
        (np.array([[1, np.inf]]), (), "p, row 1, column 2: infinity is not allowed"),
        (np.ones((2, 3)), (), "p, row 1: 3 numbers, but the first row has 2"),
        (MASKED, (), "p, row 2, column 2: the value is masked"),
    ],
)
def test_a_partition_of_dasks(data: Any, names: tuple[str, ...], text: str) -> None:
    assert rows_of("p", data, names, 2) == text


COLUMNS = Input(
    "f", InputFormat.PARQUET, PLAIN, 2, (0, 1), 0, 0, 0, names=("x", "y"), is_table=True, texts=(1,)
)


@pytest.mark.parametrize(
    ("values", "texts", "places"),
    [
        (["b", "a", "b"], ("b", "a"), [0, 1, 0]),
        ([2, 1.0, 2.0], ("2", "1"), [0, 1, 0]),
        ([True, 1, 0.5], ("True", "1", "0.5"), [0, 1, 2]),
        (pd.Categorical(["b", "a", "b"], ["a", "b", "c"]), ("b", "a"), [0, 1, 0]),
        (pd.array([7, 8, 7], "Int64"), ("7", "8"), [0, 1, 0]),
        (np.array([0.1, 2.0, 0.1], np.float32), ("0.1", "2"), [0, 1, 0]),
        (pd.array([0.1, 2.0, 0.1], "Float32"), ("0.1", "2"), [0, 1, 0]),
        (pd.Categorical(np.array([0.1, 2.0, 0.1], np.float32)), ("0.1", "2"), [0, 1, 0]),
    ],
)
def test_columns_with_texts(values: Any, texts: tuple[str, ...], places: list[int]) -> None:
    frame = pd.DataFrame({"x": [Decimal("0.1"), 2, 3], "y": values})
    table = table_of("p", frame, COLUMNS)
    assert isinstance(table, Table)
    assert table.texts == {1: texts}
    assert table.points.tolist() == [[x, place] for x, place in zip([0.1, 2.0, 3.0], places, strict=True)]


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, np.nan, ""])
def test_a_missing_text(missing: Any) -> None:
    frame = pd.DataFrame({"x": [1, 2, None], "y": pd.Series(["a", missing, "b"], dtype=object)})
    what = "the field is empty; drop the rows with missing values, or fill in a category"
    assert table_of("p", frame, COLUMNS) == f"p, row 2, column 'y': {what}"


def test_too_many_texts() -> None:
    frame = pd.DataFrame({"x": 1.0, "y": range(MOST_TEXTS + 1)})
    assert str(table_of("p", frame, COLUMNS)).startswith(
        "f, column 2 ('y'): more than 65,536 different texts"
    )
