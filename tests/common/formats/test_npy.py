"""NumPy files: what is read of them, and what is said of bad ones."""

import io
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from common.errors import InputError
from common.formats.dataset import open_input, plan_splits, read_blocks
from tests.common.formats.samples import INFINITY, MATRIX, NAN, ROWS, read_splits, refusal

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
