"""NumPy's .npy files: a vector (one column) or a matrix of real numbers, memory-mapped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.formats.columns import block_rows, choose_columns, usable
from common.formats.dataset import InputFile, input_of
from common.model import FloatType, Input, InputFormat, PointArray, Split


def open_file(path: Path, columns: str | None, dtype: FloatType) -> InputFile:
    """Open an array; see `Format`."""
    rows, fields = _open(str(path)).shape
    if not rows or not fields:
        raise InputError.at(str(path), "the array is empty; it needs at least one row and one column")
    chosen = choose_columns(str(path), columns, [], fields)
    return InputFile(input=input_of(path, InputFormat.NPY, fields, chosen, rows=rows, dtype=dtype))


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows; see `Format`."""
    whole = view(source, split)
    matrix = _open(source.path)[split.row_start : split.row_stop] if whole is None else whole
    rows = block_rows(source)
    for start in range(0, split.rows, rows):
        block = matrix[start : start + rows]
        if whole is None:
            block = np.ascontiguousarray(block[:, source.columns], np.float64)
        yield usable(block, source, split.row_start + start)


def view(source: Input, split: Split) -> PointArray | None:
    """Map a split's rows, unchecked; None if other columns or another type are wanted."""
    matrix = _open(source.path)
    every_column = source.columns == tuple(range(source.fields))
    if not every_column or not matrix.flags.c_contiguous or matrix.dtype != source.dtype:
        return None
    return matrix[split.row_start : split.row_stop]


def _open(path: str) -> npt.NDArray[Any]:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # the header is a Python literal, which can be wrong in any way
        raise InputError.at(path, f"not a usable .npy file ({str(error).splitlines()[0]})") from None
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise InputError.at(path, "not a vector or matrix of real numbers")
    return array if array.ndim == 2 else array[:, None]
