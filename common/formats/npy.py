"""NumPy's .npy files: a vector (one column) or a matrix of real numbers, which a worker memory-maps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.formats.columns import block_rows, choose_columns, usable
from common.formats.dataset import InputFile, input_of
from common.formats.layout import TextOptions
from common.model import FloatType, Input, InputFormat, PointArray, Split


def open_file(path: Path, columns: str | None, dtype: FloatType, _options: TextOptions) -> InputFile:
    """Open an array; see `Format`."""
    rows, fields = _open(str(path)).shape
    if not rows or not fields:
        raise InputError.at(str(path), "the array is empty; it needs at least one row and one column")
    chosen = choose_columns(str(path), columns, [], fields)
    return InputFile(input=input_of(path, InputFormat.NPY, fields, chosen, rows=rows, dtype=dtype))


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows; see `Format`. Nothing is mapped: see `view`."""
    array, rows = _open(source.path), block_rows(source)
    with Path(source.path).open("rb") as file:
        for start in range(split.row_start, split.row_stop, rows):
            block = _read_rows(file, array, start, min(rows, split.row_stop - start))
            if source.columns != tuple(range(source.fields)):
                block = np.ascontiguousarray(block[:, source.columns])
            if array.dtype != source.dtype:
                block = block.astype(np.float64)
            yield usable(block, source, start)


def view(source: Input, split: Split, *, mapped: bool) -> PointArray | None:
    """Map a split's rows, unchecked; None if other columns or another type are wanted, or rows in memory.

    If the file gets shorter, a process that looks at such rows dies: only a worker may.
    """
    matrix = _open(source.path)
    every_column = source.columns == tuple(range(source.fields))
    if not mapped or not every_column or not matrix.flags.c_contiguous or matrix.dtype != source.dtype:
        return None
    return matrix[split.row_start : split.row_stop]


def _read_rows(file: BinaryIO, array: np.memmap[Any, Any], start: int, count: int) -> npt.NDArray[Any]:
    """Read rows of a mapped array from its file; fewer if it has become shorter."""
    total, fields = array.shape
    size = array.dtype.itemsize
    if array.flags.c_contiguous:
        file.seek(array.offset + start * fields * size)
        return np.fromfile(file, array.dtype, count * fields).reshape(-1, fields)
    columns = []
    for column in range(fields):
        file.seek(array.offset + (column * total + start) * size)
        columns.append(np.fromfile(file, array.dtype, count))
    return np.column_stack(columns)


def _open(path: str) -> np.memmap[Any, Any]:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # the header is a Python literal, which can be wrong in any way
        raise InputError.at(path, f"not a usable .npy file ({str(error).splitlines()[0]})") from None
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise InputError.at(path, "not a vector or matrix of real numbers")
    return array if array.ndim == 2 else cast("np.memmap[Any, Any]", array[:, None])
