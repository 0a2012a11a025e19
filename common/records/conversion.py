"""Numbers between numpy and pyarrow without a copy, and without pandas.

pyarrow's own conversions (`array`, `scalar`, `to_numpy`) import pandas wherever it is installed, which takes
each process half a second.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow


def to_arrow(numbers: npt.NDArray[Any]) -> pyarrow.Array:
    """View a one-dimensional array as an Arrow array; one that is not contiguous is copied."""
    data = pyarrow.py_buffer(np.ascontiguousarray(numbers))
    return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(numbers.dtype), len(numbers), [None, data])


def to_scalar(text: bytes) -> pyarrow.Scalar:
    """Return bytes as an Arrow scalar of the type `large_binary`."""
    buffers = [None, pyarrow.py_buffer(np.array([0, len(text)])), pyarrow.py_buffer(text)]
    return pyarrow.Array.from_buffers(pyarrow.large_binary(), 1, buffers)[0]


def to_numpy(column: pyarrow.Array | pyarrow.ChunkedArray) -> npt.NDArray[Any]:
    """View a column of numbers without gaps as an array; several chunks are joined."""
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    numbers: npt.NDArray[Any] = np.from_dlpack(column)
    return numbers
