"""NumPy and Parquet files: what is read of them, and what is said of bad ones."""

import io
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet
import pytest

from common.errors import InputError, MapReduceError, UsageError
from common.formats import columns
from common.formats.dataset import open_input, plan_splits, read_all, read_blocks
from common.model import FloatArray, Input, InputFormat

Columns: TypeAlias = Mapping[str, Sequence[object]]
Save: TypeAlias = Callable[[Path, FloatArray], object]

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
MATRIX = np.array(ROWS)
NAN, INFINITY = "nan is not a number that can be clustered", "infinity cannot be clustered"
EMPTY_FIELD = "the field is empty; every field needs a number"
TOO_LARGE = "1e+200 is beyond ±3.12e+144, where squared distances overflow"
NOT_REAL = "not a vector or matrix of real numbers"

ARRAYS: dict[str, npt.NDArray[np.generic]] = {
    "float64": MATRIX,
    "float32": MATRIX.astype(np.float32),
    "float16": MATRIX.astype(np.float16),
    "big_endian": MATRIX.astype(">f8"),
    "int64": MATRIX.astype(np.int64),
    "uint8": MATRIX.astype(np.uint8),
    "fortran_order": np.asfortranarray(MATRIX),
}
BAD_ARRAYS: dict[str, tuple[npt.NDArray[np.generic], str]] = {
    "three_dimensions": (np.zeros((2, 2, 2)), f": {NOT_REAL}"),
    "no_dimension": (np.array(1.0), f": {NOT_REAL}"),
    "complex": (np.array([1j]), f": {NOT_REAL}"),
    "text": (np.array(["1"]), f": {NOT_REAL}"),
    "bool": (np.array([True]), f": {NOT_REAL}"),
    "no_row": (np.empty((0, 2)), ": the array is empty; it needs at least one row and one column"),
    "no_column": (np.empty((2, 0)), ": the array is empty; it needs at least one row and one column"),
    "nan": (np.array([[1, 2], [3, np.nan]]), f", row 2, column 2: {NAN}"),
    "infinity": (np.array([[1, 2], [-np.inf, 4]]), f", row 2, column 1: {INFINITY}"),
    "first_of_many": (np.full((3, 3), np.inf), f", row 1, column 1: {INFINITY}"),
}
BAD_TABLES: dict[str, tuple[Columns, str]] = {
    "text": (
        {"x": [1.0], "s": ["a"]},
        ", column 2: column 's' holds string, not numbers; choose others with --columns",
    ),
    "bool": ({"b": [True]}, ", column 1: column 'b' holds bool, not numbers; choose others with --columns"),
    "null": ({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, None]}, f", row 4, column 2: {EMPTY_FIELD}"),
    "null_integer": ({"x": [1, 2, None, None]}, f", row 3, column 1: {EMPTY_FIELD}"),
    "nan": ({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, float("nan")]}, f", row 3, column 2: {NAN}"),
    "infinity": ({"x": [float("inf")]}, f", row 1, column 1: {INFINITY}"),
    "no_row": ({"x": []}, ": the table is empty; it needs at least one row and one column"),
    "no_column": ({}, ": the table is empty; it needs at least one row and one column"),
}


def save_table(path: Path, columns: Columns, rows_a_group: int = 2) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=rows_a_group)


def save_parquet(path: Path, matrix: FloatArray) -> None:
    save_table(path, {"x": matrix[:, 0].tolist(), "y": matrix[:, 1].tolist()})


SAVE: dict[str, Save] = {"txt": np.savetxt, "npy": np.save, "parquet": save_parquet, "pq": save_parquet}


def read_splits(path: Path, n: int, columns: str | None = None) -> list[list[list[float]]]:
    """Return the rows of each of n splits."""
    file = open_input(path, columns)
    return [
        [row for block in read_blocks(file.input, split) for row in block.tolist()]
        for split in plan_splits(file, n)
    ]


def refusal(path: Path) -> str:
    """Return what is said of a bad file."""
    with pytest.raises(InputError) as caught:
        read_all(path)
    return str(caught.value)


@pytest.fixture(params=[1 << 20, 32], ids=["one_block", "many_blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BLOCK_BYTES", request.param)


in_blocks = pytest.mark.usefixtures("blocks")


@pytest.fixture
def npy_path(tmp_path: Path) -> Path:
    return tmp_path / "points.npy"


@pytest.fixture
def parquet_path(tmp_path: Path) -> Path:
    return tmp_path / "points.parquet"


@in_blocks
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_reads_npy(npy_path: Path, array: npt.NDArray[np.generic]) -> None:
    np.save(npy_path, array)
    for n in range(1, 8):
        parts = read_splits(npy_path, n)
        assert list(itertools.chain(*parts)) == ROWS
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_reads_npy_vector_and_columns(npy_path: Path) -> None:
    np.save(npy_path, np.array([1, 2, 3]))
    assert read_splits(npy_path, 2) == [[[1.0]], [[2.0], [3.0]]]
    np.save(npy_path, MATRIX)
    assert read_splits(npy_path, 2, "2,1") == [
        [[2.0, 1.0], [4.0, 3.0]],
        [[6.0, 5.0], [8.0, 7.0], [10.0, 9.0]],
    ]


@in_blocks
@pytest.mark.parametrize(("array", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_refuses_bad_npy(npy_path: Path, array: npt.NDArray[np.generic], message: str) -> None:
    np.save(npy_path, array)
    assert refusal(npy_path) == f"{npy_path}{message}"


@in_blocks
def test_npy_error_counts_rows_over_splits_and_columns_of_the_file(npy_path: Path) -> None:
    np.save(npy_path, np.where(np.arange(15).reshape(5, 3) == 13, np.nan, 0.0))
    file = open_input(npy_path, "3,2")
    with pytest.raises(InputError) as caught:
        list(read_blocks(file.input, plan_splits(file, 3)[2]))
    assert str(caught.value) == f"{npy_path}, row 5, column 2: {NAN}"


def test_refuses_pickles_without_loading_them(npy_path: Path) -> None:
    np.save(npy_path, np.array([1, None], object), allow_pickle=True)
    what = "Array can't be memory-mapped: Python objects in dtype."
    assert refusal(npy_path) == f"{npy_path}: not a usable .npy file ({what})"


def saved(array: npt.NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"1,2\n", saved(MATRIX)[:-8], saved(MATRIX)[:50], b"\x93NUMPY\x09\x09" + bytes(200)],
    ids=["empty", "text", "truncated", "truncated_header", "version"],
)
def test_refuses_what_is_not_npy(npy_path: Path, content: bytes) -> None:
    npy_path.write_bytes(content)
    message = refusal(npy_path)
    assert message.startswith(f"{npy_path}: not a usable .npy file (")
    assert message.splitlines() == [message]


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"{", b" "), (b"'<f8'", b"',f8'"), (b"(5, 2)", b"(True,)"), (b"\n", b"\n" * 20_000)],
    ids=["TokenError", "SyntaxError", "TypeError", "several_lines"],
)
def test_refuses_damaged_npy_headers(npy_path: Path, old: bytes, new: bytes) -> None:
    content = saved(MATRIX)[:128].replace(old, new, 1)
    npy_path.write_bytes(content[:8] + (len(content) - 10).to_bytes(2, "little") + content[10:] + bytes(80))
    message = refusal(npy_path)
    assert message.splitlines() == [message]


@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_refuses_too_large_numbers(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points.{suffix}"
    SAVE[suffix](path, np.array([[1, 2], [1e200, 3]]))
    assert refusal(path) == f"{path}, row 2, column 1: {TOO_LARGE}"


@in_blocks
@pytest.mark.parametrize("rows_a_group", [1, 2, 3, 5])
def test_reads_parquet_across_row_groups(parquet_path: Path, rows_a_group: int) -> None:
    save_table(parquet_path, {"x": [1.0, 3.0, 5.0, 7.0, 9.0], "y": [2, 4, 6, 8, 10]}, rows_a_group)
    for n in range(1, 8):
        parts = read_splits(parquet_path, n)
        assert list(itertools.chain(*parts)) == ROWS
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@in_blocks
@pytest.mark.parametrize("columns", ["y,x", "4,2", "y,2"])
def test_reads_parquet_columns_beside_others(parquet_path: Path, columns: str) -> None:
    save_table(parquet_path, {"s": ["a", "b", None], "x": [1, 3, 5], "n": [None, 1, 2], "y": [2, 4, 6]})
    assert read_splits(parquet_path, 1, columns) == [[[2.0, 1.0], [4.0, 3.0], [6.0, 5.0]]]


def test_refuses_parquet_columns_that_are_not_there(parquet_path: Path) -> None:
    save_parquet(parquet_path, MATRIX)
    with pytest.raises(UsageError) as caught:
        open_input(parquet_path, "x,z")
    assert str(caught.value) == f"--columns: {parquet_path} has no column 'z'; its columns are x, y"


@in_blocks
@pytest.mark.parametrize(("columns", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_refuses_bad_parquet(parquet_path: Path, columns: Columns, message: str) -> None:
    save_table(parquet_path, columns)
    assert refusal(parquet_path) == f"{parquet_path}{message}"


@pytest.mark.parametrize("content", [b"", b"1,2\n", b"1,2\n" * 10], ids=["empty", "short", "text"])
def test_refuses_what_is_not_parquet(parquet_path: Path, content: bytes) -> None:
    parquet_path.write_bytes(content)
    message = refusal(parquet_path)
    assert message.startswith(f"{parquet_path}: not a usable Parquet file (")
    assert message.splitlines() == [message]


def test_reads_parquet_columns_of_the_same_name(parquet_path: Path) -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array([1.0]), pyarrow.array([2.0])], names=["x", "x"])
    pyarrow.parquet.write_table(table, parquet_path)
    assert read_splits(parquet_path, 1, "2,1") == [[[2.0, 1.0]]]


@pytest.mark.parametrize("columns", [None, "x"])
def test_errors_with_odd_column_names_are_one_line(parquet_path: Path, columns: str | None) -> None:
    save_table(parquet_path, {"a\nb": ["text"]})
    with pytest.raises(MapReduceError) as caught:
        open_input(parquet_path, columns)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_any_damaged_byte_of_parquet_is_read_or_refused(parquet_path: Path, compression: str) -> None:
    table = pyarrow.table({"x": [1.0, 1.0, 1.0, 2.0]})
    pyarrow.parquet.write_table(table, parquet_path, compression=compression, store_schema=False)
    content = parquet_path.read_bytes()
    messages = []
    for place in range(len(content)):
        parquet_path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            read_all(parquet_path)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert [message for message in messages if len(message.splitlines()) != 1] == []


@pytest.mark.parametrize(
    "suffix",
    [
        "npy",
        "parquet",
    ],
)
def test_refuses_missing_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points.{suffix}"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000))


@pytest.mark.parametrize("change", [grow, touch])
@pytest.mark.parametrize("suffix", ["txt", "npy", "parquet"])
def test_refuses_a_file_that_changed(tmp_path: Path, suffix: str, change: Callable[[Path], None]) -> None:
    path = tmp_path / f"points.{suffix}"
    SAVE[suffix](path, MATRIX)
    file = open_input(path)
    (split,) = plan_splits(file, 1)
    change(path)
    with pytest.raises(InputError) as caught:
        list(read_blocks(file.input, split))
    assert str(caught.value) == f"{path}: the file changed while the run was using it"
    path.unlink()
    with pytest.raises(InputError) as caught:
        list(read_blocks(file.input, split))
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"


@pytest.mark.parametrize("suffix", ["npy", "parquet", "pq"])
def test_describes_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points.{suffix}"
    SAVE[suffix](path, MATRIX)
    kind = InputFormat.NPY if suffix == "npy" else InputFormat.PARQUET
    status = path.stat()
    described = Input(str(path), kind, "", 2, (1,), 5, status.st_size, status.st_mtime_ns)
    assert open_input(path, "2").input == described
