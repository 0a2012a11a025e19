"""Records as text: one line a record, `key,value,value,...`, and back again.

Numbers are written with as few digits as give the same float64 back. Few lines are written and read
in plain Python; many by pyarrow, whose import alone costs more than a short file.
"""

import io
from itertools import cycle

import numpy as np

from common.model import FloatArray, LongArray, Records
from common.records.base import Buffer, Encoder, Sink, blocks

SHORT_LINES = 20_000
_SHORT_NUMBERS = 20_000
_SHORT_BYTES = 1 << 18
_BLOCK_LINES = 1 << 16
"""As many values are made text at a time."""


class ShortLines:
    """Few lines, as Python objects."""

    def __init__(self, records: Records) -> None:
        rows = zip(records.keys.tolist(), cycle(records.values.tolist()), strict=False)
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

        self._records = records
        buffers = [None, pyarrow.py_buffer(starts), pyarrow.py_buffer(values)]
        self._values = pyarrow.Array.from_buffers(pyarrow.large_binary(), len(starts) - 1, buffers)
        keys = pyarrow.array(records.keys).dictionary_encode()
        self._keys = keys.indices.to_numpy()
        self._key_texts = keys.dictionary.cast(pyarrow.large_string()).cast(pyarrow.large_binary())
        self._comma = pyarrow.scalar(b"," if records.values.shape[1] else b"", pyarrow.large_binary())

    def __len__(self) -> int:
        return len(self._keys)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """Write the records at these positions, in this order, as a whole file; None: all of them."""
        import pyarrow
        import pyarrow.compute

        for which, rows in blocks(self._records, positions):
            keys = self._key_texts.take(pyarrow.array(self._keys[which]))
            values = self._values[rows] if isinstance(rows, slice) else self._values.take(pyarrow.array(rows))
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
        try:
            keys = np.array([int(row[0]) for row in rows], np.int32)
        except OverflowError as error:
            raise ValueError(str(error)) from error
        values = np.array([[float(field) for field in row[1:]] for row in rows], np.float64)
        return Records(keys, values.reshape(len(rows), -1))
    return _read_csv(text)


def _write_csv(values: FloatArray) -> Buffer:
    if not values.shape[1]:
        return b"\n" * len(values)
    import pyarrow
    import pyarrow.csv

    columns = np.ascontiguousarray(values.T, np.float64)
    table = pyarrow.table(list(columns), [str(i) for i in range(len(columns))])
    out = io.BytesIO()
    pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=False))
    return out.getbuffer()


def _read_csv(text: Buffer) -> Records:
    import pyarrow
    import pyarrow.csv

    first_line = next(iter(io.BytesIO(text)))
    if not first_line[:1].isdigit():
        raise ValueError("the text does not begin with a key")  # pyarrow would skip a byte order mark
    width = first_line.count(b",")
    names = [str(i) for i in range(width + 1)]
    types = {name: pyarrow.float64() for name in names} | {"0": pyarrow.int32()}
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pyarrow.ArrowInvalid as error:
        raise ValueError(str(error)) from error
    keys = table.column(0).to_numpy()
    if keys.min(initial=0) < 0:
        raise ValueError("a key is negative")
    values = np.empty((width, table.num_rows))
    for i in range(width):
        values[i] = table.column(i + 1)
    return Records(keys, values.T)
