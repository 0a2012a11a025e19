"""The lines of a text file: where they start, how many there are, and which hold a row.

A row is a line that holds anything but white space. A file is read in pieces of whole lines, which are small
enough for the core's cache; the next piece uses the same memory.
"""

import io
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.model import LongArray

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NEWLINE, SPACE = b"\n "

_PIECE_BYTES = 2 << 20
_LONGEST_LINE_BYTES = 256 << 20
_SCAN_BYTES = 1 << 17
"""Below malloc's threshold for memory fresh from the system, whose pages cost more than the work."""
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))

CodeArray: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Piece:
    """Some whole lines of the file, and how many lines and rows come before them."""

    byte_start: int
    byte_stop: int
    lines_before: int
    rows_before: int


def index_rows(file: BinaryIO, path: str) -> tuple[list[Piece], int]:
    """Count lines and rows (lines that are not blank) up to each piece, and rows in all."""
    start = len(BYTE_ORDER_MARK) if file.read(3) == BYTE_ORDER_MARK else 0
    pieces, lines, rows = [], 0, 0
    for text in whole_lines(file, start, None, path):
        pieces.append(Piece(start, start + len(text), lines, rows))
        start += len(text)
        more_lines, more_rows = _count_lines(codes_of(text))
        lines += more_lines
        rows += more_rows
    return pieces, rows


def locate_row(file: BinaryIO, pieces: list[Piece], row: int) -> tuple[int, int]:
    """Return the byte where a row starts, and its line number."""
    piece = pieces[bisect_right(pieces, row, key=lambda piece: piece.rows_before) - 1]
    starts, has_text = _lines(codes_of(_read_piece(file, piece)))
    line = int(np.flatnonzero(has_text)[row - piece.rows_before])
    return piece.byte_start + int(starts[line]), piece.lines_before + line + 1


def _read_piece(file: BinaryIO, piece: Piece) -> bytes:
    file.seek(piece.byte_start)
    return file.read(piece.byte_stop - piece.byte_start)


def first_rows(file: BinaryIO, pieces: list[Piece], most: int) -> list[tuple[int, bytes]]:
    """Return the first rows, each as its line number and its bytes."""
    found: list[tuple[int, bytes]] = []
    for piece in pieces:
        for number, line in enumerate(io.BytesIO(_read_piece(file, piece)), piece.lines_before + 1):
            if line.strip():
                found.append((number, line))
            if len(found) == most:
                return found
    return found


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
            raise InputError.at(
                path, f"a line at byte {start} is longer than {_LONGEST_LINE_BYTES >> 20} MiB"
            )


def codes_of(text: bytes | memoryview) -> CodeArray:
    """View text as an array of its bytes."""
    return np.frombuffer(text, np.uint8)


def count_line_ends(text: memoryview) -> int:
    """Return the number of line ends."""
    return sum(int(np.count_nonzero(part == NEWLINE)) for part, _ in scans(codes_of(text)))


def _count_lines(codes: CodeArray) -> tuple[int, int]:
    """Count the lines, and those that hold anything but white space.

    No line is blank if none begins with white space, and that is quickly seen.
    """
    lines = int(codes[-1] != NEWLINE)
    may_be_blank = bool(codes[0] <= SPACE)
    for part, following in scans(codes):
        ends = part == NEWLINE
        lines += int(np.count_nonzero(ends))
        may_be_blank |= bool((ends[: len(following)] & (following <= SPACE)).any())
    return lines, int(np.count_nonzero(_lines(codes)[1])) if may_be_blank else lines


def _lines(codes: CodeArray) -> tuple[LongArray, npt.NDArray[np.bool_]]:
    """Return where each line starts, and whether it holds anything but white space."""
    ends = np.flatnonzero(codes == NEWLINE) + 1
    starts = np.concatenate([[0], ends])
    starts = starts[: np.searchsorted(starts, len(codes))]
    has_text = ~_IS_SPACE[codes[starts]]
    if not has_text.all():
        has_text = np.logical_or.reduceat(~_IS_SPACE[codes], starts)
    return starts, has_text


def scans(codes: CodeArray) -> Iterator[tuple[CodeArray, CodeArray]]:
    """Yield short parts, and for each the codes that follow its codes; the very last has none."""
    for start in range(0, len(codes), _SCAN_BYTES):
        yield codes[start : start + _SCAN_BYTES], codes[start + 1 : start + 1 + _SCAN_BYTES]
