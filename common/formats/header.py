"""Whether the first row of a text file holds the columns' names."""

import re
from collections.abc import Sequence
from itertools import pairwise

from common.formats.fields import MISSING

_BEGINS_AS_NUMBER = re.compile(rb"[\"']?[+-]?\.?\d")
_DATE = re.compile(rb"\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b.*")
_YEARS = frozenset(range(1800, 2101))


def is_header(first: Sequence[bytes], second: Sequence[bytes], delimiter: str) -> bool | None:
    """Tell whether the first of two rows, cut into fields, holds names; None if it may be either.

    It does if one field is a name and none a number. It does not if none is a name, or if those that are
    stand above other text. There is no telling if a name stands above a number in a row that has numbers,
    too; if its numbers are years that follow each other, and those of the second row are none; or if they
    are 0, 1, 2 and so on, as pandas names columns, between delimiters.
    """
    kinds, below = list(map(_kind, first)), list(map(_kind, second))
    if "name" in kinds and "number" not in kinds:
        return True
    is_over_number = ("name", "number") in zip(kinds, below, strict=False)
    numbers, numbers_below = _counts(first), _counts(second)
    follow = len(numbers) > 1 and all(after == before + 1 for before, after in pairwise(numbers))
    are_years = set(numbers) <= _YEARS and not (numbers_below and set(numbers_below) <= _YEARS)
    count = numbers[:1] == [0] and delimiter != ""
    return None if is_over_number or (follow and (are_years or count)) else False


def _kind(field: bytes) -> str:
    """Tell what a field was meant as; a number may be badly written ("1_000", "1,5", "nan")."""
    if field in MISSING:
        return "missing"
    try:
        float(field.replace(b",", b"."))
    except ValueError:
        is_bad_number = _BEGINS_AS_NUMBER.match(field) and not _DATE.fullmatch(field)
        return "bad number" if is_bad_number else "name"
    return "number"


def _counts(fields: Sequence[bytes]) -> list[int]:
    """Return the numbers among fields if all are counts."""
    texts = [field for field in fields if _kind(field) == "number"]
    return [int(text) for text in texts] if all(text.isdigit() for text in texts) else []
