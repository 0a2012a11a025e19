"""Exact sums against math.fsum, whose result is the exact sum rounded once."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.strategies import (
    DataObject,
    SearchStrategy,
    booleans,
    builds,
    data,
    floats,
    integers,
    lists,
    permutations,
    sampled_from,
)

from common.kernels.exact import (
    LARGEST_MAGNITUDE,
    LOWEST_EXPONENT,
    SumGrid,
    last_bit,
    round_once,
    sum_all,
    sum_by_key,
)
from common.model import FloatArray
from master.algorithms.kmeans.score import Ranges

ANY = data()
LARGEST = 2.0**500
"""The sums can do more than the input may hold."""
SUBNORMAL = builds(lambda units: units * 2.0**LOWEST_EXPONENT, integers(-(2**52), 2**52))
FULL_SIGNIFICAND = builds(math.ldexp, integers(1 - 2**53, 2**53 - 1), integers(LOWEST_EXPONENT, 447))
EXTREME = sampled_from([0.0, -0.0, 5e-324, 2.0**-1022, 0.1, 1.0, LARGEST, -LARGEST])
NUMBER = floats(-LARGEST, LARGEST) | SUBNORMAL | FULL_SIGNIFICAND | EXTREME | floats(-10, 10)
COLUMNS = 2


def with_opposites(rows: list[list[float]], opposites: bool) -> FloatArray:
    """Make all but the first row cancel, if asked."""
    values = np.array(rows)
    return np.concatenate([values, -values[1:]]) if opposites else values


ROWS = lists(lists(NUMBER, min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=30)
MATRIX: SearchStrategy[FloatArray] = builds(with_opposites, ROWS, booleans())


def grid_of(values: FloatArray, rows: int = 0) -> SumGrid:
    """Choose the cuts as the master does."""
    magnitudes = np.abs(values)
    smallest = np.where(magnitudes > 0, magnitudes, np.inf).min(axis=0)
    smallest[np.isinf(smallest)] = 0.0
    return SumGrid.covering(magnitudes.max(axis=0).tolist(), smallest.tolist(), max(rows, len(values)))


def exact_sums(values: FloatArray) -> list[float]:
    return [math.fsum(column) for column in values.T.tolist()]


@given(values=MATRIX)
def test_sums_are_the_exact_sums_rounded_once(values: FloatArray) -> None:
    grid = grid_of(values)
    assert round_once(sum_all(grid.cut(values))).tolist() == exact_sums(values)


@given(rows=lists(lists(NUMBER, min_size=4, max_size=4), min_size=1, max_size=6))
@example(rows=[[1.0], [2.0**-53], [2.0**-200]])
@example(rows=[[1.0], [2.0**-53], [-(2.0**-200)]])
@example(rows=[[-0.0], [0.0]])
def test_many_sums_are_rounded_as_each_alone(rows: list[list[float]]) -> None:
    limbs = np.tile(rows, 100)
    expected = [math.fsum(column) for column in limbs.T.tolist()]
    assert round_once(limbs).tobytes() == np.array(expected).tobytes()


@given(values=MATRIX)
def test_each_number_is_the_sum_of_its_limbs(values: FloatArray) -> None:
    limbs = grid_of(values).cut(values)
    assert round_once(limbs.reshape(len(limbs), -1)).tolist() == values.T.ravel().tolist()


@given(values=MATRIX, pick=ANY, rows=integers(1, 2**45))
def test_sums_by_key_are_exact_and_a_grid_for_more_rows_is_right(
    values: FloatArray, pick: DataObject, rows: int
) -> None:
    size = pick.draw(integers(1, 4))
    keys = np.array(
        pick.draw(lists(integers(0, size - 1), min_size=len(values), max_size=len(values))), np.int32
    )
    grid = grid_of(values, rows)
    sums = sum_by_key(keys, grid.cut(values).reshape(-1, len(values)), size)
    assert sums.shape == (size, grid.limbs * COLUMNS)
    found = [round_once(row.reshape(grid.limbs, COLUMNS)).tolist() for row in sums]
    assert found == [exact_sums(values[keys == key]) for key in range(size)]


@given(values=MATRIX, pick=ANY)
def test_parts_added_in_any_order_give_the_same_limbs(values: FloatArray, pick: DataObject) -> None:
    grid = grid_of(values)
    shuffled = values[pick.draw(permutations(range(len(values))))]
    cuts = sorted(pick.draw(lists(integers(0, len(values)), max_size=6)))
    parts = [sum_all(grid.cut(part)) for part in np.split(shuffled, cuts)]
    total = np.zeros((grid.limbs, COLUMNS))
    for part in pick.draw(permutations(parts)):
        total += part
    assert total.tolist() == sum_all(grid.cut(values)).tolist()
    assert round_once(total).tolist() == exact_sums(values)


@given(values=MATRIX)
def test_partial_sums_of_many_rows_stay_exact(values: FloatArray) -> None:
    """The same rows 2**k times over, by adding the sums to themselves k times."""
    doublings = 20
    total = sum_all(grid_of(values, len(values) << doublings).cut(values))
    for _ in range(doublings):
        total += total
    expected = [math.ldexp(math.fsum(column), doublings) for column in values.T.tolist()]
    assert round_once(total).tolist() == expected


@given(values=MATRIX, rows=integers(1, 2**45))
def test_a_grid_survives_the_wire(values: FloatArray, rows: int) -> None:
    grid = grid_of(values, rows)
    array = grid.to_array()
    assert array.dtype == np.int32
    assert SumGrid.from_array(array) == grid
    assert grid.columns == COLUMNS


@given(value=floats(0, exclude_min=True, allow_infinity=False), factor=floats(1, 2**60))
def test_last_bit_divides_every_number_at_least_as_large(value: float, factor: float) -> None:
    larger = value * factor
    exponent = last_bit(value)
    assert exponent >= LOWEST_EXPONENT
    if math.isfinite(larger):
        numerator, denominator = larger.as_integer_ratio()
        assert (numerator << max(-exponent, 0)) % (denominator << max(exponent, 0)) == 0


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 2.0**-1022, 0.1, -LARGEST])
def test_a_single_number_is_kept(value: float) -> None:
    values = np.array([[value]])
    assert round_once(sum_all(grid_of(values).cut(values))).tolist() == [value]


def test_cutting_does_not_change_the_numbers() -> None:
    values = np.array([[1.5, 1e-300], [-2.25, 1e300 / 1e150]])
    before = values.copy()
    grid_of(values).cut(values)
    assert values.tolist() == before.tolist()


def test_no_row_sums_up_to_zero() -> None:
    grid = SumGrid.covering([1.0, 2.0], [0.5, 0.5], 10)
    assert round_once(sum_all(grid.cut(np.empty((0, 2))))).tolist() == [0.0, 0.0]


def test_the_largest_squared_distances_of_many_rows_add_up() -> None:
    largest = LARGEST_MAGNITUDE
    ranges = Ranges(rows=1 << 30, lowest=(-largest,), highest=(largest,), smallest=(largest,))
    grid = ranges.distance_grid(np.array([[largest]]))
    squared = np.array([[(2 * largest) ** 2], [0.0], [(2 * largest) ** 2]])
    assert round_once(sum_all(grid.cut(squared))).tolist() == [2 * (2 * largest) ** 2]
