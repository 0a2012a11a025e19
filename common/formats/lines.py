"""Text whose rows are its lines, as they are: UTF-8, each line ended by a line feed alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from common.errors import InputError
from common.formats.columns import ColumnChoice
from common.formats.dataset import InputFile, input_of
from common.formats.layout import TextOptions
from common.formats.line_index import (
    NEWLINE,
    PLAIN,
    CodeArray,
    LineIndex,
    count_line_ends,
    first_place,
    line_starts,
    split_pieces,
)
from common.formats.texts import TextCodes
from common.model import FloatType, Input, InputFormat, LongArray, Split


def open_file(path: Path, _columns: ColumnChoice, dtype: FloatType, _options: TextOptions) -> InputFile:
    """Open a file of lines; see `Format`."""
    index = LineIndex(path, PLAIN, first_place(path, 0), blank_rows=True)
    if not index.rows:
        raise InputError.at(str(path), "the file is empty; it needs at least one line")
    found = input_of(path, InputFormat.LINES, 1, (0,), rows=index.rows, dtype=dtype)
    return InputFile(input=found, index=index)


class Lines(Sequence[str]):
    """Lines in memory or mapped from a file; they become strings when they are iterated over.

    `text` is UTF-8. `starts` holds where each line starts, and where the last one ends with its line end.
    """

    def __init__(self, text: CodeArray, starts: LongArray) -> None:
        self._text = text
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, where: int) -> str: ...
    @overload
    def __getitem__(self, where: slice) -> "Lines": ...
    def __getitem__(self, where: int | slice) -> "str | Lines":
        """Return one line, or some successive ones."""
        if isinstance(where, int):
            return next(iter(self[where : where + 1]))
        start, stop, _ = where.indices(len(self))
        return Lines(self._text, self._starts[start : max(start, stop) + 1])

    def __iter__(self) -> Iterator[str]:
        text = self._text[self._starts[0] : self._starts[-1]].tobytes().decode()
        return iter(text.removesuffix("\n").split("\n") if text else ())


def view(source: Input, split: Split, *, mapped: bool) -> Lines:
    """Return a split's lines, mapped from the file or read to memory."""
    start, size = split.byte_start, split.byte_stop - split.byte_start
    if mapped:
        text: CodeArray = np.memmap(source.path, np.uint8, "r")[start : start + size]
    else:
        text = np.fromfile(source.path, np.uint8, size, offset=start)
    return Lines(text, np.append(line_starts(text), len(text)))


def read_blocks(source: Input, split: Split, _texts: TextCodes) -> Iterator[Sequence[None]]:
    """Read a split's lines to see that they are UTF-8; yield something of the length of each piece."""
    for line, piece in split_pieces(source, split):
        try:
            str(piece, "utf-8")
        except UnicodeDecodeError as error:
            what = f"byte 0x{piece[error.start]:02x} is not UTF-8; save the file as UTF-8"
            line += count_line_ends(piece[: error.start])
            raise InputError.at(source.path, what, line=line) from None
        yield [None] * (count_line_ends(piece) + (piece[-1] != NEWLINE))
