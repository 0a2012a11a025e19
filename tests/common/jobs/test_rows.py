"""Jobs about the input's rows."""

import numpy as np
import pytest

from common.jobs.rows import Describe, FirstDistinctRows
from tests.common.jobs.cases import at_once, find_ranges


@pytest.mark.parametrize("rows", [63, 64, 65, 1000])
@pytest.mark.parametrize("columns", [1, 3])
def test_ranges_of_many_rows(rows: int, columns: int) -> None:
    """They are found for many rows at a time."""
    drawn = np.random.default_rng(rows).normal(size=(rows, columns)).round(1)
    assert 0 in drawn or rows < 1000
    points = drawn + np.arange(columns)
    assert at_once(Describe(), {}, points) == find_ranges(points)
    assert at_once(Describe(), {}, points[::-1]) == find_ranges(points)


def test_distinct_rows_are_found_far_down() -> None:
    points = np.array([[0.0, 7.0]] * 500 + [[-0.0, 7.0], [1.0, 7.0], [0.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    found = at_once(FirstDistinctRows(3), {}, points)
    assert found == {0: [[0.0, 0.0, 7.0], [501.0, 1.0, 7.0], [503.0, 2.0, 7.0]]}
