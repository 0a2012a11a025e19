"""Compiled additions of limbs against those of `SumGrid`."""

import numpy as np
import pytest

from common.kernels.exact import SumGrid, sum_by_key
from common.kernels.limbs import add_numbers, move_rows, read_only
from common.model import FloatArray

GRID = SumGrid.covering([8.0, 8.0], [2.0**-60, 2.0**-60], 100)


def drawn(columns: int) -> FloatArray:
    return np.random.default_rng(0).normal(size=(100, columns))


@pytest.mark.parametrize(("bits", "limbs"), [(48, 1), (40, 2), (30, 3), (25, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 2, 8, 13, 31])
def test_rows_move_from_sum_to_sum(columns: int, dtype: str, bits: int, limbs: int) -> None:
    """What is added and subtracted again leaves nothing; beyond the last sum there is none."""
    grid = SumGrid((3,) * columns, bits, limbs)
    points = (drawn(columns).round() if limbs == 1 else drawn(columns)).astype(dtype)
    sums = np.zeros((3, limbs * columns))
    rows, (none, first, last) = np.arange(0, 100, 2, dtype=np.uint32), np.array([[3], [0], [2]], np.uint32)
    all_of = [np.repeat(key, 50) for key in (none, first, last)]
    move_rows(read_only(points), rows, all_of[0], all_of[1], grid.constants, sums)
    expected = grid.sum(points[::2].astype(np.float64)).ravel()
    assert np.array_equal(sums[0], expected)
    move_rows(read_only(points), rows, all_of[1], all_of[2], grid.constants, sums)
    assert not sums[:2].any()
    assert np.array_equal(sums[2], expected)


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
