"""NumPy files: what is read of them, and what is said of bad ones."""

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from common.errors import InputError
from common.formats.dataset import open_input, plan_splits, read_blocks
from tests.common.formats.samples import INFINITY, MATRIX, NAN, ROWS, read_splits, refusal, said_of_damage

NO_MATRIX = "not a vector or matrix; reshape it to (rows, columns)"


def records(*fields: tuple[str, str]) -> npt.NDArray[np.void]:
    return np.array([tuple(row) for row in ROWS], list(fields))


ARRAYS: dict[str, npt.NDArray[np.generic]] = {
    "float64": MATRIX,
    "float32": MATRIX.astype(np.float32),
    "float16": MATRIX.astype(np.float16),
    "big_endian": MATRIX.astype(">f8"),
    "int64": MATRIX.astype(np.int64),
    "uint8": MATRIX.astype(np.uint8),
    "fortran_order": np.asfortranarray(MATRIX),
    "fortran_order_big_endian": np.asfortranarray(MATRIX.astype(">f4")),
    "records": records(("x", "f8"), ("y", "f8")),
    "records_of_many_types": records(("é", ">f4"), ("n", "u2")),
}
BAD_ARRAYS: dict[str, tuple[npt.NDArray[np.generic], str]] = {
    "three_dimensions": (np.zeros((2, 2, 2)), f": an array of 3 dimensions, {NO_MATRIX}"),
    "no_dimension": (np.array(1.0), f": an array of 0 dimensions, {NO_MATRIX}"),
    "complex": (np.array([1j]), ": an array of complex128, not of real numbers"),
    "text": (np.array(["1"]), ": an array of <U1, not of real numbers"),
    "times": (np.array(["2020"], "M8[D]"), ": an array of datetime64[D], not of real numbers"),
    "objects": (np.array([None]), ": an array of object, not of real numbers"),
    "records_with_text": (
        np.array([(1.0, "a")], [("x", "f8"), ("s", "U1")]),
        ", column 2: column 's' holds <U1, not numbers; choose others with --columns",
    ),
    "records_with_vectors": (
        np.zeros(2, [("v", "f8", 3)]),
        ", column 1: column 'v' holds ('<f8', (3,)), not numbers; choose others with --columns",
    ),
    "records_with_nan": (
        np.array([(1.0, 2.0), (3.0, np.nan)], [("x", "f8"), ("y", "f4")]),
        f", row 2, column 2 ('y'): {NAN}",
    ),
    "no_row": (np.empty((0, 2)), ": the array is empty; it needs at least one row and one column"),
    "no_column": (np.empty((2, 0)), ": the array is empty; it needs at least one row and one column"),
    "nan": (np.array([[1, 2], [3, np.nan]]), f", row 2, column 2: {NAN}"),
    "infinity": (np.array([[1, 2], [-np.inf, 4]]), f", row 2, column 1: {INFINITY}"),
    "first_of_many": (np.full((3, 3), np.inf), f", row 1, column 1: {INFINITY}"),
}

in_blocks = pytest.mark.usefixtures("blocks")


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


def test_truth_values_are_0_and_1(npy_path: Path) -> None:
    np.save(npy_path, np.array([[True, False], [False, True]]))
    assert read_splits(npy_path, 1) == [[[1.0, 0.0], [0.0, 1.0]]]
    np.save(npy_path, np.array([(True, 2)], [("b", "?"), ("x", "i4")]))
    assert read_splits(npy_path, 1) == [[[1.0, 2.0]]]


def test_fields_of_records_are_columns(npy_path: Path) -> None:
    np.save(npy_path, np.array([("a", 1.5, 2), ("b", 3.5, 4)], [("id", "U1"), ("x", "f8"), ("n", "i4")]))
    assert read_splits(npy_path, 1, "n,x") == [[[2.0, 1.5], [4.0, 3.5]]]
    assert open_input(npy_path, "2-3").input.names == ("x", "n")


@pytest.mark.filterwarnings("ignore:Stored array in format")
def test_fields_may_have_names_of_any_letters(npy_path: Path) -> None:
    np.save(npy_path, np.array([(1.0, 2.0)], [("身長", "f8"), ("体重", "f8")]))
    assert read_splits(npy_path, 1, "体重,身長") == [[[2.0, 1.0]]]


@in_blocks
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_reads_npz_of_one_array(
    tmp_path: Path, array: npt.NDArray[np.generic], save: Callable[..., None]
) -> None:
    save(tmp_path / "points.npz", array)
    for n in (1, 2, 5, 7):
        assert list(itertools.chain(*read_splits(tmp_path / "points.npz", n))) == ROWS
    backwards = [row[::-1] for row in ROWS]
    assert read_splits(tmp_path / "points.npz", 1, "2,1") == [backwards]


def test_npz_of_several_arrays_is_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "points.npz"
    np.savez(path, train=MATRIX, test=MATRIX)
    assert refusal(path) == f"{path}: it holds several arrays: train, test; save one of them with numpy.save"


def test_any_damaged_byte_of_npz_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.npz"
    np.savez_compressed(path, MATRIX)
    messages = said_of_damage(path)
    assert messages
    assert [message for message in messages if len(message.splitlines()) != 1] == []


def saved(array: npt.NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [saved(MATRIX)[:-8], saved(MATRIX)[:50], b"\x93NUMPY\x09\x09" + bytes(200)],
    ids=["truncated", "truncated_header", "version"],
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
