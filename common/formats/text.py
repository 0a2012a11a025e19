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
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from common.errors import InputError, counted
from common.formats.columns import are_usable, choose_columns, problem_with
from common.model import FloatArray, FloatType, Input, InputFormat, LongArray, PointArray, Split

_PIECE_BYTES = 2 << 20
"""What is made of a piece stays in the core's cache, and its memory serves the next piece again."""
_LONGEST_LINE_BYTES = 256 << 20
_SHORT_BYTES = 1 << 18
"""Below this, plain Python is done before pyarrow is imported."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TAB, _NEWLINE, _RETURN, _SPACE = b"\t\n\r "
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
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
"""What the first bytes of a file tell."""
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))
_BLANKS_TO_SPACES = bytes.maketrans(b"\t\r\v\f", b"    ")
_SCAN_BYTES = 1 << 17
"""Below malloc's threshold for memory fresh from the system, whose pages cost more than the work."""


CodeArray: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Piece:
    """Some whole lines of the file, and how many lines and rows come before them."""

    byte_start: int
    byte_stop: int
    lines_before: int
    rows_before: int


class TextFile:
    """An opened text file, its rows counted."""

    def __init__(self, path: Path, wanted_columns: str | None, dtype: FloatType) -> None:
        self._path = path
        with path.open("rb") as file:
            _refuse_other_than_text(file, str(path))
            self._pieces, lines_with_text = _index(file, str(path))
            head = _head(file, self._pieces)
        layout = layout_of(str(path), head, wanted_columns)
        self._header_rows = int(bool(layout.header))
        self.header = layout.header
        status = path.stat()
        self.input = Input(
            path=str(path.resolve()),
            format=InputFormat.TEXT,
            delimiter=layout.delimiter,
            fields=layout.fields,
            columns=layout.columns,
            rows=lines_with_text - self._header_rows,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            dtype=dtype,
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
        starts, has_text = _lines(_codes(file.read(piece.byte_stop - piece.byte_start)))
        line = int(np.flatnonzero(has_text)[target - piece.rows_before])
        return piece.byte_start + int(starts[line]), piece.lines_before + line + 1


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
    texts = [field.decode("utf-8", "replace") for field in _fields(first, delimiter)]
    names = [text.strip("\"'") for text in texts] if _are_names(texts) else []
    if names and len(head) == 1:
        raise InputError.at(path, "a header and no row of numbers", line=first_line)
    fields = len(_fields(head[int(bool(names))][1], delimiter))
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
        for piece in _whole_lines(file, split.byte_start, split.byte_stop, source.path):
            yield parse(piece, source, line).astype(source.dtype, copy=False)
            line += _count_line_ends(piece)


def _whole_lines(file: BinaryIO, start: int, stop: int | None, path: str) -> Iterator[memoryview]:
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


def _index(file: BinaryIO, path: str) -> tuple[list[_Piece], int]:
    """Count lines and rows (lines that are not blank) up to each piece, and rows in all."""
    start = len(_BYTE_ORDER_MARK) if file.read(3) == _BYTE_ORDER_MARK else 0
    pieces, lines, rows = [], 0, 0
    for text in _whole_lines(file, start, None, path):
        pieces.append(_Piece(start, start + len(text), lines, rows))
        start += len(text)
        more_lines, more_rows = _count_lines(_codes(text))
        lines += more_lines
        rows += more_rows
    return pieces, rows


def _codes(text: bytes | memoryview) -> CodeArray:
    return np.frombuffer(text, np.uint8)


def _count_line_ends(text: memoryview) -> int:
    codes = _codes(text)
    return sum(int(np.count_nonzero(part == _NEWLINE)) for part, _ in _scans(codes))


def _count_lines(codes: CodeArray) -> tuple[int, int]:
    """Count the lines, and those that hold anything but white space.

    No line is blank if none begins with white space, and that is quickly seen.
    """
    lines = int(codes[-1] != _NEWLINE)
    may_be_blank = bool(codes[0] <= _SPACE)
    for part, following in _scans(codes):
        ends = part == _NEWLINE
        lines += int(np.count_nonzero(ends))
        may_be_blank |= bool((ends[: len(following)] & (following <= _SPACE)).any())
    return lines, int(np.count_nonzero(_lines(codes)[1])) if may_be_blank else lines


def _lines(codes: CodeArray) -> tuple[LongArray, npt.NDArray[np.bool_]]:
    """Return where each line starts, and whether it holds anything but white space."""
    ends = np.flatnonzero(codes == _NEWLINE) + 1
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


def parse(text: memoryview, source: Input, line: int) -> FloatArray:
    """Parse whole lines, the first of which has the number `line`; return the used columns' rows.

    Raises
    ------
    InputError
        A line does not hold what it must; the text names it.
    """
    if len(text) > _SHORT_BYTES:
        points = _parse_fast(text, source)
        if points is not None:
            return points
    return _parse_strictly(bytes(text), source, line)


def _parse_fast(text: memoryview, source: Input) -> FloatArray | None:
    """Parse by pyarrow; None if it finds anything out of the ordinary."""
    import pyarrow
    import pyarrow.csv

    from common.records.conversion import to_numpy

    # To pyarrow a CR alone ends a line, and any byte order mark is to be skipped.
    codes = _codes(text)
    if _holds_lone_return(codes) or text[:3] == _BYTE_ORDER_MARK:
        return None
    names = [str(i) for i in range(source.fields)]
    used = [str(i) for i in source.columns]
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(text if source.delimiter else _single_spaces(codes)),
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
        points[:, i] = to_numpy(table.column(i))
    return points if are_usable(points, source.dtype) else None


def _holds_lone_return(codes: CodeArray) -> bool:
    for part, following in _scans(codes):
        returns = part == _RETURN
        if returns.any() and (returns[: len(following)] > (following == _NEWLINE)).any():
            return True
    return bool(codes[-1] == _RETURN)


def _single_spaces(codes: CodeArray) -> bytes:
    """Leave one space between two fields, and none at the ends of a line."""
    parts = []
    for part, following in _scans(codes):
        next_is_white = np.ones(len(part), np.bool_)
        next_is_white[: len(following)] = _is_white(following)
        parts.append(part[~(_is_white(part) & (part != _NEWLINE) & next_is_white)])
    return b"".join(parts).translate(_BLANKS_TO_SPACES).replace(b"\n ", b"\n").lstrip(b" ")


def _is_white(codes: CodeArray) -> npt.NDArray[np.bool_]:
    # In uint8, what is below a tab wraps around to large numbers.
    white: npt.NDArray[np.bool_] = (codes == _SPACE) | (codes - _TAB <= _RETURN - _TAB)
    return white


def _scans(codes: CodeArray) -> Iterator[tuple[CodeArray, CodeArray]]:
    """Yield short parts, and for each the codes that follow its codes; the very last has none."""
    for start in range(0, len(codes), _SCAN_BYTES):
        yield codes[start : start + _SCAN_BYTES], codes[start + 1 : start + 1 + _SCAN_BYTES]


def _parse_strictly(text: bytes, source: Input, line: int) -> FloatArray:
    """Parse line by line, naming what is wrong."""
    rows = []
    for number, content in enumerate(text.split(b"\n"), line):
        if content.strip():
            rows.append(_parse_row(_fields(content, source.delimiter), source, number))
    return np.array(rows, np.float64).reshape(-1, len(source.columns))


def _parse_row(fields: list[bytes], source: Input, line: int) -> list[float]:
    if len(fields) != source.fields:
        what = f"{counted(len(fields), 'column')} where {source.fields} are expected"
        raise InputError.at(source.path, what, line=line, column=min(len(fields), source.fields) + 1)
    row = []
    for column in source.columns:
        text = fields[column]
        if not _NUMBER.fullmatch(text):
            raise InputError.at(source.path, _not_a_number(text), line=line, column=column + 1)
        row.append(float(text))
        if problem := problem_with(row[-1], source.dtype):
            if np.isinf(row[-1]):
                problem = f"{text.decode()} does not fit a float64"
            raise InputError.at(source.path, problem, line=line, column=column + 1)
    return row


def _not_a_number(text: bytes) -> str:
    if not text:
        return "the field is empty; every field needs a number"
    shown = text[:40].decode("utf-8", "backslashreplace") + ("…" if len(text) > 40 else "")
    return f"{shown!r} is not a number"
