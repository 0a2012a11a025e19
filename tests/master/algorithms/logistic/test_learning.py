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
