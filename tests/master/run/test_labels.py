"""Labels beside the ids of their rows: ids are as they stand in the file, and each row has its own label."""

import csv
import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

from common.errors import InputError, RunFailedError, UsageError
from common.events.catalogue.run import RunStarted
from common.formats.columns import ColumnChoice
from common.formats.dataset import InputFile, open_input
from common.formats.layout import TextOptions
from master.run.labels import label_table, schema_of_ids
from tests.programs import SAMPLE, options, run_master
from tests.story import story_of

IDS = ["007", 'say "a, b"', "NA", "é", "1e5", "two words", ""]


def written(file: InputFile, name: str, size: int = 3) -> bytes:
    """Return the file of labels 0, 1, 2 and so on, whose lines come in pieces of so many bytes."""
    lines = b"".join(b"%d\n" % label for label in range(file.input.rows))
    pieces = [lines[start : start + size] for start in range(0, len(lines), size)]
    return b"".join(map(bytes, label_table(Path(name), file, pieces)))


def in_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def table_of(content: bytes) -> dict[str, list[Any]]:
    return pyarrow.parquet.read_table(io.BytesIO(content)).to_pydict()  # type: ignore[no-any-return]


def write_text(path: Path, rows: int, missing: int) -> list[str]:
    """Write so many rows, of which each so-manieth lacks a number; return the ids of the others."""
    ids = [IDS[i % 7] for i in range(rows)]
    with path.open("w", newline="") as file:
        numbers = ["" if missing and i % missing == 0 else "1.5" for i in range(rows)]
        csv.writer(file).writerows(
            [["x", "who", "y"], *([i, *row] for i, row in enumerate(zip(ids, numbers, strict=True)))]
        )
    return [name for name, number in zip(ids, numbers, strict=True) if number]


@pytest.mark.parametrize("missing", [0, 3], ids=["all", "drop"])
@pytest.mark.parametrize("rows", [10, 30_000], ids=["few", "many"])
def test_ids_of_text(tmp_path: Path, rows: int, missing: int) -> None:
    path = tmp_path / "rows.csv"
    ids = write_text(path, rows, missing)
    file = open_input(
        path, ColumnChoice(ids="who"), options=TextOptions(missing="drop" if missing else "error")
    )
    assert (file.input.columns, file.input.names) == ((0, 2), ("x", "y"))
    wanted = [[name, str(i)] for i, name in enumerate(ids)]
    assert in_csv(written(file, "l.csv", 1000)) == [["who", "cluster"], *wanted]
    assert table_of(written(file, "l.parquet", 1000)) == {"who": ids, "cluster": list(range(len(ids)))}


def test_ids_of_several_files(tmp_path: Path) -> None:
    for name, rows in (("a", "1 p\n2 q"), ("b", "3 r")):
        (tmp_path / f"{name}.txt").write_text(f"{rows}\n")
    file = open_input(tmp_path, ColumnChoice(ids="2"))
    assert written(file, "l.csv") == b"id,cluster\np,0\nq,1\nr,2\n"


def test_ids_of_tables_and_arrays_keep_their_type(tmp_path: Path) -> None:
    days = [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 3)]
    large = [2**60 + 1, 5, 6]
    pyarrow.parquet.write_table(pyarrow.table({"d": days, "x": [1.0, 2, 9], "i": large}), tmp_path / "t")
    by_day, by_number = (open_input(tmp_path / "t", ColumnChoice("x", ids=name)) for name in ("d", "i"))
    assert written(by_day, "l.csv") == b"d,cluster\n2020-01-01,0\n,1\n2020-01-03,2\n"
    assert table_of(written(by_day, "l.parquet"))["d"] == days
    assert table_of(written(by_number, "l.parquet"))["i"] == large
    np.save(tmp_path / "a.npy", np.array([[2**60 + 1, 3], [5, 4]]))
    array = open_input(tmp_path / "a.npy", ColumnChoice(ids="1"))
    assert written(array, "l.csv") == b"id,cluster\n1152921504606846977,0\n5,1\n"


def runs(folder: Path) -> Iterator[tuple[object, ...]]:
    run = options(input_path=folder / "rows.csv")
    yield (*run, "--engine", "inline")
    yield (*run, "--mappers", 3, "--fail-rate", 0.1)


def test_a_run_with_ids(tmp_path: Path) -> None:
    rows = [f"row {i},{line}" for i, line in enumerate(SAMPLE.read_text().split())]
    (tmp_path / "rows.csv").write_text("\n".join(["name,x,y", *rows]))
    assert run_master(tmp_path, *options(), "--engine", "inline", "--labels", "plain.txt").returncode == 0
    plain = (tmp_path / "plain.txt").read_text().split()
    wanted = [["name", "cluster"], *([f"row {i}", label] for i, label in enumerate(plain))]
    for run in runs(tmp_path):
        ended = run_master(tmp_path, *run, "--id", "name", "--labels", "l.csv")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert in_csv((tmp_path / "l.csv").read_bytes()) == wanted
    (started,) = story_of(tmp_path).of(RunStarted)
    assert started.command == "run"
    assert {"id=name", "labels=l.csv"} <= set(started.settings)
    assert not [setting for setting in started.settings if "takes_texts" in setting or "by_model" in setting]
    predict = ("--centroids", "data/centroids.txt", "--input", SAMPLE, "--labels", "l.parquet")
    assert run_master(tmp_path, "predict", *predict, "--engine", "inline").returncode == 0
    assert table_of((tmp_path / "l.parquet").read_bytes()) == {"cluster": [*map(int, plain)]}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--id", 1], "--id 1 needs --labels FILE.csv or FILE.parquet"),
        (
            ["--id", 1, "--labels", "l.txt"],
            "--id 1 needs --labels FILE.csv or FILE.parquet, not --labels l.txt",
        ),
        (["--id", 9, "--labels", "l.csv"], f"--id 9: {SAMPLE} has only columns 1 to 2"),
        (["--id", "1-2", "--labels", "l.csv"], f"{SAMPLE} has no column besides --id 1-2"),
        (
            ["--id", 1, "--weights", 2, "--labels", "l.csv"],
            f"{SAMPLE} has no column besides --weights 2 and --id 1",
        ),
    ],
)
def test_refused(tmp_path: Path, more: list[object], text: str) -> None:
    ended = run_master(tmp_path, *options(), *more)
    assert (ended.returncode, ended.stderr) == (2, f"Error: {text}\n")


@pytest.mark.parametrize("rows", [10, 60_000], ids=["few", "many"])
def test_whole_rows(tmp_path: Path, rows: int) -> None:
    """A number that is an id, too, stands as it is, and its row is left out if it is missing."""
    lines = [["007.50", "a,b"], ["NA", "gone"], ["1e3", ""]]
    with (tmp_path / "rows.csv").open("w") as file:
        csv.writer(file).writerows([["x", "name"], *(lines[i % 3] for i in range(rows))])
    choice = ColumnChoice("x", ids="all")
    found = open_input(tmp_path / "rows.csv", choice, options=TextOptions(missing="drop"))
    wanted = [lines[i % 3] for i in range(rows) if i % 3 != 1]
    numbered = [[*line, str(i)] for i, line in enumerate(wanted)]
    assert in_csv(written(found, "l.csv", 1000)) == [["x", "name", "cluster"], *numbered]


def test_several_columns_beside_the_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[2.5, 3, 1], [5, 4, 7]]))
    file = open_input(tmp_path / "a.npy", ColumnChoice(ids="3,1"))
    assert file.input.columns == (1,)
    assert written(file, "l.csv") == b"column 3,column 1,cluster\n1,2.5,0\n7,5,1\n"
    whole = open_input(tmp_path / "a.npy", ColumnChoice(ids="all"))
    assert whole.input.columns == (0, 1, 2)


def test_one_name_of_two_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("cluster,x\n1,2\n3,4\n")
    with pytest.raises(UsageError, match="would have two columns 'cluster'; rename one in the input"):
        open_input(tmp_path / "rows.csv", ColumnChoice(ids="cluster"))


@pytest.mark.parametrize(("labels", "text"), [(2, "fewer"), (4, "more"), (5, "more")])
def test_labels_are_as_many_as_ids_and_read_to_their_end(tmp_path: Path, labels: int, text: str) -> None:
    (tmp_path / "rows.txt").write_text("a 1\nb 2\nc 3\n")
    pieces = iter([b"0\n"] * labels)
    with pytest.raises(RunFailedError, match=f"sent {text} labels than there are ids"):
        list(label_table(Path("l.csv"), open_input(tmp_path / "rows.txt", ColumnChoice(ids="1")), pieces))
    assert not list(pieces)


def test_labels_are_read_to_the_end_of_their_last_answer(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("a 1\nb 2\n")
    pieces = iter([b"0\n1\n", b""])
    list(label_table(Path("l.csv"), open_input(tmp_path / "rows.txt", ColumnChoice(ids="1")), pieces))
    assert next(pieces, None) is None


def two_files(folder: Path, *ids: pyarrow.Array) -> InputFile:
    """Write a Parquet file of each of some ids."""
    for i, column in enumerate(ids):
        table = pyarrow.table({"n": column, "x": np.arange(len(column), dtype=float)})
        pyarrow.parquet.write_table(table, folder / f"{i}.parquet")
    return open_input(folder, ColumnChoice(ids="n"))


@pytest.mark.parametrize(
    ("kinds", "ids", "found"),
    [
        (("int64", "int32"), [[1, 2**60], [3]], "int64"),
        (("int32", "double"), [[1, 2], [0.5]], "double"),
        (("null", "string"), [[None], ["a"]], "string"),
        (("large_string", "string"), [["b"], ["a"]], "large_string"),
    ],
)
def test_types_of_several_files_become_one(
    tmp_path: Path, kinds: tuple[str, str], ids: list[list[Any]], found: str
) -> None:
    file = two_files(tmp_path, *(pyarrow.array(some, kind) for some, kind in zip(ids, kinds, strict=True)))
    content = written(file, "l.parquet")
    assert table_of(content)["n"] == [each for some in ids for each in some]
    assert pyarrow.parquet.read_schema(io.BytesIO(content)).field("n").type == found


def test_arrays_of_several_files_become_one_type(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 2]]))
    np.save(tmp_path / "b.npy", np.array([[0.5, 3]]))
    assert table_of(written(open_input(tmp_path, ColumnChoice(ids="1")), "l.parquet"))["id"] == [1, 0.5]


def test_texts_without_kernels_are_ids(tmp_path: Path) -> None:
    views = [pyarrow.array(["a", None]).cast("string_view"), pyarrow.array([b"\xff", b"c"], "binary_view")]
    table = pyarrow.table([*views, pyarrow.array([1.0, 2])], ["t", "b", "x"])
    with pyarrow.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    file = open_input(tmp_path / "t.arrow", ColumnChoice(ids="t,b"))
    wanted = {"t": ["a", None], "b": [b"\xff", b"c"], "cluster": [0, 1]}
    assert table_of(written(file, "l.parquet")) == wanted


def test_ids_of_arrays_of_any_byte_order_and_of_texts(tmp_path: Path) -> None:
    rows = [(0.5, "é", b"b", 1.0), (np.inf, "long", "ü".encode(), 2.0)]
    np.save(tmp_path / "a.npy", np.array(rows, [("n", ">f8"), ("u", ">U4"), ("s", "S2"), ("x", "<f4")]))
    file = open_input(tmp_path / "a.npy", ColumnChoice(ids="n,u,s"))
    assert written(file, "l.csv") == "n,u,s,cluster\n0.5,é,b,0\ninf,long,ü,1\n".encode()
    np.save(tmp_path / "b.npy", np.array([[0.5, 1]], ">f8"))
    assert written(open_input(tmp_path / "b.npy", ColumnChoice(ids="1")), "l.csv") == b"id,cluster\n0.5,0\n"


@pytest.mark.parametrize("bad", [b"\xff", "\ud800"], ids=["bytes", "texts"])
def test_texts_of_arrays_that_are_none_are_refused(tmp_path: Path, bad: bytes | str) -> None:
    np.save(tmp_path / "a.npy", np.array([(bad, 1.0)], [("n", np.array(bad).dtype), ("x", "f8")]))
    with pytest.raises(InputError, match="--id: "):
        schema_of_ids(Path("l.csv"), open_input(tmp_path / "a.npy", ColumnChoice(ids="n")))


@pytest.mark.parametrize(
    ("name", "kinds", "text"),
    [
        (
            "l.parquet",
            ("int64", "string"),
            "column 'n' of {folder}/1.parquet holds string, but int64 in a file before it; write texts with "
            "--labels FILE.csv",
        ),
        (
            "l.csv",
            (pyarrow.struct([("a", "int64")]),),
            "column 'n' of {folder}/0.parquet holds struct<a: int64>, which cannot be written as CSV; write "
            "a table with --labels FILE.parquet",
        ),
        (
            "l.csv",
            ("string", "binary"),
            "column 'n' of {folder}/1.parquet holds binary, which cannot be written as CSV; write a "
            "table with --labels FILE.parquet",
        ),
    ],
)
def test_types_that_a_table_cannot_hold_are_refused_before_the_run(
    tmp_path: Path, name: str, kinds: tuple[Any, ...], text: str
) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    two_files(folder, *(pyarrow.array([None], kind) for kind in kinds))
    run = (*options(input_path=folder, k=1), "--engine", "inline", "--id", "n", "--labels", name)
    ended = run_master(tmp_path, *run)
    assert (ended.returncode, ended.stderr) == (2, f"Error: --id: {text.format(folder=folder)}\n")


def test_types_of_ids_that_differ_are_texts_in_csv(tmp_path: Path) -> None:
    file = two_files(tmp_path, pyarrow.array([1]), pyarrow.array(["a"]))
    assert written(file, "l.csv") == b"n,cluster\n1,0\na,1\n"


def test_what_cannot_be_written_at_all_has_no_advice(tmp_path: Path) -> None:
    kind = pyarrow.month_day_nano_interval()
    table = pyarrow.table({"n": pyarrow.array([None], kind), "x": [1.0]})
    with pyarrow.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    file = open_input(tmp_path / "t.arrow", ColumnChoice(ids="n"))
    for name, what in (("l.csv", "CSV"), ("l.parquet", "Parquet")):
        with pytest.raises(UsageError, match=f"{kind}, which cannot be written as {what}$"):
            schema_of_ids(Path(name), file)


def test_a_name_that_only_is_an_ending_is_one_of_text(tmp_path: Path) -> None:
    run = (*options(), "--engine", "inline", "--labels", ".parquet")
    assert run_master(tmp_path, *run).returncode == 0
    assert (tmp_path / ".parquet").read_bytes().startswith(b"0\n")


def test_a_dry_run_shows_the_ids(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who,when,x\na,b,1\nc,d,2\n")
    run = options(input_path=tmp_path / "rows.csv")
    ended = run_master(tmp_path, *run, "--id", "who,when", "--labels", "l.csv", "--dry-run")
    assert ended.returncode == 0
    assert "beside the labels: who, when" in ended.stdout.splitlines()
