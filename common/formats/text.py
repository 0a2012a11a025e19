"""Text files: one row a line, fields separated by a comma, tab, semicolon or white space.

The master only looks for line ends: where rows start and how many there are. A mapper parses the bytes of its
own split.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError, counted
from common.formats.base import describe
from common.formats.columns import choose_columns
from common.formats.line_index import LineIndex, count_line_ends, whole_lines
from common.formats.parsing import parse, split_fields
from common.model import FloatType, Input, InputFormat, PointArray, Split

_BEGINS_AS_NUMBER = re.compile(r"[\"']?[+-]?\.?\d")


class TextFile:
    """An opened text file, its rows counted."""

    def __init__(self, path: Path, wanted_columns: str | None, dtype: FloatType) -> None:
        self._index = LineIndex(path, blank_rows=False)
        layout = layout_of(str(path), self._index.head(), wanted_columns)
        self._header_rows = int(bool(layout.header))
        self.header = layout.header
        self.input = describe(
            path,
            InputFormat.TEXT,
            layout.fields,
            layout.columns,
            rows=self._index.rows - self._header_rows,
            dtype=dtype,
            delimiter=layout.delimiter,
        )

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        return self._index.split(bounds, self._header_rows)


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are to be read; `header` are the columns' names, if the first line has them."""

    delimiter: str
    header: tuple[str, ...]
    fields: int
    columns: tuple[int, ...]


def layout_of(path: str, head: list[tuple[int, bytes]], wanted_columns: str | None) -> Layout:
    """Tell a file's layout from its first two lines that are not blank, each with its number.

    Raises
    ------
    InputError, UsageError
        There is no row, or no such column.
    """
    if not head:
        raise InputError.at(path, "the file is empty; it needs one row of numbers a line")
    delimiter = _sniff_delimiter([line for _, line in head])
    first_line, first = head[0]
    texts = [field.decode("utf-8", "replace") for field in split_fields(first, delimiter)]
    names = [text.strip("\"'") for text in texts] if _are_names(texts) else []
    if names and len(head) == 1:
        raise InputError.at(path, "a header and no row of numbers", line=first_line)
    fields = len(split_fields(head[int(bool(names))][1], delimiter))
    if names and len(names) != fields:
        line = head[1][0]
        raise InputError.at(
            path, f"{counted(fields, 'column')}, but the header has {len(names)} names", line=line
        )
    return Layout(delimiter, tuple(names), fields, choose_columns(path, wanted_columns, names, fields))


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows, as blocks of shape (rows, columns).

    Raises
    ------
    InputError
        A line does not hold what it must; the text names it.
    """
    line = split.line_start
    with Path(source.path).open("rb") as file:
        for piece in whole_lines(file, split.byte_start, split.byte_stop, source.path):
            yield parse(piece, source, line).astype(source.dtype, copy=False)
            line += count_line_ends(piece)


def _sniff_delimiter(lines: list[bytes]) -> str:
    """Look at the first lines; a tab that is not in all of them is white space like any other."""
    marks = (";", "\t", ",") if all(b"\t" in line for line in lines) else (";", ",")
    return next((mark for mark in marks if mark.encode() in lines[0]), "")


def _are_names(texts: list[str]) -> bool:
    """Tell whether the fields of a first line are names: no numbers, and not all badly written ones."""
    begin_as_numbers = all(_BEGINS_AS_NUMBER.match(text) for text in texts if text)
    return any(texts) and not begin_as_numbers and not any(map(_looks_numeric, texts))


def _looks_numeric(text: str) -> bool:
    """Tell whether a field was meant as a number, well written or not ("1_000", "1,5", "nan")."""
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
