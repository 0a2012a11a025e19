"""Text files: one row a line, fields separated by a comma, tab, semicolon or white space.

A file is read twice, in different ways. The master looks for line ends only: where rows start, how
many there are. A mapper parses the bytes of its own split: with pyarrow, and where pyarrow refuses
or finds something odd, once more line by line in plain Python, which either gets the same numbers
or names the line and column that are wrong.
"""

import io
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.formats.columns import choose_columns, problem_with
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatArray, Input, InputFormat, LongArray, Split

_PIECE_BYTES = 8 << 20
_LONGEST_LINE_BYTES = 256 << 20
_SHORT_BYTES = 1 << 18
"""Below this, plain Python is done before pyarrow is imported."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))


@dataclass(frozen=True)
class _Piece:
    """Some whole lines of the file, and how many lines and rows come before them."""

    byte_start: int
    byte_stop: int
    lines_before: int
    rows_before: int


class TextFile:
    """An opened text file, its rows counted."""

    def __init__(self, path: Path, wanted_columns: str | None) -> None:
        self._path = path
        with path.open("rb") as file:
            self._pieces, lines_with_text = _index(file, str(path))
            head = _head(file, self._pieces)
        if not head:
            raise InputError.at(str(path), "the file is empty; it needs one row of numbers a line")
        delimiter = _sniff_delimiter([line for _, line in head])
        first_line, first = head[0]
        texts = [field.decode("utf-8", "replace") for field in _fields(first, delimiter)]
        self._header_rows = int(any(texts) and not any(map(_looks_numeric, texts)))
        if self._header_rows and len(head) == 1:
            raise InputError.at(str(path), "a header and no row of numbers", line=first_line)
        names = [text.strip("\"'") for text in texts] if self._header_rows else []
        fields = len(_fields(head[self._header_rows][1], delimiter))
        if names and len(names) != fields:
            line = head[1][0]
            raise InputError.at(
                str(path), f"{fields} columns, but the header has {len(names)} names", line=line
            )
        status = path.stat()
        self.input = Input(
            path=str(path.resolve()),
            format=InputFormat.TEXT,
            delimiter=delimiter,
            fields=fields,
            columns=choose_columns(str(path), wanted_columns, names, fields),
            rows=lines_with_text - self._header_rows,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
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
        target = row + self._header_rows
        piece = self._pieces[bisect_right(self._pieces, target, key=lambda piece: piece.rows_before) - 1]
        file.seek(piece.byte_start)
        starts, has_text = _lines(file.read(piece.byte_stop - piece.byte_start))
        line = int(np.flatnonzero(has_text)[target - piece.rows_before])
        return piece.byte_start + int(starts[line]), piece.lines_before + line + 1


def read_blocks(source: Input, split: Split) -> Iterator[FloatArray]:
    """Read a split's rows, as blocks of shape (rows, columns).

    Raises
    ------
    InputError
        A line does not hold what it must; the text names it.
    """
    line = split.line_start
    with Path(source.path).open("rb") as file:
        for piece in _whole_lines(file, split.byte_start, split.byte_stop, source.path):
            yield _parse(piece, source, line)
            line += piece.count(b"\n")


def _whole_lines(file: BinaryIO, start: int, stop: int | None, path: str) -> Iterator[bytes]:
    """Yield the bytes from start to stop (None: to the end) in pieces that end where lines end."""
    size = _PIECE_BYTES
    while stop is None or start < stop:
        file.seek(start)
        piece = file.read(size if stop is None else min(size, stop - start))
        if not piece:
            return
        last = len(piece) < size or start + len(piece) == stop
        cut = len(piece) if last else piece.rfind(b"\n") + 1
        if cut:
            yield piece[:cut]
            start += cut
        elif size < _LONGEST_LINE_BYTES:
            size *= 2
        else:
            raise InputError.at(
                path, f"a line at byte {start} is longer than {_LONGEST_LINE_BYTES >> 20} MiB"
            )


def _index(file: BinaryIO, path: str) -> tuple[list[_Piece], int]:
    """Count lines and rows (lines that are not blank) up to each piece, and rows in all."""
    start = len(_BYTE_ORDER_MARK) if file.read(3) == _BYTE_ORDER_MARK else 0
    pieces, lines, rows = [], 0, 0
    for text in _whole_lines(file, start, None, path):
        starts, has_text = _lines(text)
        pieces.append(_Piece(start, start + len(text), lines, rows))
        start += len(text)
        lines += len(starts)
        rows += int(np.count_nonzero(has_text))
    return pieces, rows


def _lines(text: bytes) -> tuple[LongArray, npt.NDArray[np.bool_]]:
    """Return where each line starts, and whether it holds anything but white space."""
    codes = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(codes == ord("\n")) + 1
    starts = np.concatenate([[0], ends])
    starts = starts[: np.searchsorted(starts, len(codes))]
    has_text = ~_IS_SPACE[codes[starts]]
    if not has_text.all():
        has_text = np.logical_or.reduceat(~_IS_SPACE[codes], starts)
    return starts, has_text


def _head(file: BinaryIO, pieces: list[_Piece]) -> list[tuple[int, bytes]]:
    """Return the first two lines that are not blank, each with its number."""
    head: list[tuple[int, bytes]] = []
    for piece in pieces:
        file.seek(piece.byte_start)
        for number, line in enumerate(
            io.BytesIO(file.read(piece.byte_stop - piece.byte_start)), piece.lines_before + 1
        ):
            if line.strip():
                head.append((number, line))
            if len(head) == 2:
                return head
    return head


def _sniff_delimiter(lines: list[bytes]) -> str:
    """Look at the first lines; a tab that is not in all of them is white space like any other."""
    marks = (";", "\t", ",") if all(b"\t" in line for line in lines) else (";", ",")
    return next((mark for mark in marks if mark.encode() in lines[0]), "")


def _fields(line: bytes, delimiter: str) -> list[bytes]:
    if not delimiter:
        return re.split(rb"[ \t\v\f]+", line.strip())
    # A tab at an end of the line is a delimiter like any other, with an empty field beyond it.
    return [field.strip() for field in line.rstrip(b"\r\n").split(delimiter.encode())]


def _looks_numeric(text: str) -> bool:
    """Tell whether a field was meant as a number, well written or not ("1_000", "1,5", "nan")."""
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _parse(text: bytes, source: Input, line: int) -> FloatArray:
    if len(text) > _SHORT_BYTES:
        points = _parse_fast(text, source)
        if points is not None:
            return points
    return _parse_strictly(text, source, line)


def _parse_fast(text: bytes, source: Input) -> FloatArray | None:
    """Parse by pyarrow; None if it finds anything out of the ordinary."""
    import pyarrow
    import pyarrow.csv

    if not source.delimiter:
        text = re.sub(rb"[ \t\r\v\f]*\n[ \t\r\v\f]*", b"\n", re.sub(rb"[ \t\v\f]+", b" ", text)).strip()
    if text.startswith(_BYTE_ORDER_MARK):  # pyarrow would skip it; only the file's first is one
        return None
    names = [str(i) for i in range(source.fields)]
    used = [str(i) for i in source.columns]
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(delimiter=source.delimiter or " ", quote_char=False),
            pyarrow.csv.ConvertOptions(
                column_types={name: pyarrow.float64() for name in used}, include_columns=used, null_values=[]
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    points = np.empty((table.num_rows, len(used)))
    for i in range(len(used)):
        points[:, i] = table.column(i).to_numpy()
    has_text = _lines(text)[1]
    sound = len(points) == np.count_nonzero(has_text) and bool((np.abs(points) <= LARGEST_MAGNITUDE).all())
    return points if sound else None


def _parse_strictly(text: bytes, source: Input, line: int) -> FloatArray:
    """Parse line by line, naming what is wrong."""
    rows = []
    for number, content in enumerate(text.split(b"\n"), line):
        if content.strip():
            rows.append(_parse_row(_fields(content, source.delimiter), source, number))
    return np.array(rows, np.float64).reshape(-1, len(source.columns))


def _parse_row(fields: list[bytes], source: Input, line: int) -> list[float]:
    if len(fields) != source.fields:
        what = f"{len(fields)} columns where {source.fields} are expected"
        raise InputError.at(source.path, what, line=line, column=min(len(fields), source.fields) + 1)
    row = []
    for column in source.columns:
        text = fields[column]
        if not _NUMBER.fullmatch(text):
            raise InputError.at(source.path, _not_a_number(text), line=line, column=column + 1)
        row.append(float(text))
        if problem := problem_with(row[-1]):
            if np.isinf(row[-1]):
                problem = f"{text.decode()} does not fit a float64"
            raise InputError.at(source.path, problem, line=line, column=column + 1)
    return row


def _not_a_number(text: bytes) -> str:
    if not text:
        return "the field is empty; every field needs a number"
    shown = text[:40].decode("utf-8", "backslashreplace") + ("…" if len(text) > 40 else "")
    return f"{shown!r} is not a number"
