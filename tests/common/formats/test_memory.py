"""A split may be larger than memory: reading it takes a few blocks' room, whatever the number of rows."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from common.formats.dataset import open_input, plan_splits
from common.kernels.__main__ import make_ready
from common.model import FloatType
from common.store.node import NodeStore
from mapper.task import keep_split

MOST_BYTES = 20 << 20
ROWS, COLUMNS = 1_000_000, 8


def save(path: Path) -> None:
    matrix = np.random.default_rng(0).integers(0, 1000, size=(ROWS, COLUMNS)) / 8
    table = pyarrow.table({f"x{i}": column for i, column in enumerate(matrix.T.copy())})
    if path.suffix == ".npy":
        np.save(path, matrix)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=ROWS)
    else:
        options = pyarrow.csv.WriteOptions(delimiter="," if path.suffix == ".csv" else " ")
        pyarrow.csv.write_csv(table, path, options)


@pytest.mark.parametrize("dtype", FloatType)
@pytest.mark.parametrize("suffix", ["csv", "txt", "npy", "parquet"])
def test_reading_takes_little_memory(tmp_path: Path, suffix: str, dtype: FloatType) -> None:
    path = tmp_path / f"points.{suffix}"
    save(path)
    make_ready(dtype)  # compiled code is loaded meanwhile, and is no part of reading
    pool, usual = pyarrow.proxy_memory_pool(pyarrow.default_memory_pool()), pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pool)
    tracemalloc.start()
    try:
        file = open_input(path, dtype=dtype)
        (split,) = plan_splits(file, 1)
        points = keep_split(file.input, split, NodeStore(tmp_path / "node", 1), {})
        peak = tracemalloc.get_traced_memory()[1] + pool.max_memory()
    finally:
        tracemalloc.stop()
        pyarrow.set_memory_pool(usual)
    assert isinstance(points, np.memmap)
    assert points.shape == (ROWS, COLUMNS)
    assert peak < MOST_BYTES < points.nbytes
