"""Bounds of numbers, and words of enumerations."""

import pytest

from common.errors import BadRequestError
from common.rpc.checks import Table, within

TABLE = Table("colour", {1: "red", 2: "green"})


@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_number_within_its_bounds(number: int) -> None:
    assert within(number, 3, 5, "rows") == number


@pytest.mark.parametrize("number", [2, 6])
def test_a_number_out_of_bounds(number: int) -> None:
    with pytest.raises(BadRequestError, match=f"^rows is {number}, not from 3 to 5$"):
        within(number, 3, 5, "rows")


def test_a_table_goes_both_ways() -> None:
    assert [TABLE.unpack(TABLE.pack(word)) for word in ("red", "green")] == ["red", "green"]


def test_a_word_that_the_table_does_not_have() -> None:
    with pytest.raises(BadRequestError, match=r"^unknown colour 3$"):
        TABLE.unpack(3)
