"""The data are drawn from a seed."""

from pathlib import Path

import numpy as np
import pytest

from scripts.bench.data import generate, initial_rows, write_csv


@pytest.mark.parametrize("kind", ["blobs", "cloud"])
def test_data_follow_from_the_seed(kind: str) -> None:
    points = generate(kind, 1000, 3, 4, seed=1)
    assert points.shape == (1000, 3)
    np.testing.assert_array_equal(points, generate(kind, 1000, 3, 4, seed=1))
    assert not np.array_equal(points, generate(kind, 1000, 3, 4, seed=2))
    initial = initial_rows(points, 10, seed=1)
    assert len(np.unique(initial, axis=0)) == 10
    assert all((points == row).all(axis=1).any() for row in initial)


def test_csv_keeps_all_digits(tmp_path: Path) -> None:
    points = generate("blobs", 200, 3, 4, seed=0)
    write_csv(tmp_path / "points.csv", points)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "points.csv", delimiter=","), points)
