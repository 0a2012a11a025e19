"""Parquet files: what is read of them, and what is said of bad ones."""

import itertools
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from common.errors import MapReduceError, UsageError
from common.formats.dataset import open_input
from tests.common.formats.samples import (
    MATRIX,
    ROWS,
    read_splits,
    refusal,
    said_of_damage,
    save_parquet,
    save_table,
)

in_blocks = pytest.mark.usefixtures("blocks")


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


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1\x15\4", b"PAR1\x15" + b"1,2\n" * 10])
def test_refuses_what_is_not_parquet(parquet_path: Path, content: bytes) -> None:
    parquet_path.write_bytes(content)
    message = refusal(parquet_path)
    assert message.startswith(f"{parquet_path}: not a usable Parquet file (")
    assert message.splitlines() == [message]


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
    messages = said_of_damage(parquet_path)
    assert messages
    assert [message for message in messages if len(message.splitlines()) != 1] == []
