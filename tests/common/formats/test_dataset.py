"""What a worker may read; how an opened file is described and split; what all formats have in common."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from common.formats.dataset import (
    InputFile,
    input_of,
    open_input,
    plan_splits,
    read_all,
    read_blocks,
    resolve_input,
)
from common.formats.line_index import PLAIN
from common.model import FloatType, Input, InputFormat, Split
from tests.common.formats.samples import MATRIX, SAVE, refusal

TOO_LARGE = "1e+200 is larger than ±3.12e+144; squared distances would overflow"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a file in it, beside files that are nobody's business."""
    inside = tmp_path / "root" / "sub"
    inside.mkdir(parents=True)
    (inside / "points.csv").write_text("1,2\n")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "points.csv").write_text("1,2\n")
    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "folder_out").symlink_to(tmp_path / "root2")
    (inside / "in").symlink_to(inside / "points.csv")
    os.mkfifo(inside / "pipe")
    return tmp_path / "root"


def test_files_below_the_root_are_found(root: Path) -> None:
    there = str(root / "sub" / "points.csv")
    assert resolve_input(there, root) == there
    assert resolve_input("sub/points.csv", root) == there
    assert resolve_input(str(root / "sub" / "in"), root) == there
    assert resolve_input("/anywhere", None) == "/anywhere"


def test_a_root_may_itself_be_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert resolve_input(str(link / "sub" / "points.csv"), link) == str(root / "sub" / "points.csv")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/no/such/file",
        "{root}",
        "{root}/../secret",
        "{root}/sub/../sub/points.csv",
        "../secret",
        "sub/out",
        "sub/folder_out/points.csv",
        "{root}2/points.csv",
        "",
    ],
)
def test_what_lies_elsewhere_is_refused(root: Path, path: str) -> None:
    path = path.format(root=root)
    with pytest.raises(InputError) as caught:
        resolve_input(path, root)
    assert str(caught.value) == f"{path}: not below the --data-root of this worker"


@pytest.mark.parametrize("path", ["sub", "sub/pipe"])
def test_what_is_no_file_is_refused(root: Path, path: str) -> None:
    with pytest.raises(InputError, match=f"^{path}: not a file$"):
        resolve_input(path, root)


@pytest.mark.parametrize(("suffix", "column"), [("npy", "1"), ("parquet", "1 ('x')")])
def test_refuses_too_large_numbers(tmp_path: Path, suffix: str, column: str) -> None:
    path = tmp_path / f"points.{suffix}"
    SAVE[suffix](path, np.array([[1, 2], [1e200, 3]]))
    assert refusal(path) == f"{path}, row 2, column {column}: {TOO_LARGE}"


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
    names = () if kind is InputFormat.NPY else ("y",)
    described = Input(str(path), kind, PLAIN, 2, (1,), 5, status.st_size, status.st_mtime_ns, names=names)
    assert open_input(path, "2").input == described


@pytest.mark.parametrize("suffix", ["npy", "parquet", "txt"])
@pytest.mark.parametrize("name", ["points", "points.PARQUET", "points.parq", "points.NPY", "points.csv"])
def test_the_name_of_a_file_tells_nothing(tmp_path: Path, suffix: str, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        SAVE[suffix](file, MATRIX)
    assert read_all(tmp_path / name).tolist() == MATRIX.tolist()


def test_description_and_splits(tmp_path: Path) -> None:
    path = tmp_path / "link.npy"
    (tmp_path / "file.npy").write_bytes(b"four")
    path.symlink_to("file.npy")
    found = input_of(path, InputFormat.NPY, 3, (2, 0), rows=5, dtype=FloatType.FLOAT32)
    assert (found.path, found.size_bytes) == (str(tmp_path / "file.npy"), 4)
    assert found.mtime_ns == path.stat().st_mtime_ns
    assert (found.fields, found.columns, found.rows, found.dtype) == (3, (2, 0), 5, FloatType.FLOAT32)
    assert InputFile(input=found).split([0, 2, 2, 5]) == [Split(0, 0, 2), Split(1, 2, 2), Split(2, 2, 5)]
