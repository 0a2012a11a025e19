"""Columns of texts: the same table from every format and in any number of splits, or one line of refusal."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from common.errors import InputError, UsageError
from common.formats.columns import ColumnChoice
from common.formats.dataset import open_input, plan_splits
from common.formats.opening import open_split
from common.formats.texts import MOST_TEXTS
from common.model import FloatType, Table
from master.engines.inline import load_rows

ROWS = [["Nurse", 1.5, "yes", "a"], ["Data, Scientist", -2.0, "no", "b"], ["Nurse", 3.0, "no", "été"]]
FRAME = pd.DataFrame(ROWS, columns=["job", "x", "risk", "group"])
WITH_TARGET = ColumnChoice(takes_texts=True, target="risk")


def categorical(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: "category" for name in frame if name != "x"})


Save = Callable[[pd.DataFrame, Path], object]
SAVE: dict[str, Save] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "quoted": lambda frame, path: frame.to_csv(path, index=False, sep=";", quoting=1),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "dictionaries": lambda frame, path: categorical(frame).to_parquet(path),
    "arrow": lambda frame, path: pa.feather.write_feather(pa.Table.from_pandas(frame), path),
}


@pytest.fixture(params=SAVE)
def save(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    def saved(frame: pd.DataFrame) -> Path:
        SAVE[request.param](frame, tmp_path / "table")
        return tmp_path / "table"

    return saved


def read(path: Path, choice: ColumnChoice, n: int = 1, cache: Path | None = None) -> list[list[Any]]:
    """Read a table in n splits, its texts in place of their numbers."""
    file = open_input(path, choice)
    rows: list[list[Any]] = []
    for split in plan_splits(file, n):
        kept = cache and cache / f"split-{split.index}"
        table = cast(Table, open_split(file.input, split, kept).rows)
        for row in table.points.tolist():
            for column, texts in table.texts.items():
                row[column] = texts[int(row[column])]
            rows.append(row)
    return rows


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_same_table_from_every_format(
    save: Callable[[pd.DataFrame], Path], n: int, tmp_path: Path
) -> None:
    """The target comes last."""
    path = save(FRAME)
    expected = [[job, x, group, risk] for job, x, risk, group in ROWS]
    assert read(path, WITH_TARGET, n) == expected
    for _ in range(2):  # parsed, and as it was kept
        assert read(path, WITH_TARGET, n, tmp_path) == expected


def test_long_files_are_read_as_short_ones(tmp_path: Path) -> None:
    """pyarrow reads long ones, and plain Python does where something is unusual."""
    long = pd.concat([FRAME] * 20_000).reset_index(drop=True)
    long.loc[::7, "job"] = [f"job {i}" for i in range(len(long.loc[::7]))]
    long.to_csv(tmp_path / "long.csv", index=False)
    expected = long[["job", "x", "group", "risk"]].to_numpy().tolist()
    assert read(tmp_path / "long.csv", WITH_TARGET, 3) == expected
    plain = (tmp_path / "long.csv").read_text().replace("Nurse,1.5", " Nurse ,+1.5")
    (tmp_path / "odd.csv").write_text(plain + '"never closed,1,no,a\n'.replace('"', ""))
    assert read(tmp_path / "odd.csv", WITH_TARGET, 2) == [*expected, ["never closed", 1.0, "a", "no"]]


@pytest.mark.parametrize(
    ("choice", "columns"),
    [
        (ColumnChoice(takes_texts=True), "job x risk group"),
        (ColumnChoice("x,job", takes_texts=True, target="risk"), "x job risk"),
        (ColumnChoice("1-2", takes_texts=True, target="4"), "job x group"),
        (ColumnChoice("x", takes_texts=True, target="risk", categories="x"), "x risk"),
    ],
)
def test_columns(tmp_path: Path, choice: ColumnChoice, columns: str) -> None:
    FRAME.to_csv(tmp_path / "t", index=False)
    found = open_input(tmp_path / "t", choice).input
    names = tuple(columns.split())
    texts = [name for i, name in enumerate(names) if i in found.texts]
    assert (found.names, texts) == (
        names,
        [name for name in names if name != "x" or choice.categories],
    )


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        (
            ColumnChoice(takes_texts=True, target="risks"),
            "--target: {} has no column 'risks'; its columns are ",
        ),
        (
            ColumnChoice(takes_texts=True, target="1-2"),
            "--target 1-2 names several columns, but must name one",
        ),
        (
            ColumnChoice("job,risk", takes_texts=True, target="risk"),
            "--target risk is one of the columns to learn from, too; choose another, or leave it out there",
        ),
        (
            ColumnChoice("x", takes_texts=True, target="risk", categories="job"),
            "--categories: column 1 of {} is ",
        ),
        (ColumnChoice("x,x", takes_texts=True), "--columns x,x names a column twice"),
    ],
)
def test_columns_refused(tmp_path: Path, choice: ColumnChoice, line: str) -> None:
    FRAME.to_csv(tmp_path / "t", index=False)
    with pytest.raises(UsageError) as refused:
        open_input(tmp_path / "t", choice)
    assert str(refused.value).startswith(line.format(tmp_path / "t"))


def test_the_target_alone_is_refused(tmp_path: Path) -> None:
    FRAME[["risk"]].to_parquet(tmp_path / "t")
    with pytest.raises(UsageError, match=r" has no column besides --target risk$"):
        open_input(tmp_path / "t", WITH_TARGET)


GAPS = pd.DataFrame({"job": ["a", None, "c"], "x": [None, 2.0, 3.0], "risk": ["y", "n", "y"]})


def test_what_is_missing_is_kept(save: Callable[[pd.DataFrame], Path]) -> None:
    choice = ColumnChoice(takes_texts=True, target="risk", keeps_missing=True)
    first, *others = read(save(GAPS), choice)
    assert math.isnan(first.pop(1))
    assert [first, *others] == [["a", "y"], ["", 2.0, "n"], ["c", 3.0, "y"]]


@pytest.mark.parametrize("column", ["job", "x"])
def test_what_is_missing_is_refused(save: Callable[[pd.DataFrame], Path], column: str) -> None:
    with pytest.raises(InputError, match=rf"(line|row) \d, column 1 \('{column}'\): the field is empty; "):
        read(save(GAPS[[column, "risk"]]), WITH_TARGET)


@pytest.mark.parametrize("text", ["NA", "?", "null"])
def test_a_missing_text_in_a_text_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(f"job,x,risk\na,1,yes\n{text},2,no\n")
    with pytest.raises(InputError) as refused:
        read(tmp_path / "t", WITH_TARGET)
    assert str(refused.value).endswith(
        f"line 3, column 1 ('job'): '{text}' is missing; to go on without what is missing: --missing mean"
    )
    kept = ColumnChoice(takes_texts=True, target="risk", keeps_missing=True)
    assert read(tmp_path / "t", kept)[1] == ["", 2.0, "no"]


def test_a_word_among_numbers(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x,risk\n" + "1,yes\n" * 30 + "many,no\n")
    with pytest.raises(InputError) as refused:
        read(tmp_path / "t", WITH_TARGET)
    assert str(refused.value).endswith(
        "line 32, column 1 ('x'): 'many' is not a number "
        "(if the column holds categories: fit with --categories x)"
    )


def numbers_as_texts(path: Path, target: Sequence[Any]) -> list[str]:
    array = np.array([(1.0, value) for value in target], [("x", "f8"), ("t", np.array(target).dtype)])
    np.save(path.with_suffix(".npy"), array)
    pd.DataFrame({"x": array["x"], "t": array["t"]}).to_parquet(path.with_suffix(".parquet"))
    pd.DataFrame({"x": array["x"], "t": array["t"]}).to_csv(path.with_suffix(".csv"), index=False)
    choice = ColumnChoice(takes_texts=True, target="t")
    found = {suffix: read(path.with_suffix(suffix), choice) for suffix in (".npy", ".parquet", ".csv")}
    assert found[".npy"] == found[".parquet"] == found[".csv"]
    return [row[1] for row in found[".npy"]]


@pytest.mark.parametrize(
    ("target", "texts"),
    [
        ([1, 0, 1], ["1", "0", "1"]),
        ([1.5, 0.0, 1.5], ["1.5", "0.0", "1.5"]),
        ([True, False], ["True", "False"]),
        ([2**53, 2**53 + 1], ["9007199254740992", "9007199254740993"]),
        (np.array([2**64 - 1, 2**64 - 2], np.uint64), ["18446744073709551615", "18446744073709551614"]),
        (np.array([0.1, 2.0], np.float32), ["0.1", "2.0"]),
        (np.array([0.1], np.float16), ["0.1"]),
    ],
)
def test_numbers_as_texts(tmp_path: Path, target: Sequence[Any], texts: list[str]) -> None:
    assert numbers_as_texts(tmp_path / "t", target) == texts


@pytest.mark.parametrize("suffix", ["npy", "csv", "parquet"])
def test_texts_of_numbers_are_not_rounded(tmp_path: Path, suffix: str) -> None:
    numbers = np.array([[2**24, 0], [2**24 + 1, 1]])
    frame, path = pd.DataFrame(numbers, columns=["x", "t"]), tmp_path / f"table.{suffix}"
    save = {"csv": frame.to_csv, "parquet": frame.to_parquet}
    save[suffix](path, index=False) if suffix in save else np.save(path, numbers)
    choice = ColumnChoice(takes_texts=True, target="2", categories="1")
    file = open_input(path, choice, FloatType.FLOAT32)
    assert cast(Table, load_rows(file)).texts == {0: ("16777216", "16777217"), 1: ("0", "1")}


def test_zeros_are_one_text_in_any_number_of_splits(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([[1.0, -0.0], [2.0, 0.0], [3.0, 1.0]]))
    for splits in (1, 3):
        rows = read(tmp_path / "t.npy", ColumnChoice(takes_texts=True, target="2"), splits)
        assert rows == [[1.0, "0.0"], [2.0, "0.0"], [3.0, "1.0"]]


def test_too_many_texts(tmp_path: Path) -> None:
    pd.DataFrame({"id": [f"id {i}" for i in range(MOST_TEXTS + 1)], "risk": "a"}).to_csv(
        tmp_path / "t", index=False
    )
    with pytest.raises(InputError) as refused:
        read(tmp_path / "t", WITH_TARGET)
    assert str(refused.value).endswith(
        "column 1 ('id'): more than 65,536 different texts are neither categories nor classes; "
        "leave it out with --columns, or choose another --target"
    )


def test_float32_keeps_the_numbers_of_texts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"id {i}" for i in range(60_000)], "risk": "a"})
    frame.to_parquet(tmp_path / "t")
    file = open_input(tmp_path / "t", WITH_TARGET, FloatType.FLOAT32)
    (split,) = plan_splits(file, 1)
    table = cast(Table, open_split(file.input, split, None).rows)
    assert table.points.dtype == np.float32
    assert [table.texts[0][int(i)] for i in table.points[:, 0]] == frame["id"].tolist()
