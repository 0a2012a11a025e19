"""Records as text: one line a record, `key,value,value,...`, and back again.

Numbers are written with as few digits as give the same float64 back, and if all of them are integers,
as such, which takes a quarter of the time. Few lines are written and read in plain Python; many by
pyarrow, whose import alone costs more than a short file. Each column that pyarrow writes or reads costs
as much as some hundred numbers, so wide tables of few rows go through it as one column.
"""

import io
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

from common.model import Buffer, FloatArray, IntArray, LongArray, Records
from common.records.base import Encoder, Sink, blocks

SHORT_LINES = 20_000
_SHORT_NUMBERS = 5_000
_SHORT_BYTES = 1 << 16
_BLOCK_LINES = 1 << 16
"""As many values are made text at a time."""
_FEW_ROWS = 1_000
"""Tables of no more rows, and of more than one column, go through pyarrow as one column."""
_LARGEST_INTEGER = 2.0**53
_COMMA, _LINE_END = b",\n"


class ShortLines:
    """Few lines, as Python objects."""

    def __init__(self, records: Records) -> None:
        rows = zip(records.keys.tolist(), cycle(_shortest(records.values).tolist()), strict=False)
        self._lines = [f"{','.join(map(repr, (key, *values)))}\n".encode() for key, values in rows]

    def __len__(self) -> int:
        return len(self._lines)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """Write the records at these positions, in this order, as a whole file; None: all of them."""
        lines = self._lines if positions is None else [self._lines[i] for i in positions.tolist()]
        sink.write(b"".join(lines))


class LongLines:
    """Many lines, each made of a key and of values that are text already.

    Parameters
    ----------
    records
        What to write; the values are not looked at.
    values
        The rows of values, as `write_values` writes them; may be memory-mapped.
    starts
        Where each row starts, and where the last one ends, shape (rows + 1,), int64.
    """

    def __init__(self, records: Records, values: Buffer, starts: LongArray) -> None:
        import pyarrow

        from common.records.conversion import to_arrow, to_numpy, to_scalar

        self._records = records
        buffers = [None, pyarrow.py_buffer(starts), pyarrow.py_buffer(values)]
        self._values = pyarrow.Array.from_buffers(pyarrow.large_binary(), len(starts) - 1, buffers)
        keys = to_arrow(records.keys).dictionary_encode()
        self._keys = to_numpy(keys.indices)
        self._key_texts = keys.dictionary.cast(pyarrow.large_string()).cast(pyarrow.large_binary())
        self._comma = to_scalar(b"," if records.values.shape[1] else b"")

    def __len__(self) -> int:
        return len(self._keys)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """Write the records at these positions, in this order, as a whole file; None: all of them."""
        import pyarrow
        import pyarrow.compute

        from common.records.conversion import to_arrow

        for which, rows in blocks(self._records, positions):
            keys = self._key_texts.take(to_arrow(self._keys[which]))
            values = self._values[rows] if isinstance(rows, slice) else self._values.take(to_arrow(rows))
            lines = pyarrow.compute.binary_join_element_wise(keys, values, self._comma)
            _, ends, text = lines.buffers()
            sink.write(memoryview(text)[: np.frombuffer(ends, np.int64)[len(lines)]])


def encode(records: Records) -> Encoder:
    """Prepare records to be written."""
    if len(records) < SHORT_LINES and records.values.size < _SHORT_NUMBERS:
        return ShortLines(records)
    values, starts = io.BytesIO(), io.BytesIO()
    write_values(records.values, values, starts)
    return LongLines(records, values.getbuffer(), np.frombuffer(starts.getbuffer(), np.int64))


def write_values(values: FloatArray, lines: Sink, starts: Sink) -> None:
    """Write values, shape (n, w), as lines without keys, and what `LongLines` takes for `starts`."""
    end = 0
    starts.write(np.int64(0).tobytes())
    for start in range(0, len(values), _BLOCK_LINES):
        text = _write_csv(values[start : start + _BLOCK_LINES])
        lines.write(text)
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1 + end
        starts.write(ends.data)
        end = int(ends[-1])


def decode(text: Buffer) -> Records:
    """Undo `encode`.

    Raises
    ------
    ValueError
        The text is not what `encode` writes.
    """
    if not text:
        return Records.empty()
    if len(text) < _SHORT_BYTES:
        data = bytes(text)
        rows = [line.split(b",") for line in data.splitlines()]
        # What int() and float() take is more than what we write.
        if b"_" in data or not all(row[0].isdigit() for row in rows):
            raise ValueError("a key or a value is not a number")
        keys = _int32([int(row[0]) for row in rows])
        values = np.array([[float(field) for field in row[1:]] for row in rows], np.float64)
        return Records(keys, values.reshape(len(rows), -1))
    return _read_csv(text)


def rows_to_print(values: FloatArray) -> list[str]:
    """Return each row as text, its numbers separated by commas; of many numbers, integers are such."""
    if values.size < _SHORT_NUMBERS:
        return [",".join(map(repr, row)) for row in values.tolist()]
    return str(_write_csv(values), "ascii").splitlines()


def _shortest(values: FloatArray) -> FloatArray | LongArray:
    """Return values as integers, which have shorter text, if that loses nothing; else as they are."""
    if not values.size or not np.abs(values).max() <= _LARGEST_INTEGER:
        return values
    integers = values.astype(np.int64)
    lossless = np.array_equal(integers, values) and not np.signbit(values[integers == 0]).any()
    return integers if lossless else values


def _write_csv(values: FloatArray) -> Buffer:
    n, width = values.shape
    if not width:
        return b"\n" * len(values)
    numbers = _shortest(np.asarray(values, np.float64))
    if n > _FEW_ROWS or width == 1:
        return _csv_of_columns([*np.ascontiguousarray(numbers.T)])
    text = np.frombuffer(_csv_of_columns([numbers.ravel()]), np.uint8).copy()
    ends = np.flatnonzero(text == _LINE_END).reshape(n, width)
    text[ends[:, :-1]] = _COMMA
    return text.data


def _csv_of_columns(columns: list[npt.NDArray[Any]]) -> Buffer:
    import pyarrow
    import pyarrow.csv

    from common.records.conversion import to_arrow

    table = pyarrow.table([to_arrow(column) for column in columns], [str(i) for i in range(len(columns))])
    out = io.BytesIO()
    pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=False))
    return out.getbuffer()


def _read_csv(text: Buffer) -> Records:
    first_line = next(iter(io.BytesIO(text)))
    if not first_line[:1].isdigit():
        raise ValueError("the text does not begin with a key")  # pyarrow would skip a byte order mark
    width = first_line.count(b",")
    if width and len(text) <= _FEW_ROWS * len(first_line):
        return _read_as_one_column(text, width)
    keys, *columns = _columns_of_csv(text, ["int32"] + ["float64"] * width)
    values = np.empty((width, len(keys)))
    for i, column in enumerate(columns):
        values[i] = column
    if keys.min(initial=0) < 0:
        raise ValueError("a key is negative")
    return Records(keys, values.T)


def _read_as_one_column(text: Buffer, width: int) -> Records:
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((characters == _COMMA) | (characters == _LINE_END))
    fields = ends.reshape(-1, width + 1)
    line_ends = characters[fields] == _LINE_END
    if line_ends[:, :-1].any() or not line_ends[:, -1].all():
        raise ValueError("the lines differ in length")
    column = characters.copy()
    column[ends] = _LINE_END
    (numbers,) = _columns_of_csv(column.data, ["float64"])
    if len(numbers) != len(ends):
        raise ValueError("not every line ends")
    values = numbers.reshape(fields.shape)[:, 1:]
    starts = [0, *(fields[:-1, -1] + 1).tolist()]
    keys = [bytes(text[start:end]) for start, end in zip(starts, fields[:, 0].tolist(), strict=True)]
    if not all(map(bytes.isdigit, keys)):
        raise ValueError("a key is not a number")
    return Records(_int32([*map(int, keys)]), np.ascontiguousarray(values))


def _columns_of_csv(text: Buffer, types: list[str]) -> list[npt.NDArray[Any]]:
    import pyarrow
    import pyarrow.csv

    from common.records.conversion import to_numpy

    names = [str(i) for i in range(len(types))]
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(column_types=dict(zip(names, types, strict=True)), null_values=[]),
        )
    except pyarrow.ArrowInvalid as error:
        raise ValueError(str(error)) from error
    return [to_numpy(column) for column in table.columns]


def _int32(keys: list[int]) -> IntArray:
    try:
        return np.array(keys, np.int32)
    except OverflowError as error:
        raise ValueError(str(error)) from error
