"""Ranges of columns by compiled code."""

import numpy as np
import pytest

from common.jobs.apply import map_rows
from common.jobs.rows import Describe
from common.kernels.ranges import ranges_of
from common.model import FloatArray


def by_numpy(points: FloatArray) -> FloatArray:
    magnitudes = np.where(points == 0, np.inf, np.abs(points))
    return np.column_stack([points.min(axis=0), points.max(axis=0), magnitudes.min(axis=0)])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("columns", [1, 2, 3, 40, 100])
@pytest.mark.parametrize("rows", [1, 5, 63, 64, 1000])
def test_they_are_those_that_numpy_finds(rows: int, columns: int, dtype: str) -> None:
    rng = np.random.default_rng(rows)
    points = (rng.normal(size=(rows, columns)) * rng.integers(0, 2, size=(rows, columns))).astype(dtype)
    points[:, 0] = 0.0
    assert np.array_equal(ranges_of(points), by_numpy(points.astype(np.float64)))


def test_many_rows_are_described_as_few() -> None:
    rng = np.random.default_rng(0)
    points = np.round(rng.normal(size=(400_001, 11)), 1)
    points[:, 3] = [-0.0, *np.zeros(len(points) - 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Describe, "_describe")  # compiled code takes its place
        found = map_rows(Describe(), {}, points, 0, combine=True)
    parts = [
        map_rows(Describe(), {}, points[start : start + 1000], 0, combine=True)
        for start in range(0, 400_001, 1000)
    ]
    expected = Describe().reduce_runs(parts)
    assert found.keys.tolist() == expected.keys.tolist() == list(range(11))
    assert found.values.tobytes() == expected.values.tobytes()
    assert found.values[3].tolist() == [0.0, 0.0, np.inf]
