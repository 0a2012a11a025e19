"""Text files: one row of fields a line, separated by a delimiter or white space.

The master looks only for the ends of rows. A mapper parses the bytes of its own split.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from common.errors import EmptyInputError
from common.formats.columns import ColumnChoice, as_chosen
from common.formats.dataset import InputFile, input_of
from common.formats.layout import HEAD_ROWS, TextOptions, layout_of
from common.formats.line_index import LineIndex, first_place, head_of, split_pieces
from common.formats.parsing import are_complete, parse
from common.formats.texts import TextCodes
from common.model import FloatType, Input, InputFormat, PointArray, Split


def open_file(path: Path, columns: ColumnChoice, dtype: FloatType, options: TextOptions) -> InputFile:
    """Open a text file and count its rows; see `Format`."""
    start = first_place(path, options.skip_rows)
    head = head_of(path, options.dialect, start, HEAD_ROWS + 1)
    layout = layout_of(str(path), [(place.line, row) for place, row in head], columns, options)
    found = input_of(
        path,
        InputFormat.TEXT,
        layout.fields,
        layout.chosen.columns,
        rows=0,
        dtype=dtype,
        dialect=layout.dialect,
        names=layout.names,
    )
    found = as_chosen(found, columns, layout.chosen.texts)
    index = LineIndex(
        path,
        layout.dialect,
        head[layout.first][0],
        kept=partial(are_complete, found) if layout.dialect.drops_missing else None,
    )
    if not index.rows:
        raise EmptyInputError.at(
            str(path), "each row lacks a number, and --missing drop leaves such rows out"
        )
    if not index.has_quotes:  # the mappers need not look for them
        found = replace(found, dialect=replace(found.dialect, quote=""))
    found = replace(found, rows=index.rows)
    return InputFile(input=found, header=layout.names, index=index, ids=layout.chosen.ids)


def read_blocks(source: Input, split: Split, texts: TextCodes) -> Iterator[PointArray]:
    """Parse a split's rows; see `Format`."""
    for line, piece in split_pieces(source, split):
        yield parse(piece, source, line, texts).astype(source.dtype, copy=False)
