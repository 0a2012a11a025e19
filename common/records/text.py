"""Records as text: one line a record, `key,value,value,...`, and back again.

Numbers are written with as few digits as give the same float64 back, and if all of them are integers,
as such, which takes a quarter of the time. A key that is a string is quoted, where it must be, as in CSV
(RFC 4180). Few lines are written and read in plain Python; of many, orjson writes the numbers and pyarrow
does the rest, whose import alone costs more than a short file.
"""

import io
import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from common.kernels.grouping import coded
from common.model import Buffer, FloatArray, Key, KeyType, LongArray, Records, as_keys
from common.records.base import Encoder, Sink, blocks

SHORT_LINES = 20_000
_SHORT_NUMBERS = 5_000
_SHORT_BYTES = 1 << 16
_BLOCK_NUMBERS = 1 << 20
"""As many values are made text at a time."""
_LARGEST_INTEGER = 2.0**53
_LINE_END = ord("\n")
_NEEDS_QUOTES = re.compile(r'[,"\r\n]|\A\ufeff|\A\Z')
"""A byte order mark, too: pyarrow skips one at the beginning of a file."""
_LINE = re.compile(rb'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]++))((?:,[^",\r\n_]*+)*+)\n')


class ShortLines:
    """Few lines, as Python objects."""

    suffix = ".txt"

    def __init__(self, records: Records) -> None:
        columns = _shortest(records.values).T.tolist()
        line = "%s" + ",%r" * len(columns) + "\n"
        fields = zip(_quoted(records.keys.tolist()), *map(cycle, columns), strict=False)
        self._lines = [line % of_line for of_line in fields]

    def __len__(self) -> int:
        return len(self._lines)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """See `Encoder`."""
        lines = self._lines if positions is None else [self._lines[i] for i in positions.tolist()]
        sink.write("".join(lines).encode())


class LongLines:
    """Many lines, each made of a key and of values that are text already.

    `values` and `starts` are what `write_values` wrote for the records' values: where each row starts, and
    where the last one ends, shape (rows + 1,). Both may be memory-mapped.
    """

    suffix = ".txt"

    def __init__(self, records: Records, values: Buffer, starts: LongArray) -> None:
        import pyarrow

        from common.records.conversion import to_arrow_bytes

        self._records = records
        buffers = [None, pyarrow.py_buffer(starts), pyarrow.py_buffer(values)]
        self._values = pyarrow.Array.from_buffers(pyarrow.large_binary(), len(starts) - 1, buffers)
        known, self._keys = coded(records.keys)
        self._key_texts = to_arrow_bytes(
            [str(key).encode() for key in _quoted(known)], pyarrow.large_binary()
        )
        comma = b"," if records.values.shape[1] else b""
        (self._comma,) = to_arrow_bytes([comma], pyarrow.large_binary())

    def __len__(self) -> int:
        return len(self._keys)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """See `Encoder`."""
        import pyarrow
        import pyarrow.compute

        from common.records.conversion import bytes_of, to_arrow

        for which, rows in blocks(self._records, positions):
            keys = self._key_texts.take(to_arrow(self._keys[which]))
            values = self._values[rows] if isinstance(rows, slice) else self._values.take(to_arrow(rows))
            lines = pyarrow.compute.binary_join_element_wise(keys, values, self._comma)
            sink.write(bytes_of(lines)[0])


def encode(records: Records) -> Encoder:
    """Prepare records to be written."""
    if len(records) < SHORT_LINES and records.values.size < _SHORT_NUMBERS:
        return ShortLines(records)
    values, starts = io.BytesIO(), io.BytesIO()
    write_values(records.values, values, starts)
    return LongLines(records, values.getbuffer(), np.frombuffer(starts.getbuffer(), np.int64))


def write_values(values: FloatArray, lines: Sink, starts: Sink) -> None:
    """Write values, shape (n, w), as lines without keys, and where they start, as int64."""
    end = 0
    starts.write(np.int64(0).tobytes())
    rows = max(1, _BLOCK_NUMBERS // max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        text, ends = _lines_of(_shortest(values[start : start + rows]))
        lines.write(text)
        starts.write((ends + end).data)
        end += len(text)


def decode(text: Buffer, key_type: KeyType = int) -> Records:
    """Undo `encode`.

    Raises
    ------
    ValueError
        The text is not what `encode` writes.
    """
    if not text:
        return Records.empty(key_type)
    if text[-1:] != b"\n":
        raise ValueError("the last line does not end")
    return _decode_long(text, key_type) if len(text) >= _SHORT_BYTES else _decode_short(bytes(text), key_type)


def _decode_short(text: bytes, key_type: KeyType) -> Records:
    parts = _LINE.split(text)  # what is between two lines, then the line's three groups, and so on
    if any(parts[::4]):
        raise ValueError("a line is not a key and numbers")
    keys, rest = _decode_keys(parts[1::4], parts[2::4], key_type), parts[3::4]
    if len({fields.count(b",") for fields in rest}) > 1:
        raise ValueError("the lines do not have as many numbers")
    values = np.array([*map(float, b"".join(rest).split(b",")[1:])], np.float64)
    try:
        return Records(as_keys(keys, key_type), values.reshape(len(keys), len(values) // len(keys)))
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _decode_keys(quoted: list[Any], plain: list[Any], key_type: KeyType) -> list[Key]:
    """Return the keys of lines; each is among those in quotes or among the plain ones, and None there."""
    if key_type is str:
        words = zip(quoted, plain, strict=True)
        return [(word or (within or b"").replace(b'""', b'"')).decode() for within, word in words]
    if None in plain or not b"".join(plain).isdigit():  # int() takes more than what we write
        raise ValueError("a key is not a number")
    return [*map(int, plain)]


def _decode_long(text: Buffer, key_type: KeyType) -> Records:
    import pyarrow
    import pyarrow.csv

    from common.records.conversion import to_records

    first_line = _LINE.match(text)
    # pyarrow would skip a byte order mark.
    if first_line is None or (key_type is int and not (first_line[2] or b"").isdigit()):
        raise ValueError("the text does not begin with a key and numbers")
    words = key_type is str
    types = {"key": "large_string" if words else "int32"}
    types |= {f"x{i}": "float64" for i in range(first_line[3].count(b","))}
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=list(types), use_threads=False, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(
                quote_char='"' if words else False, newlines_in_values=words, ignore_empty_lines=False
            ),
            pyarrow.csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pyarrow.ArrowInvalid as error:
        raise ValueError(str(error)) from error
    return to_records(table.columns, key_type)


def rows_to_print(values: FloatArray) -> list[str]:
    """Return each row as text, its numbers separated by commas."""
    if values.size < _SHORT_NUMBERS:
        return [",".join(map(repr, row)) for row in values.tolist()]
    return str(_lines_of(values)[0], "ascii").split("\n")[:-1]


def _shortest(values: FloatArray) -> FloatArray | LongArray:
    """Return values as integers, which have shorter text, if that loses nothing; else as they are."""
    if not values.size or not np.abs(values).max() <= _LARGEST_INTEGER:
        return values
    integers = values.astype(np.int64)
    lossless = np.array_equal(integers, values) and not np.signbit(values[integers == 0]).any()
    return integers if lossless else values


def _quoted(keys: Sequence[Any]) -> Sequence[Any]:
    """Return keys as they stand in lines."""
    if not keys or isinstance(keys[0], int):
        return keys
    return ['"' + word.replace('"', '""') + '"' if _NEEDS_QUOTES.search(word) else word for word in keys]


def _lines_of(numbers: FloatArray | LongArray) -> tuple[Buffer, LongArray]:
    """Return rows of numbers as lines, and where each line ends."""
    if not numbers.size:
        return b"\n" * len(numbers), np.arange(1, len(numbers) + 1)
    if numbers.dtype.kind == "f":
        numbers = np.asarray(numbers, np.float64)  # in float32 orjson would leave digits out
    if np.isfinite(numbers).all():
        import orjson

        rows = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
        lines = rows[2:-2].replace(b"],[", b"\n") + b"\n"
    else:  # rare, and JSON knows no infinity
        lines = "".join([f"{','.join(map(repr, row))}\n" for row in numbers.tolist()]).encode()
    return lines, np.flatnonzero(np.frombuffer(lines, np.uint8) == _LINE_END) + 1
