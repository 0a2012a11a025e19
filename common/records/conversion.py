"""Arrays between numpy and pyarrow, numbers without a copy, and all without pandas.

pyarrow's own conversions (`array`, `scalar`, `to_numpy`) import pandas wherever it is installed, which takes
each process half a second.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow

from common.model import KeyType, LongArray, Records, as_keys


def to_arrow(numbers: npt.NDArray[Any]) -> pyarrow.Array:
    """View a one-dimensional array as an Arrow array; one that is not contiguous is copied."""
    data = pyarrow.py_buffer(np.ascontiguousarray(numbers))
    return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(numbers.dtype), len(numbers), [None, data])


def to_arrow_bytes(texts: Sequence[bytes], kind: pyarrow.DataType) -> pyarrow.Array:
    """Return texts as an Arrow array of the type `large_binary` or `large_string`."""
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(texts))]
    return pyarrow.Array.from_buffers(kind, len(texts), buffers)


def bytes_of(texts: pyarrow.Array) -> tuple[memoryview, LongArray]:
    """Return the bytes of an array of large strings, one after the other, and where each of them ends."""
    _, bounds, content = texts.buffers()
    ends = np.frombuffer(bounds, np.int64)[1 : len(texts) + 1]
    return memoryview(content)[: ends[-1]], ends


def to_numpy(column: pyarrow.Array | pyarrow.ChunkedArray) -> npt.NDArray[Any]:
    """View a column of numbers without gaps as an array; several chunks are joined."""
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    numbers: npt.NDArray[Any] = np.from_dlpack(column)
    return numbers


def with_gaps(
    column: pyarrow.Array, gap: float, convert: Callable[[pyarrow.Array], npt.NDArray[Any]] = to_numpy
) -> npt.NDArray[Any]:
    """Return a column's numbers, as `convert` makes them, with a number for what it lacks."""
    if not column.null_count:
        return convert(column)
    numbers = np.full(len(column), gap)
    numbers[to_numpy(column.is_valid().cast(pyarrow.uint8())) == 1] = convert(column.drop_null())
    return numbers


def to_records(columns: Sequence[pyarrow.Array | pyarrow.ChunkedArray], key_type: KeyType) -> Records:
    """Copy a column of keys and columns of values into records.

    Raises
    ------
    ValueError
        A key is negative.
    """
    keys = as_keys(columns[0].to_pylist(), str) if key_type is str else to_numpy(columns[0]).copy()
    if key_type is int and keys.min(initial=0) < 0:
        raise ValueError("a key is negative")
    values = [to_numpy(column) for column in columns[1:]]
    return Records(keys, np.reshape(values, (len(values), len(keys))).T)
