"""What a user may pass as X, and what is said of what cannot be clustered."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.exceptions import NotFittedError

from common.kernels import parallel
from common.model import PointArray
from master import KMeans
from master.estimator import arrays
from tests.master.estimator.samples import POINTS

NUMBERS = np.array([[1, 0], [1, 1], [9, 0], [9, 1]])
MASK = np.array([[False, False], [False, True], [False, False], [True, False]])
DECIMALS = [Decimal(1), Decimal(1), Decimal(9), Decimal(9)]
FRAME = pd.DataFrame(NUMBERS, columns=["x", "y"])


def fitted(X: Any) -> list[list[float]]:
    centroids: list[list[float]] = KMeans(2, random_state=0).fit(X).cluster_centers_.tolist()
    return sorted(centroids)


@pytest.mark.parametrize(
    "X",
    [
        NUMBERS.tolist(),
        [tuple(row) for row in NUMBERS],
        list(NUMBERS),
        np.ma.array(NUMBERS, mask=False),
        np.ma.array(NUMBERS),
        [np.ma.array(row) for row in NUMBERS],
        NUMBERS.astype(object),
        NUMBERS.astype(str),
        NUMBERS.astype(np.float16),
        NUMBERS.astype(np.float32),
        NUMBERS.astype(np.longdouble),
        NUMBERS.astype(np.uint8),
        NUMBERS.astype(">f8"),
        np.array(list(zip(DECIMALS, NUMBERS[:, 1].tolist(), strict=True)), object),
        FRAME.astype("Int64"),
        FRAME.astype({"x": "Float64", "y": "boolean"}),
        FRAME.astype({"y": bool}),
        FRAME.astype(object),
        FRAME.astype("int64[pyarrow]"),
        FRAME.assign(x=pd.array(DECIMALS, pd.ArrowDtype(pa.decimal128(9, 2)))),
        FRAME.set_axis(pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]), axis=1),
        pa.table({"x": NUMBERS[:, 0], "y": NUMBERS[:, 1]}),
        pa.table({"x": DECIMALS, "y": NUMBERS[:, 1].astype(bool)}),
        pa.RecordBatch.from_pydict({"x": NUMBERS[:, 0], "y": NUMBERS[:, 1]}),
    ],
)
def test_numbers_in_any_dress(X: Any) -> None:
    assert fitted(X) == [[1.0, 0.5], [9.0, 0.5]]


@pytest.mark.parametrize("row", [0, 1, 2, 3])
def test_each_thread_finds_what_cannot_be_used(monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    monkeypatch.setattr(parallel, "_THREAD_NUMBERS", 1)
    numbers = NUMBERS.astype(float)
    numbers[row, 1] = np.nan
    with pytest.raises(ValueError, match=f"^X, row {row + 1}, column 2 "):
        KMeans(2, threads=3).fit(numbers)


def test_booleans() -> None:
    assert fitted([[True, False], [False, True], [True, False]]) == [[0.0, 1.0], [1.0, 0.0]]


def test_names_of_an_arrow_table_are_those_of_its_columns() -> None:
    model = KMeans(2, random_state=0).fit(pa.table({"x": NUMBERS[:, 0], "y": NUMBERS[:, 1]}))
    assert model.feature_names_in_.tolist() == ["x", "y"]


EMPTY = "the field is empty; every field needs a number; "
MISSING = "drop the rows with missing values (NaN), or fill in numbers"
MASKED = "the value is masked; drop the rows with masked values (np.ma.compress_rows), or fill in numbers"
NAN = f"nan is not a number; {MISSING}"

VALUES: list[tuple[Any, str]] = [
    (np.ma.array(NUMBERS, mask=MASK), f"row 2, column 2 (X[1][1]): {MASKED}"),
    (np.ma.array(NUMBERS * 1.0, mask=MASK), f"row 2, column 2 (X[1][1]): {MASKED}"),
    (np.ma.array(NUMBERS, object, mask=MASK), f"row 2, column 2 (X[1][1]): {MASKED}"),
    (list(np.ma.array(NUMBERS, mask=MASK)), f"row 2, column 2 (X[1][1]): {MASKED}"),
    (np.where(MASK, np.nan, NUMBERS), f"row 2, column 2 (X[1][1]): {NAN}"),
    (np.where(MASK, -np.inf, NUMBERS), "row 2, column 2 (X[1][1]): infinity is not allowed"),
    (np.where(MASK, np.nan, NUMBERS).astype(np.float32), f"row 2, column 2 (X[1][1]): {NAN}"),
    ([[1, 2], [3, None]], f"row 2, column 2 (X[1][1]): {EMPTY}{MISSING}"),
    ([[1, pd.NA], [3, 4]], f"row 1, column 2 (X[0][1]): {EMPTY}{MISSING}"),
    ([[1, "a"], [3, 4]], "row 1, column 2 (X[0][1]): could not convert string to float: 'a'"),
    ([[10**400, 2], [3, 4]], "row 1, column 1 (X[0][0]): int too large to convert to float"),
    ([[1, 2], [3]], "row 2: 1 number, but the first row has 2"),
    ([[1, 2], 3], "row 2: 3 is not a vector of numbers"),
    (FRAME.astype("Int64").mask(MASK), f"row 2, column 'y' (X.iloc[1, 1]): {EMPTY}{MISSING}"),
    (FRAME.astype("Float64").mask(MASK), f"row 2, column 'y' (X.iloc[1, 1]): {EMPTY}{MISSING}"),
    (FRAME.astype({"y": "boolean"}).mask(MASK), f"row 2, column 'y' (X.iloc[1, 1]): {EMPTY}{MISSING}"),
    (FRAME.astype("int64[pyarrow]").mask(MASK), f"row 2, column 'y' (X.iloc[1, 1]): {EMPTY}{MISSING}"),
    (FRAME.astype(object).mask(MASK, pd.NA), f"row 2, column 'y' (X.iloc[1, 1]): {EMPTY}{MISSING}"),
    (FRAME.mask(MASK), f"row 2, column 'y' (X.iloc[1, 1]): {NAN}"),
    (FRAME.set_axis([7, 8], axis=1).mask(MASK), f"row 2, column 8 (X.iloc[1, 1]): {NAN}"),
    (
        FRAME.assign(y=list("0a1b")),
        "row 2, column 'y' (X.iloc[1, 1]): could not convert string to float: 'a'",
    ),
    (
        FRAME.assign(y=list("0\na\n")),
        r"row 2, column 'y' (X.iloc[1, 1]): could not convert string to float: ",
    ),
    (pa.table({"x": [1.0, None], "y": [1, 2]}), f"row 2, column 'x': {NAN}"),
    (pa.table({"x": [1, 2], "y": ["1", "b"]}), "row 2, column 'y': could not convert string to float: 'b'"),
]


@pytest.mark.parametrize(("X", "text"), VALUES)
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_the_first_value_that_is_no_number_is_named(X: Any, text: str) -> None:
    model = KMeans(2).fit(NUMBERS)
    for method in (model.predict, model.transform, model.score, model.fit):
        with pytest.raises(ValueError, match=f"^X, {re.escape(text)}") as caught:
            method(X)
        assert "\n" not in str(caught.value)


def test_a_value_far_down_is_named() -> None:
    points = np.ones((10_000, 2))
    points[9_000, 1] = np.nan
    for X, text in (
        (points, "row 9001, column 2 (X[9000][1])"),
        (points.tolist(), "row 9001, column 2 (X[9000][1])"),
        (pd.DataFrame(points, columns=["x", "y"]), "row 9001, column 'y' (X.iloc[9000, 1])"),
        (pa.table({"x": points[:, 0], "y": points[:, 1]}), "row 9001, column 'y'"),
    ):
        with pytest.raises(ValueError, match=f"^X, {re.escape(text)}: nan is not a number"):
            KMeans(1).fit(X)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_predict_looks_at_many_rows_while_it_labels_them(
    dtype: type, threads: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    points: PointArray = np.random.default_rng(0).normal(size=(100_000, 4)).astype(dtype)
    model = KMeans(24, threads=threads, random_state=0).fit(points[:1000])
    with monkeypatch.context() as patch:
        patch.setattr(arrays, "are_usable", None)  # a look at all numbers alone
        labels = model.predict(points)
    assert labels.tolist() == model.transform(points).argmin(axis=1).tolist()
    assert model.set_params(dump=tmp_path / "dump.txt", verbose=1).predict(points).tolist() == labels.tolist()
    assert "event=run_started" in (tmp_path / "dump.txt").read_text()
    with pytest.raises(ValueError, match=r"^reducers is 0, but must be 1 or more$"):
        model.set_params(dump=None, verbose=0, reducers=0).predict(points)
    model.set_params(reducers=1)
    with pytest.raises(ValueError, match=r"^X has 3 features, but KMeans is expecting 4 features as input"):
        model.predict(points[:, :3])
    for row, number in ((99_999, np.nan), (70_000, np.inf), (0, -np.inf)):
        points[row, 2] = number
        with pytest.raises(ValueError, match=f"^X, row {row + 1}, column 3 ") as expected:
            model.transform(points)
        with pytest.raises(ValueError, match=f"^{re.escape(str(expected.value))}$"):
            model.predict(points)


RESHAPE = "Reshape your data either using array.reshape(-1, 1)"

KINDS: list[tuple[Any, type[Exception], str]] = [
    (None, ValueError, "Expected 2D array, got NoneType instead"),
    (5, ValueError, "Expected 2D array, got int instead"),
    ({"x": [1, 2]}, TypeError, "Expected 2D array, got dict instead"),
    ((row for row in POINTS), TypeError, "Expected 2D array, got generator instead"),
    ([], ValueError, f"Expected 2D array, got 1D array instead: {RESHAPE}"),
    ([1.0, 2.0], ValueError, f"Expected 2D array, got 1D array instead: {RESHAPE}"),
    (
        np.ma.array([1.0, 2.0], mask=[False, True]),
        ValueError,
        f"Expected 2D array, got 1D array instead: {RESHAPE}",
    ),
    (POINTS[:, 0], ValueError, f"Expected 2D array, got 1D array instead: {RESHAPE}"),
    (np.float64(3), ValueError, f"Expected 2D array, got scalar array instead: {RESHAPE}"),
    (POINTS[None], ValueError, "Found array with dim 3, while dim <= 2 is required by KMeans."),
    (np.empty((0, 2)), ValueError, "Found array with 0 sample(s) (shape=(0, 2))"),
    (np.empty((3, 0)), ValueError, "Found array with 0 feature(s) (shape=(3, 0))"),
    (FRAME[:0], ValueError, "Found array with 0 sample(s) (shape=(0, 2))"),
    (FRAME["x"], ValueError, "Expected a 2-dimensional container but got"),
    (POINTS.astype(complex), ValueError, "Complex data not supported"),
    ([[1, {"a": 1}], [2, 3]], TypeError, "X, row 1, column 2 (X[0][1]): float() argument must be a string"),
    (
        FRAME.assign(y=pd.Timestamp("2020-01-01")),
        TypeError,
        "X, row 1, column 'y' (X.iloc[0, 1]): float() argument must be a string or a real number, not 'Time",
    ),
    (np.zeros(3, [("x", float), ("y", float)]), TypeError, "Cannot cast array data from dtype"),
    (
        pd.DataFrame(NUMBERS, columns=["x", "x"]),
        ValueError,
        "X has more than one column with the name 'x'; give each a name of its own",
    ),
    (
        pa.Table.from_arrays([pa.array([1.0, 2.0])] * 2, ["y", "y"]),
        ValueError,
        "X has more than one column with the name 'y'; give each a name of its own",
    ),
    (FRAME.set_axis(["x", 1], axis=1), TypeError, "Feature names are only supported if all input features"),
]


@pytest.mark.parametrize(("X", "error", "text"), KINDS)
def test_what_is_no_table_of_numbers(X: Any, error: type[Exception], text: str) -> None:
    """In scikit-learn's words, but one line."""
    with pytest.raises(error, match=f"^{re.escape(text)}") as caught:
        KMeans(1).fit(X)
    assert "\n" not in str(caught.value)
    assert type(caught.value) is error


def test_a_masked_start_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^init holds masked values; fill in numbers$"):
        KMeans(4, init=np.ma.array(NUMBERS, mask=MASK)).fit(NUMBERS)


def test_other_columns_than_in_the_fit() -> None:
    model = KMeans(2).fit(FRAME)
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
        model.predict(FRAME[["y", "x"]])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- z"):
        model.predict(FRAME.rename(columns={"y": "z"}))
    with pytest.raises(ValueError, match=r"^X has 1 features, but KMeans is expecting 2 features as input"):
        KMeans(2).fit(NUMBERS).predict(NUMBERS[:, :1])


def test_a_model_stays_as_it_was_if_an_array_cannot_be_clustered() -> None:
    model = KMeans(2, random_state=0)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((4, 2), np.nan))
    with pytest.raises(NotFittedError):
        model.predict(NUMBERS)
    model.fit(NUMBERS)
    before = model.predict(NUMBERS).tolist()
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((4, 3), np.nan))
    assert model.predict(NUMBERS).tolist() == before
    with pytest.raises(ValueError, match="X has 3 features, but KMeans is expecting 2"):
        model.predict(np.ones((4, 3)))
