"""Checks of what a message holds: numbers have bounds, and words are known ones."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from common.errors import BadRequestError

MOST_ROWS = 1 << 53
"""Row numbers beyond this are not exact in float64."""
MOST_BYTES = (1 << 63) - 1
MOST_TASKS = 1 << 20
MOST_COLUMNS = 1 << 20
MOST_PARTITIONS = 1 << 14
"""Each is a file, and an entry in every answer of a mapper."""

_Wire = TypeVar("_Wire")
_Ours = TypeVar("_Ours")
_Number = TypeVar("_Number", int, float)


def within(number: _Number, low: float, high: float, what: str) -> _Number:
    """Return the number if it is from low to high, both included; else, as for nan, raise BadRequestError."""
    if not low <= number <= high:
        raise BadRequestError(f"{what} is {number}, not from {low} to {high}")
    return number


class Table(Generic[_Wire, _Ours]):
    """Our word for each value that the wire has for something; errors call it `what`."""

    def __init__(self, what: str, meanings: Mapping[_Wire, _Ours]) -> None:
        self._what = what
        self._ours = dict(meanings)
        self._wire = {ours: wire for wire, ours in meanings.items()}

    def pack(self, value: _Ours) -> _Wire:
        """Return the wire's value for our word."""
        return self._wire[value]

    def unpack(self, value: _Wire) -> _Ours:
        """Return our word for the wire's value; BadRequestError if there is none."""
        if value not in self._ours:
            raise BadRequestError(f"unknown {self._what} {value!r}")
        return self._ours[value]
