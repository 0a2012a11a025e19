"""Where the lines of a text file stand, and its bytes in pieces of whole lines."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.model import Input, LongArray, Split

_PIECE_BYTES = 2 << 20
"""What is made of a piece stays in the core's cache, and its memory serves the next piece again."""
_LONGEST_LINE_BYTES = 256 << 20
_SCAN_BYTES = 1 << 17
"""Below malloc's threshold for memory fresh from the system, whose pages cost more than the work."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NEWLINE, SPACE = b"\n "
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))
CodeArray: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Piece:
    """Some whole lines of the file, and how many lines and rows come before them."""

    byte_start: int
    byte_stop: int
    lines_before: int
    rows_before: int


class LineIndex:
    """Counts and finds the rows of a text file by its line ends alone.

    With `blank_rows`, a line of nothing but white space is a row, too. Raises InputError if a line is too
    long.
    """

    def __init__(self, path: Path, *, blank_rows: bool) -> None:
        self._path = path
        self._blank_rows = blank_rows
        self._pieces: list[_Piece] = []
        self.rows = 0
        with path.open("rb") as file:
            beginning = file.read(len(BYTE_ORDER_MARK))
            start, lines = len(BYTE_ORDER_MARK) if beginning == BYTE_ORDER_MARK else 0, 0
            for text in whole_lines(file, start, None, str(path)):
                self._pieces.append(_Piece(start, start + len(text), lines, self.rows))
                start += len(text)
                more_lines, with_text = _count_lines(codes_of(text))
                lines += more_lines
                self.rows += more_lines if blank_rows else with_text

    def head(self) -> list[tuple[int, bytes]]:
        """Return the first two lines that are not blank, each with its number."""
        if not self._pieces:
            return []
        with self._path.open("rb") as file:
            file.seek(self._pieces[0].byte_start)
            return list(islice(((i, line) for i, line in enumerate(file, 1) if line.strip()), 2))

    def split(self, bounds: list[int], header_rows: int = 0) -> list[Split]:
        """Make splits between successive row numbers of `bounds`, which do not count the header's rows."""
        with self._path.open("rb") as file:
            places = [(row, *self._locate(file, row + header_rows)) for row in bounds]
        return [
            Split(i, row, next_row, byte, next_byte, line)
            for i, ((row, byte, line), (next_row, next_byte, _)) in enumerate(pairwise(places))
        ]

    def _locate(self, file: BinaryIO, row: int) -> tuple[int, int]:
        """Return the byte where a row starts and its line number; for row n, the end of the file."""
        if row == self.rows:
            return self._pieces[-1].byte_stop, 0
        piece = self._pieces[bisect_right(self._pieces, row, key=lambda piece: piece.rows_before) - 1]
        file.seek(piece.byte_start)
        starts, is_row = _lines(codes_of(file.read(piece.byte_stop - piece.byte_start)))
        line = int(np.flatnonzero(is_row | self._blank_rows)[row - piece.rows_before])
        return piece.byte_start + int(starts[line]), piece.lines_before + line + 1


def split_pieces(source: Input, split: Split) -> Iterator[tuple[int, memoryview]]:
    """Yield a split's bytes as `whole_lines` does, each piece with the number of its first line."""
    line = split.line_start
    with Path(source.path).open("rb") as file:
        for piece in whole_lines(file, split.byte_start, split.byte_stop, source.path):
            yield line, piece
            line += count_line_ends(piece)


def whole_lines(file: BinaryIO, start: int, stop: int | None, path: str) -> Iterator[memoryview]:
    """Yield the bytes from start to stop (None: to the end) in pieces that end where lines end.

    A piece is gone when the next one is asked for: all are read to the same memory.
    """
    buffer = bytearray(_PIECE_BYTES)
    while stop is None or start < stop:
        wanted = len(buffer) if stop is None else min(len(buffer), stop - start)
        file.seek(start)
        size = file.readinto(memoryview(buffer)[:wanted])  # type: ignore[attr-defined]
        if not size:
            return
        last = size < len(buffer)
        cut = size if last else buffer.rfind(b"\n") + 1
        if cut:
            yield memoryview(buffer)[:cut]
            start += cut
        elif len(buffer) < _LONGEST_LINE_BYTES:
            buffer = bytearray(2 * len(buffer))
        else:
            what = f"a line at byte {start} is longer than {_LONGEST_LINE_BYTES >> 20} MiB"
            raise InputError.at(path, what)


def codes_of(text: bytes | memoryview) -> CodeArray:
    """View bytes as an array."""
    return np.frombuffer(text, np.uint8)


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
    return lines, int(np.count_nonzero(_lines(text)[1])) if may_be_blank else lines


def _lines(text: CodeArray) -> tuple[LongArray, npt.NDArray[np.bool_]]:
    """Return where each line starts, and whether it holds anything but white space."""
    starts = line_starts(text)
    has_text = ~_IS_SPACE[text[starts]]
    if not has_text.all():
        has_text = np.logical_or.reduceat(~_IS_SPACE[text], starts)
    return starts, has_text


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
