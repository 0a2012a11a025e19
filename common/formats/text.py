"""Text files: one row a line, fields separated by a comma, tab, semicolon or white space.

The master only looks for line ends: where rows start and how many there are. A mapper parses the bytes of its
own split.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from common.errors import InputError, counted
from common.formats.base import describe
from common.formats.columns import choose_columns
from common.formats.lines import count_line_ends, first_rows, index_rows, locate_row, whole_lines
from common.formats.parsing import parse, split_fields
from common.model import FloatType, Input, InputFormat, PointArray, Split

_BEGINS_AS_NUMBER = re.compile(r"[\"']?[+-]?\.?\d")
_NOT_TEXT = {
    b"\x1f\x8b": "it is compressed by gzip; unpack it first",
    b"BZh": "it is compressed by bzip2; unpack it first",
    b"\xfd7zXZ": "it is compressed by xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd; unpack it first",
    b"PK\3\4": "it is a zip archive; unpack it first",
    b"\xff\xfe": "it is text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is text in UTF-16; save it as UTF-8",
}
"""How files begin that are no text in UTF-8, and what to tell their owner."""


class TextFile:
    """An opened text file, its rows counted."""

    def __init__(self, path: Path, wanted_columns: str | None, dtype: FloatType) -> None:
        self._path = path
        with path.open("rb") as file:
            _refuse_other_than_text(file, str(path))
            self._pieces, lines_with_text = index_rows(file, str(path))
            head = first_rows(file, self._pieces, 2)
        layout = layout_of(str(path), head, wanted_columns)
        self._header_rows = int(bool(layout.header))
        self.header = layout.header
        self.input = describe(
            path,
            InputFormat.TEXT,
            layout.fields,
            layout.columns,
            rows=lines_with_text - self._header_rows,
            dtype=dtype,
            delimiter=layout.delimiter,
        )

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        with self._path.open("rb") as file:
            places = [self._locate(file, row) for row in bounds]
        return [
            Split(i, bounds[i], bounds[i + 1], places[i][0], places[i + 1][0], places[i][1])
            for i in range(len(bounds) - 1)
        ]

    def _locate(self, file: BinaryIO, row: int) -> tuple[int, int]:
        """Return the byte where a row starts and its line number; for row n, the end of the file."""
        if row == self.input.rows:
            return self._pieces[-1].byte_stop, 0
        return locate_row(file, self._pieces, row + self._header_rows)


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are to be read; `header` are the columns' names, if the first line has them."""

    delimiter: str
    header: tuple[str, ...]
    fields: int
    columns: tuple[int, ...]


def _refuse_other_than_text(file: BinaryIO, path: str) -> None:
    beginning = file.read(max(map(len, _NOT_TEXT)))
    file.seek(0)
    for magic, what in _NOT_TEXT.items():
        if beginning.startswith(magic):
            raise InputError.at(path, what)


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
