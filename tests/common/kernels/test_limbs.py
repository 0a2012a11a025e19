"""Compiled additions of limbs against those of `SumGrid`."""

import numpy as np
import pytest
from numba import njit

from common.kernels.exact import SumGrid, sum_by_key
from common.kernels.limbs import add_numbers, add_row, read_only
from common.model import FloatArray

GRID = SumGrid.covering([8.0, 8.0], [2.0**-60, 2.0**-60], 100)


@njit
def add_one(row, constants, sums, key):  # type: ignore[no-untyped-def]
    add_row(row, constants, sums, np.uint64(key))


def drawn(columns: int) -> FloatArray:
    return np.random.default_rng(0).normal(size=(100, columns))


def test_a_row_is_cut_and_added_and_its_negative_leaves_nothing() -> None:
    points, sums = drawn(2), np.zeros((3, GRID.limbs * 2))
    for row in points:
        add_one(row.copy(), GRID.constants, sums, 1)
    assert np.array_equal(sums[1], GRID.sum(points).ravel())
    for row in points:
        add_one(-row, GRID.constants, sums, 1)
    assert not sums.any()


def test_numbers_are_counted_and_added_by_label() -> None:
    grid = SumGrid.covering([8.0], [2.0**-60], 100)
    numbers, labels = drawn(1)[:, 0], np.random.default_rng(1).integers(4, size=100).astype(np.int32)
    counts, sums = np.zeros(4), np.zeros((4, grid.limbs))
    add_numbers(labels, numbers, grid.constants, counts, sums)
    assert counts.tolist() == np.bincount(labels).tolist()
    assert np.array_equal(sums, sum_by_key(labels, grid.cut(numbers[:, None])[:, 0], 4))


def test_read_only_shows_the_same_numbers_and_refuses_to_change_them() -> None:
    points = drawn(2)
    view = read_only(points)
    assert np.shares_memory(view, points)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1.0
    points[0, 0] = 1.0
