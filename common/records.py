"""Records as text: one line a record, `key,value,value,...`, and back again without any loss.

Numbers are written with as few digits as give the same float64 back. Few lines are written and read
in plain Python; many by pyarrow, whose import alone costs more than a short file.
"""

import io
import zlib
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from common.model import FloatArray, IntArray, LongArray, Records

Buffer: TypeAlias = bytes | bytearray | memoryview

SHORT_LINES = 20_000
_SHORT_BYTES = 1 << 19


class Lines(Protocol):
    """Lines of text, each with its line end."""

    def joined(self) -> Buffer:
        """Return them one after another."""

    def take(self, order: IntArray | LongArray) -> "Lines":
        """Return lines by number (from 0), in the order given."""


class ShortLines:
    """Few lines, as Python objects."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def joined(self) -> Buffer:
        """Return them one after another."""
        return b"".join(self._lines)

    def take(self, order: IntArray | LongArray) -> "ShortLines":
        """Return lines by number (from 0), in the order given."""
        return ShortLines([self._lines[i] for i in order.tolist()])


class LongLines:
    """Many lines, as an Arrow array: their bytes one after another, and where each one starts.

    Parameters
    ----------
    array
        A pyarrow.LargeBinaryArray.
    """

    def __init__(self, array: Any) -> None:
        self.array = array

    @classmethod
    def of(cls, text: Buffer, offsets: LongArray) -> "LongLines":
        """Wrap text and the offsets, shape (lines + 1,), of its lines; neither is copied."""
        import pyarrow

        buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(text)]
        return cls(pyarrow.Array.from_buffers(pyarrow.large_binary(), len(offsets) - 1, buffers))

    def joined(self) -> Buffer:
        """Return them one after another."""
        if not len(self.array):
            return b""
        _, offsets, text = self.array.buffers()
        bounds = np.frombuffer(offsets, np.int64)[self.array.offset : self.array.offset + len(self.array) + 1]
        return memoryview(text)[bounds[0] : bounds[-1]]

    def take(self, order: IntArray | LongArray) -> "LongLines":
        """Return lines by number (from 0), in the order given."""
        import pyarrow

        return LongLines(self.array.take(pyarrow.array(order)))


def line_offsets(text: Buffer) -> LongArray:
    """Return where each line of the text starts, and where the last one ends."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    return np.concatenate([[0], ends])


def encode(records: Records) -> Lines:
    """Write records as lines, in their order."""
    if len(records) < SHORT_LINES:
        rows = zip(records.keys.tolist(), records.values.tolist(), strict=True)
        return ShortLines([f"{','.join(map(repr, (key, *values)))}\n".encode() for key, values in rows])
    text = _write_csv([records.keys, *records.values.T])
    return LongLines.of(text, line_offsets(text))


def encode_values(values: FloatArray) -> bytes:
    """Write values, shape (n, w), as n lines without keys, for `prefix_keys`."""
    return _write_csv([*values.T])


def prefix_keys(keys: IntArray, values: LongLines) -> Lines:
    """Write records whose values are lines already; much faster than writing numbers."""
    import pyarrow
    import pyarrow.compute

    prefixes = pyarrow.array([f"{key},".encode() for key in range(keys.max() + 1)], pyarrow.large_binary())
    nothing = pyarrow.scalar(b"", pyarrow.large_binary())
    prefix = prefixes.take(pyarrow.array(keys))
    return LongLines(pyarrow.compute.binary_join_element_wise(prefix, values.array, nothing))


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
        rows = [line.split(b",") for line in bytes(text).splitlines()]
        try:
            keys = np.array([int(row[0]) for row in rows], np.int32)
        except OverflowError as error:
            raise ValueError(str(error)) from error
        values = np.array([[float(field) for field in row[1:]] for row in rows], np.float64)
        return Records(keys, values.reshape(len(rows), -1))
    return _read_csv(text)


def encode_vectors(vectors: FloatArray) -> bytes:
    """Write vectors, shape (n, d), one a line; the form of centroids.txt."""
    return "".join([f"{','.join(map(repr, row))}\n" for row in vectors.tolist()]).encode()


def checksum(data: Buffer) -> int:
    """Return the bytes' CRC-32."""
    return zlib.crc32(data)


def _write_csv(columns: Sequence[Any]) -> bytes:
    import pyarrow
    import pyarrow.csv

    names = [str(i) for i in range(len(columns))]
    table = pyarrow.table([np.ascontiguousarray(column) for column in columns], names)
    out = io.BytesIO()
    pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=False))
    return out.getvalue()


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
    values = np.empty((table.num_rows, width))
    for i in range(width):
        values[:, i] = table.column(i + 1).to_numpy()
    return Records(table.column(0).to_numpy(), values)
