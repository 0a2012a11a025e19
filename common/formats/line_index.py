"""Where the rows of a text file stand, and its bytes in pieces of whole rows.

A row is a line, unless a quoted field has line ends in it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.formats.unpacking import open_bytes
from common.model import Dialect, Input, LongArray, Split

_PIECE_BYTES = 2 << 20
"""What is made of a piece stays in the core's cache, and its memory serves the next piece again."""
_LONGEST_ROW_BYTES = 256 << 20
_SCAN_BYTES = 1 << 17
"""Below malloc's threshold for memory fresh from the system, whose pages cost more than the work."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NEWLINE, SPACE = b"\n "
PLAIN = Dialect(quote="")
"""Each line is a row."""
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))
CodeArray: TypeAlias = npt.NDArray[np.uint8]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Kept: TypeAlias = Callable[[memoryview, int], BoolArray]
"""Tells which rows of some whole lines count; the number is that of the first line."""


class Place(NamedTuple):
    """A byte of a file where a line begins, and that line's number, from 1."""

    byte: int
    line: int


@dataclass(frozen=True)
class _Piece:
    """Some whole rows of the file, and how many rows come before them."""

    start: Place
    byte_stop: int
    rows_before: int


class LineIndex:
    """Counts and finds the rows of a text file from a place on.

    Lines of nothing but white space are no rows, except with `blank_rows`. `kept` tells which of the rows
    count; None for all. Raises InputError if a row is too long.
    """

    def __init__(
        self,
        path: Path,
        dialect: Dialect,
        start: Place,
        *,
        blank_rows: bool = False,
        kept: Kept | None = None,
    ) -> None:
        self._path, self._dialect = path, dialect
        self._blank_rows = blank_rows
        self._kept = kept
        self._pieces: list[_Piece] = []
        self._last_read: tuple[_Piece, bytes] | None = None
        self.rows = 0
        self.has_quotes = False
        byte, line = start
        with open_bytes(path) as file:
            for text in whole_rows(file, byte, None, str(path), dialect):
                self._pieces.append(_Piece(Place(byte, line), byte + len(text), self.rows))
                lines, rows = self._count(text, line)
                byte, line, self.rows = byte + len(text), line + lines, self.rows + rows

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        with open_bytes(self._path) as file:
            places = [(row, *self._locate(file, row)) for row in bounds]
        return [
            Split(i, row, next_row, byte, next_byte, line)
            for i, ((row, byte, line), (next_row, next_byte, _)) in enumerate(pairwise(places))
        ]

    def _count(self, text: memoryview, line: int) -> tuple[int, int]:
        """Count a piece's lines and its rows."""
        codes = codes_of(text)
        is_quoted = _holds_any(text, self._dialect.quote)
        self.has_quotes |= is_quoted
        is_plain = self._kept is None and not self._dialect.comment and not is_quoted
        lines, filled = (
            _count_lines(codes) if is_plain else (count_line_ends(text) + int(codes[-1] != NEWLINE), 0)
        )
        if self._blank_rows:
            return lines, lines
        return lines, filled if is_plain else int(np.count_nonzero(self._rows(text, line)[1]))

    def _rows(self, text: memoryview, line: int) -> tuple[LongArray, BoolArray]:
        """Return where a piece's lines start, and whether each is a row that counts."""
        starts, is_row = find_rows(codes_of(text), self._dialect)
        if self._kept is not None:
            is_row[is_row] = self._kept(text, line)
        return starts, is_row | self._blank_rows

    def _locate(self, file: BinaryIO, row: int) -> Place:
        """Return where a row starts; for row n, the end of the file."""
        if row == self.rows:
            return Place(self._pieces[-1].byte_stop, 0)
        piece = self._pieces[bisect_right(self._pieces, row, key=lambda piece: piece.rows_before) - 1]
        byte, line = piece.start
        text = self._text_of(piece, file)
        starts, is_row = self._rows(text, line)
        start = int(starts[np.flatnonzero(is_row)[row - piece.rows_before]])
        return Place(byte + start, line + count_line_ends(text[:start]))

    def _text_of(self, piece: _Piece, file: BinaryIO) -> memoryview:
        """Read a piece; several bounds may lie in it, and an unpacked file is not read again for each."""
        if self._last_read is None or self._last_read[0] is not piece:
            file.seek(piece.start.byte)
            self._last_read = piece, file.read(piece.byte_stop - piece.start.byte)
        return memoryview(self._last_read[1])


def first_place(path: Path, skipped: int) -> Place:
    """Return where a file begins after its byte order mark and some lines."""
    with open_bytes(path) as file:
        has_mark = file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
        file.seek(len(BYTE_ORDER_MARK) if has_mark else 0)
        for _ in range(skipped):
            file.readline()
        return Place(file.tell(), skipped + 1)


def head_of(path: Path, dialect: Dialect, start: Place, count: int) -> list[tuple[Place, bytes]]:
    """Return the first rows from a place on, each with its own."""
    found: list[tuple[Place, bytes]] = []
    byte, line = start
    with open_bytes(path) as file:
        for text in whole_rows(file, byte, None, str(path), dialect):
            for begin, number, row in rows_in(text, dialect, line):
                found.append((Place(byte + begin, number), row))
                if len(found) == count:
                    return found
            byte, line = byte + len(text), line + count_line_ends(text)
    return found


def split_pieces(source: Input, split: Split) -> Iterator[tuple[int, memoryview]]:
    """Yield a split's bytes as `whole_rows` does, each piece with the number of its first line."""
    line = split.line_start
    with open_bytes(Path(source.path)) as file:
        for piece in whole_rows(file, split.byte_start, split.byte_stop, source.path, source.dialect):
            yield line, piece
            line += count_line_ends(piece)


def whole_rows(
    file: BinaryIO, start: int, stop: int | None, path: str, dialect: Dialect
) -> Iterator[memoryview]:
    """Yield the bytes from start to stop (None: to the end) in pieces that end where rows end.

    A piece is gone when the next one is asked for: all are read to the same memory.
    """
    buffer, filled, at_end = bytearray(_PIECE_BYTES), 0, False
    file.seek(start)
    while not at_end:
        end = len(buffer) if stop is None else min(len(buffer), stop - start)
        filled += file.readinto(memoryview(buffer)[filled:end])  # type: ignore[attr-defined]
        at_end = filled < len(buffer)
        cut = filled if at_end else _last_row_end(buffer, dialect)
        if cut:
            yield memoryview(buffer)[:cut]
            buffer[: filled - cut] = buffer[cut:filled]
            start, filled = start + cut, filled - cut
        elif not at_end:
            buffer = _doubled(buffer, start, path, dialect)


def _doubled(buffer: bytearray, start: int, path: str, dialect: Dialect) -> bytearray:
    """Return a buffer for a longer row; InputError if it is too long."""
    if len(buffer) < _LONGEST_ROW_BYTES:
        return buffer + bytes(len(buffer))
    what = f"a row at byte {start} is longer than {_LONGEST_ROW_BYTES >> 20} MiB"
    is_quoted = dialect.quote and dialect.quote.encode() in buffer
    raise InputError.at(path, what + " (if a quote in it is text: --quote none)" * bool(is_quoted))


def rows_in(text: memoryview, dialect: Dialect, line: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the rows of whole lines: where each starts, the number of its first line, and its bytes."""
    starts, is_row = find_rows(codes_of(text), dialect)
    for (start, stop), counts in zip(pairwise([*starts.tolist(), len(text)]), is_row.tolist(), strict=True):
        row = bytes(text[start:stop])
        if counts:
            yield start, line, row
        line += row.count(b"\n")


def find_rows(text: CodeArray, dialect: Dialect) -> tuple[LongArray, BoolArray]:
    """Return where lines start that are not within quotes, and whether each is a row."""
    starts = line_starts(text)
    starts = starts[np.searchsorted(_quotes(text, starts, dialect), starts) % 2 == 0]
    is_row: BoolArray = ~_IS_SPACE[text[starts]]
    if not is_row.all():
        is_row = np.logical_or.reduceat(~_IS_SPACE[text], starts)
    if dialect.comment:
        is_row &= text[starts] != ord(dialect.comment)
    return starts, is_row


def _quotes(text: CodeArray, starts: LongArray, dialect: Dialect) -> LongArray:
    """Return where the quotes are, but for those in comments."""
    if not holds(text, dialect.quote):
        return np.empty(0, np.int64)
    quotes = np.flatnonzero(text == ord(dialect.quote))
    if not dialect.comment:
        return quotes
    lines = np.searchsorted(starts, quotes, "right") - 1
    within: LongArray = quotes[text[starts[lines]] != ord(dialect.comment)]
    return within


def _last_row_end(buffer: bytearray, dialect: Dialect) -> int:
    end = buffer.rfind(b"\n") + 1
    if not end or not dialect.quote or buffer.find(dialect.quote.encode(), 0, end) < 0:
        return end
    text = codes_of(memoryview(buffer)[:end])
    is_open = len(_quotes(text, line_starts(text), dialect)) % 2
    return int(find_rows(text, dialect)[0][-1]) if is_open else end


def codes_of(text: bytes | memoryview) -> CodeArray:
    """View bytes as an array."""
    return np.frombuffer(text, np.uint8)


def holds(text: CodeArray, mark: str) -> bool:
    """Tell whether a character, if there is one, is in a text."""
    return bool(mark) and any(mark.encode() in part.tobytes() for part, _ in scans(text))


def _holds_any(piece: memoryview, mark: str) -> bool:
    """Tell whether a character, if there is one, is in a piece, which is the beginning of its buffer.

    A buffer finds it several times as fast as an array.
    """
    buffer: bytearray = piece.obj  # type: ignore[assignment]
    return bool(mark) and buffer.find(mark.encode(), 0, len(piece)) >= 0


def count_line_ends(text: memoryview) -> int:
    """Count the line ends."""
    return sum(int(np.count_nonzero(part == NEWLINE)) for part, _ in scans(codes_of(text)))


def _count_lines(text: CodeArray) -> tuple[int, int]:
    """Count the lines, and those that hold anything but white space.

    No line is blank if none begins with white space, and that is quickly seen.
    """
    lines = int(text[-1] != NEWLINE)
    may_be_blank = bool(text[0] <= SPACE)
    for part, following in scans(text):
        ends = part == NEWLINE
        lines += int(np.count_nonzero(ends))
        may_be_blank |= bool((ends[: len(following)] & (following <= SPACE)).any())
    return lines, int(np.count_nonzero(find_rows(text, PLAIN)[1])) if may_be_blank else lines


def line_starts(text: CodeArray) -> LongArray:
    """Return where each line starts."""
    parts = range(0, len(text), _SCAN_BYTES)
    ends = [np.flatnonzero(text[at : at + _SCAN_BYTES] == NEWLINE) + (at + 1) for at in parts]
    starts = np.concatenate([[0], *ends])
    return starts[: np.searchsorted(starts, len(text))]


def scans(text: CodeArray) -> Iterator[tuple[CodeArray, CodeArray]]:
    """Yield short parts, and for each the codes that follow its codes; the very last has none."""
    for start in range(0, len(text), _SCAN_BYTES):
        yield text[start : start + _SCAN_BYTES], text[start + 1 : start + 1 + _SCAN_BYTES]
