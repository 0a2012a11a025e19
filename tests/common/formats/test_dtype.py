"""Numbers rounded to float32 as they are read, and the rows that a mapper keeps of its split."""

import itertools
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from common.errors import InputError
from common.formats import columns
from common.formats.dataset import InputFile, open_input, plan_splits, read_blocks
from common.formats.opening import open_split
from common.model import FloatArray, FloatType, Input, PointArray, Split
from common.store.node import NodeStore
from mapper.task import keep_split
from tests.inputs import save

MATRIX = np.array([[0.1, -2.5], [1e-45, 16777217.0], [-0.0, 1 / 3], [3e38, 1e-50], [7.0, 8.0]])
ROUNDED = MATRIX.astype(np.float32)
SUFFIXES = ["csv", "npy", "parquet"]
GREATEST = math.nextafter((2 - 2**-24) * 2.0**127, 0)
"""The greatest float64 that rounds to a finite float32."""


def refusal(path: Path) -> str:
    file = open_input(path, dtype=FloatType.FLOAT32)
    with pytest.raises(InputError) as caught:
        list(read_blocks(file.input, plan_splits(file, 2)[1]))
    return str(caught.value)


def plan(path: Path, n: int = 1, dtype: FloatType = FloatType.FLOAT64) -> tuple[Input, list[Split]]:
    file = open_input(path, dtype=dtype)
    return file.input, plan_splits(file, n)


def loaded(file: InputFile) -> PointArray:
    """Open a whole file without a cache."""
    (whole,) = plan_splits(file, 1)
    return cast(PointArray, open_split(file.input, whole, cache=None).rows)


def open_all(source: Input, splits: list[Split], folder: Path) -> list[PointArray]:
    """Open splits as the mappers do."""
    store = NodeStore(folder, 1)
    return [cast(PointArray, keep_split(source, split, store, {})) for split in splits]


@pytest.fixture(params=itertools.product([0, 1 << 18], [32, 1 << 20]), autouse=True)
def way_of_reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text by pyarrow and by Python; arrays and tables in many blocks and in one."""
    monkeypatch.setattr("common.formats.parsing._SHORT_BYTES", request.param[0])
    monkeypatch.setattr(columns, "_BLOCK_BYTES", request.param[1])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_float32_is_the_float64_rounded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points.{suffix}"
    save(path, MATRIX)
    file = open_input(path, dtype=FloatType.FLOAT32)
    for n in range(1, 7):
        blocks = [block for split in plan_splits(file, n) for block in read_blocks(file.input, split)]
        assert {block.dtype for block in blocks} == {np.dtype(np.float32)}
        assert np.concatenate(blocks).tobytes() == ROUNDED.tobytes()
    assert loaded(file).tobytes() == ROUNDED.tobytes()


@pytest.mark.parametrize(
    ("suffix", "place"),
    [("csv", "line 5, column 2"), ("npy", "row 5, column 2"), ("parquet", "row 5, column 2 ('x1')")],
)
@pytest.mark.parametrize("value", [math.nextafter(GREATEST, math.inf), -1e39, 1e300])
def test_names_what_does_not_fit(tmp_path: Path, suffix: str, place: str, value: float) -> None:
    path = tmp_path / f"points.{suffix}"
    matrix = MATRIX.copy()
    matrix[4, 1] = value
    save(path, matrix)
    assert refusal(path) == f"{path}, {place}: {value!r} does not fit a float32"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_rounds_to_the_greatest_float32_fits(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points.{suffix}"
    save(path, np.array([[GREATEST, -GREATEST]]))
    file = open_input(path, dtype=FloatType.FLOAT32)
    greatest = float(np.finfo(np.float32).max)
    assert loaded(file).tolist() == [[greatest, -greatest]]


def test_large_integers_are_rounded_by_way_of_float64(tmp_path: Path) -> None:
    """So that it makes no difference in which format they stand."""
    number = 2**62 + 2**38 + 1  # to float32 directly, this rounds up
    np.save(tmp_path / "points.npy", np.array([[number]]))
    (tmp_path / "points.csv").write_text(f"{number}\n")
    for name in ("points.npy", "points.csv"):
        file = open_input(tmp_path / name, dtype=FloatType.FLOAT32)
        assert loaded(file).tolist() == [[2.0**62]]


@pytest.mark.parametrize("dtype", FloatType)
@pytest.mark.parametrize("wanted", [None, "2,1"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mapper_opens_its_rows_again_without_reading_them(
    tmp_path: Path, suffix: str, wanted: str | None, dtype: FloatType
) -> None:
    path = tmp_path / f"points.{suffix}"
    save(path, MATRIX)
    expected = MATRIX.astype(dtype)[:, [1, 0] if wanted else [0, 1]]
    file = open_input(path, wanted, dtype)
    plans = {n: plan_splits(file, n) for n in (7, 3)}
    for _ in range(2):
        for n, splits in plans.items():
            parts = open_all(file.input, splits, tmp_path / f"M{n}")
            assert {part.dtype for part in parts} == {np.dtype(dtype)}
            assert np.concatenate(parts).tobytes() == expected.tobytes()
        if suffix != "npy":  # whose rows may be used where they are
            path.unlink(missing_ok=True)


@pytest.mark.parametrize("stored", FloatType)
@pytest.mark.parametrize("dtype", FloatType)
def test_rows_stored_as_wanted_are_not_copied(tmp_path: Path, stored: FloatType, dtype: FloatType) -> None:
    path = tmp_path / "points.npy"
    np.save(path, ROUNDED.astype(stored))
    parts = open_all(*plan(path, 2, dtype), tmp_path / "node")
    assert np.concatenate(parts).tobytes() == ROUNDED.astype(dtype).tobytes()
    files = {part.filename for part in parts if isinstance(part, np.memmap)}
    assert (files == {str(path)}) == (stored == dtype)


@pytest.mark.parametrize("array", [np.asfortranarray(MATRIX), MATRIX.astype(">f8"), ROUNDED])
def test_rows_stored_otherwise_are_copied(tmp_path: Path, array: FloatArray) -> None:
    path = tmp_path / "points.npy"
    array = np.where(np.abs(array) < 1e3, array, 0).astype(array.dtype)
    np.save(path, array)
    (points,) = open_all(*plan(path), tmp_path / "node")
    assert isinstance(points, np.memmap)
    assert points.filename != str(path)
    assert points.tolist() == array.reshape(len(array), -1).astype(np.float64).tolist()


def test_rows_stored_as_wanted_are_checked_and_the_file_must_stay(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, np.array([[1.0], [np.nan]]))
    for _ in range(2):  # a refused split is refused again
        with pytest.raises(InputError, match="row 2, column 1: nan is not a number"):
            open_all(*plan(path), tmp_path / "node")
    np.save(path, MATRIX)
    file = open_input(path)
    (split,) = plan_splits(file, 1)
    store = NodeStore(tmp_path / "node", 1)
    assert np.asarray(keep_split(file.input, split, store, {})).tolist() == MATRIX.tolist()
    np.save(path, MATRIX[:-1])
    with pytest.raises(InputError, match="the file changed while the run was using it"):
        keep_split(file.input, split, store, {})
