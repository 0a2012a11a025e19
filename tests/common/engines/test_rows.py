"""The rows that a Spark or Dask worker keeps."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from common.engines import rows
from common.engines.rows import FilePart, RowsLostError, StoredPart, forget, held
from common.engines.vectors import Flaw, as_table
from common.errors import InputError
from common.formats.dataset import open_input, plan_splits
from common.formats.line_index import PLAIN
from common.formats.opening import store_rows
from common.formats.texts import TextCodes
from common.model import Input, InputFormat, PointArray, Table


@pytest.fixture
def part(tmp_path: Path) -> FilePart:
    path = tmp_path / "points.csv"
    path.write_text("1,2\n3,4\n")
    file = open_input(path)
    (split,) = plan_splits(file, 1)
    return FilePart(file.input, split)


def test_all_processes_that_share_a_folder_parse_once(part: FilePart, tmp_path: Path) -> None:
    first = cast(PointArray, part.open(tmp_path))
    Path(part.source.path).unlink()
    assert np.array_equal(cast(PointArray, part.open(tmp_path)), first)
    assert len(list(tmp_path.glob("rows-*"))) == 1


def test_a_part_is_opened_once_and_its_memory_is_that_of_the_run(part: FilePart, tmp_path: Path) -> None:
    try:
        with held("a", part, tmp_path) as (opened, memory):
            memory["x"] = 1
        with held("a", part, tmp_path) as again:
            assert again[0] is opened
            assert again[1] == {"x": 1}
        with held("b", part, tmp_path) as again:
            assert again[0] is opened
            assert again[1] == {}
    finally:
        forget("b")


def test_a_held_part_whose_file_changed_is_refused(part: FilePart, tmp_path: Path) -> None:
    try:
        with held("a", part, tmp_path):
            pass
        Path(part.source.path).write_text("1,2\n3,5\n7,8\n")
        with pytest.raises(InputError, match="changed while the run was using it"), held("a", part, tmp_path):
            pass
    finally:
        forget("a")


def test_a_worker_without_the_file_says_where(part: FilePart, tmp_path: Path) -> None:
    Path(part.source.path).unlink()
    there = f"\\(on host {socket.gethostname()}; every worker needs the file at this path\\)$"
    with pytest.raises(InputError, match=there):
        part.open(tmp_path)


def test_the_least_used_parts_are_dropped(
    part: FilePart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_MOST_ROWS", 2)
    other = FilePart(part.source, plan_splits(open_input(part.source.path), 2)[1])
    try:
        for each in (part, other):
            with held("a", each, tmp_path):
                pass
        assert list(rows._held) == [other]
    finally:
        forget("a")


NUMBERS = Input("rows", InputFormat.PARQUET, PLAIN, 2, (0, 1), 1, 0, 0)
TABLE = replace(NUMBERS, is_table=True, texts=(1,))


def test_stored_rows_are_mapped_or_lost(tmp_path: Path) -> None:
    path = tmp_path / "rows-x"
    store_rows(path, NUMBERS, [np.array([[1.0, 2.0]])], TextCodes(NUMBERS))
    stored = StoredPart(0, NUMBERS, 1, str(path))
    assert cast(PointArray, stored.open(tmp_path)).tolist() == [[1.0, 2.0]]
    path.unlink()
    with pytest.raises(RowsLostError):
        stored.open(tmp_path)


@pytest.mark.parametrize("lost", ["rows-x", "rows-x.texts"])
def test_the_texts_of_a_table_are_stored_beside_its_rows(tmp_path: Path, lost: str) -> None:
    codes = TextCodes(TABLE)
    rows = as_table([[1.0, 2.0, 3.0], ["b", "a", "b"]], codes, TABLE.dtype)
    assert not isinstance(rows, Flaw)
    store_rows(tmp_path / "rows-x", TABLE, [rows], codes)
    stored = StoredPart(0, TABLE, 3, str(tmp_path / "rows-x"))
    table = cast(Table, stored.open(tmp_path))
    assert table.points.tolist() == [[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]
    assert table.texts == {1: ("b", "a")}
    (tmp_path / lost).unlink()
    with pytest.raises(RowsLostError):
        stored.open(tmp_path)
