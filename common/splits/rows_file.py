"""Rows in a file of their own: numbers one after the other, as they are in memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np

from common.model import FloatType, PointArray
from common.store.files import write_whole


def write_rows(path: Path, blocks: Iterable[PointArray]) -> int:
    """Write blocks of rows to a file that appears whole or not at all; return how many they are."""
    rows = 0
    with write_whole(path) as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
            rows += len(block)
    return rows


def map_rows_file(path: Path, columns: int, dtype: FloatType) -> PointArray:
    """Map a file made by `write_rows`, shape (rows, columns)."""
    if not path.stat().st_size:
        return cast(PointArray, np.empty((0, columns), dtype))
    return cast(PointArray, np.memmap(path, dtype, "r").reshape(-1, columns))
