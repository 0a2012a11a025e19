"""A split is opened without doing anything twice, and never from a file that has changed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from common.errors import InputError
from common.formats.dataset import InputFile, open_input, open_lines, plan_splits, read_blocks
from common.formats.opening import map_rows_file, open_split, write_rows
from common.formats.texts import TextCodes
from common.model import FloatType, Input, PointArray, Split
from tests.inputs import save
from tests.programs import PATIENCE_S, ROOT, environment

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
OPEN: dict[str, Callable[[Path], InputFile]] = {
    "csv": open_input,
    "npy": open_input,
    "parquet": open_input,
    "lines": open_lines,
}


@pytest.fixture(params=OPEN)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> InputFile:
    path = tmp_path / f"points.{request.param}"
    save(path, MATRIX)
    return OPEN[request.param](path)


def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[Split]:
    """Return a list that grows with each split that is read and checked."""
    read: list[Split] = []

    def counted(source: Input, split: Split, texts: TextCodes | None = None) -> object:
        read.append(split)
        return read_blocks(source, split, texts)

    monkeypatch.setattr("common.formats.opening.read_blocks", counted)
    return read


def test_each_split_is_read_once(file: InputFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_readings(monkeypatch)
    parts = plan_splits(file, 2)
    for _ in range(3):
        opened = [open_split(file.input, part, tmp_path / f"cache-{part.index}") for part in parts]
        assert sum(len(each.rows) for each in opened) == 3
        assert {each.in_place for each in opened} == {file.input.format in ("npy", "lines")}
    assert read == parts


def test_the_same_rows_with_and_without_a_cache(file: InputFile, tmp_path: Path) -> None:
    for part in plan_splits(file, 5):  # some of them are empty
        kept = cast(PointArray, open_split(file.input, part, tmp_path / f"cache-{part.index}").rows)
        assert len(kept) == part.rows
        assert np.array_equal(list(kept), list(cast(PointArray, open_split(file.input, part, None).rows)))


@pytest.mark.parametrize("cached", [False, True])
def test_a_changed_file_is_refused(file: InputFile, tmp_path: Path, cached: bool) -> None:
    path = Path(file.input.path)
    path.write_bytes(path.read_bytes() + b"\n")
    (whole,) = plan_splits(file, 1)
    with pytest.raises(InputError, match="the file changed while the run was using it"):
        open_split(file.input, whole, tmp_path / "cache" if cached else None)
    assert not (tmp_path / "cache").exists()


def test_other_rows_than_planned_are_a_change(tmp_path: Path) -> None:
    """Say that size and time are the same, and the lines are not."""
    path = tmp_path / "points.csv"
    save(path, MATRIX)
    file = open_input(path)
    (whole,) = plan_splits(file, 1)
    for rows in (2, 4):
        other = Split(0, 0, rows, whole.byte_start, whole.byte_stop)
        with pytest.raises(InputError, match="the file changed while the run was using it"):
            open_split(file.input, other, tmp_path / "cache")
        assert not (tmp_path / "cache").exists()


def test_what_is_refused_leaves_no_cache(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, [[1.0], [np.nan]])
    file = open_input(path)
    (whole,) = plan_splits(file, 1)
    for _ in range(2):
        with pytest.raises(InputError, match="row 2, column 1: nan"):
            open_split(file.input, whole, tmp_path / "cache")


@pytest.mark.parametrize("dtype", FloatType)
def test_rows_are_mapped_as_they_were_written(tmp_path: Path, dtype: FloatType) -> None:
    blocks = [MATRIX.astype(dtype)[:2], MATRIX.astype(dtype)[2:]]
    assert write_rows(tmp_path / "rows", blocks) == 3
    assert map_rows_file(tmp_path / "rows", 2, dtype).tolist() == MATRIX.tolist()
    assert write_rows(tmp_path / "none", []) == 0
    assert map_rows_file(tmp_path / "none", 2, dtype).shape == (0, 2)


READ = """
import sys
from common.formats.opening import kernels_loading
from common.model import FloatType
with kernels_loading(int(sys.argv[1]), 1, FloatType.FLOAT64):
    pass
print("common.kernels.__main__" in sys.modules)
"""


@pytest.mark.parametrize(("numbers", "expected"), [(1_000, "False\n"), (1_000_000, "True\n")])
def test_kernels_are_loaded_for_many_numbers(numbers: int, expected: str) -> None:
    command = [sys.executable, "-c", READ, str(numbers)]
    assert (
        subprocess.check_output(command, cwd=ROOT, env=environment(), text=True, timeout=PATIENCE_S)
        == expected
    )
