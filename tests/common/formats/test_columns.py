"""Which columns are used, and which numbers can be clustered."""

import math

import numpy as np
import pytest

from common.errors import InputError, UsageError
from common.formats.columns import are_usable, choose_columns, problem_with, usable
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import Dialect, FloatType, Input, InputFormat

NAMES = ["x", "y", "7", "z"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, (0, 1, 2, 3)),
        ("z, x", (3, 0)),
        ("1,3-4", (0, 2, 3)),
        ("7", (2,)),  # a name goes before a position
        ("2-2", (1,)),
    ],
)
def test_names_positions_and_ranges(wanted: str | None, expected: tuple[int, ...]) -> None:
    assert choose_columns("file", wanted, NAMES, 4) == expected


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("a", "--columns: file has no column 'a'; its columns are x, y, 7, z"),
        ("0", "--columns 0: file has only columns 1 to 4"),
        ("3-2", "--columns 3-2: a range begins with the lower position: 2-3"),
        ("x,1", "--columns x,1 names a column twice"),
    ],
)
def test_columns_that_are_refused(wanted: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_columns("file", wanted, NAMES, 4)
    assert str(caught.value) == text


@pytest.mark.parametrize("dtype", FloatType)
def test_the_largest_number_of_each_type(dtype: FloatType) -> None:
    largest = LARGEST_MAGNITUDE if dtype is FloatType.FLOAT64 else float(np.finfo(np.float32).max)
    beyond = math.nextafter(LARGEST_MAGNITUDE, math.inf) if dtype is FloatType.FLOAT64 else 1e39
    for sign in (1, -1):
        assert problem_with(sign * largest, dtype) is None
        assert are_usable(np.array([[sign * largest]]), dtype)
        assert problem_with(sign * beyond, dtype)
        assert not are_usable(np.array([[sign * beyond]]), dtype)


def test_the_first_bad_number_is_named_by_row_and_column_of_the_file() -> None:
    source = Input("file", InputFormat.NPY, Dialect(), 5, (4, 1), 9, 0, 0, FloatType.FLOAT64)
    points = np.array([[1.0, 2.0], [3.0, np.nan], [np.inf, 4.0]])
    with pytest.raises(InputError) as caught:
        usable(points, source, 10)
    assert str(caught.value) == "file, row 12, column 2: nan is not a number"
    assert usable(points[:1], source, 0).base is points
