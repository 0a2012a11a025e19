"""What is learnt of a table's columns."""

import numpy as np
import pytest

from common.errors import InputError
from common.jobs.encoding import Sample
from master.algorithms.logistic.learning import Learned, learn
from tests.master.algorithms.logistic.tables import in_memory


def learned(points: np.ndarray, texts: tuple[str, ...]) -> Learned:
    return learn(*in_memory(points, texts), Sample(), balanced=False)


ROWS = np.array([[1.0, 0.0], [2.0, 1.0]])


def test_classes_that_one_float_stands_for_are_two() -> None:
    texts = ("9007199254740993", "9007199254740992")
    assert learned(ROWS, texts).classes == texts[::-1]


def test_one_number_in_two_ways_is_refused() -> None:
    with pytest.raises(InputError, match=r"classes '1' and '1\.0' are one number written in two ways"):
        learned(ROWS, ("1", "1.0"))


def test_the_mean_of_a_constant_column_is_its_value() -> None:
    """The sum of its numbers has more digits than fit, so that the quotient may be a unit off."""
    constants = [1e22 / 3, 0.1, -7e100 / 3]
    for count in (41, 53, 100):
        rows = np.column_stack([np.full((count, 3), constants), np.arange(count) % 2])
        found = learned(rows, ("no", "yes"))
        assert found.scaling.mean.tolist() == constants
        assert (found.scaling.scale.tolist(), found.grid.top) == ([1.0, 1.0, 1.0], (0, 0, 0))


def test_a_mean_is_within_the_range_of_its_numbers() -> None:
    rows = np.column_stack([np.full(41, low := 1.9), np.arange(41) % 2])
    rows[0, 0] = high = np.nextafter(low, 2)
    assert low <= learned(rows, ("no", "yes")).scaling.mean[0] <= high
