"""Rows in a file of their own."""

from pathlib import Path

import numpy as np
import pytest

from common.model import FloatType
from common.splits.rows_file import map_rows_file, write_rows

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize("dtype", FloatType)
def test_rows_are_mapped_as_they_were_written(tmp_path: Path, dtype: FloatType) -> None:
    blocks = [MATRIX.astype(dtype)[:2], MATRIX.astype(dtype)[2:]]
    assert write_rows(tmp_path / "rows", blocks) == 3
    assert map_rows_file(tmp_path / "rows", 2, dtype).tolist() == MATRIX.tolist()
    assert write_rows(tmp_path / "none", []) == 0
    assert map_rows_file(tmp_path / "none", 2, dtype).shape == (0, 2)
