"""Text files: one row a line, fields separated by a comma, tab, semicolon or white space.

The master looks only for line ends. A mapper parses the bytes of its own split.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError, counted
from common.formats.columns import choose_columns
from common.formats.dataset import InputFile, input_of
from common.formats.line_index import LineIndex, split_pieces
from common.formats.parsing import parse, split_fields
from common.model import FloatType, Input, InputFormat, PointArray, Split

_BEGINS_AS_NUMBER = re.compile(r"[\"']?[+-]?\.?\d")


def open_file(path: Path, columns: str | None, dtype: FloatType) -> InputFile:
    """Open a text file and count its rows; see `Format`."""
    index = LineIndex(path, blank_rows=False)
    layout = layout_of(str(path), index.head(), columns)
    found = input_of(
        path,
        InputFormat.TEXT,
        layout.fields,
        layout.columns,
        rows=index.rows - bool(layout.header),
        dtype=dtype,
        delimiter=layout.delimiter,
    )
    return InputFile(input=found, header=layout.header, index=index)


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Parse a split's lines; see `Format`."""
    for line, piece in split_pieces(source, split):
        yield parse(piece, source, line).astype(source.dtype, copy=False)


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are to be read; `header` are the columns' names, if the first line has them."""

    delimiter: str
    header: tuple[str, ...]
    fields: int
    columns: tuple[int, ...]


def layout_of(path: str, head: list[tuple[int, bytes]], wanted_columns: str | None) -> Layout:
    """Tell a file's layout from its first two lines that are not blank, each with its number.

    Raise InputError if there is no row, UsageError if there is no such column.
    """
    if not head:
        raise InputError.at(path, "the file is empty; expected one row of numbers on each line")
    delimiter = _sniff_delimiter([line for _, line in head])
    texts = [field.decode("utf-8", "replace") for field in split_fields(head[0][1], delimiter)]
    names = [text.strip("\"'") for text in texts] if _are_names(texts) else []
    if names and len(head) == 1:
        raise InputError.at(path, "the file has a header but no row of numbers", line=head[0][0])
    line, row = head[bool(names)]
    fields = len(split_fields(row, delimiter))
    if names and len(names) != fields:
        what = f"{counted(fields, 'column')}, but the header has {len(names)} names"
        raise InputError.at(path, what, line=line)
    return Layout(delimiter, tuple(names), fields, choose_columns(path, wanted_columns, names, fields))


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
