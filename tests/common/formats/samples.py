"""Files of NumPy and Parquet, and what is read of them, for several tests."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

from common.errors import InputError
from common.formats.dataset import open_input, plan_splits, read_all, read_blocks
from common.model import FloatArray

Columns: TypeAlias = Mapping[str, Sequence[object]]
File: TypeAlias = Path | BinaryIO
Save: TypeAlias = Callable[[Any, FloatArray], object]
ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
MATRIX = np.array(ROWS)
NAN, INFINITY = "nan is not a number", "infinity is not allowed"
EMPTY_FIELD = "the field is empty; every field needs a number"


def save_table(path: File, columns: Columns, rows_a_group: int = 2) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=rows_a_group)


def write_parquet(path: Path, table: pyarrow.Table, rows: int = 2) -> None:
    pyarrow.parquet.write_table(table, path, row_group_size=rows)


def write_arrow(path: Path, table: pyarrow.Table, rows: int = 2, compression: str | None = None) -> None:
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_file(path, table.schema, options=options) as file:
        file.write_table(table, rows)


def write_feather(path: Path, table: pyarrow.Table, rows: int = 2) -> None:
    write_arrow(path, table, rows, "lz4")


WRITE_TABLE: dict[str, Callable[[Path, pyarrow.Table], None]] = {
    "parquet": write_parquet,
    "arrow": write_arrow,
    "feather": write_feather,
}


def save_parquet(path: File, matrix: FloatArray) -> None:
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


def said_of_damage(path: Path, step: int = 1) -> list[str]:
    """Damage a file at every byte, or each so many, one at a time; return what the refusals say."""
    content, messages = path.read_bytes(), []
    for place in range(0, len(content), step):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            read_all(path)
        except InputError as error:
            messages.append(str(error))
    return messages
