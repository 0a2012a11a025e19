"""NumPy's .npy files: a vector (one column) or a matrix of real numbers, memory-mapped."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.formats.columns import check_block, choose_columns
from common.model import FloatArray, Input, InputFormat, Split

_BLOCK_ROWS = 1 << 16


class NpyFile:
    """An opened .npy file."""

    def __init__(self, path: Path, wanted_columns: str | None) -> None:
        matrix = _open(str(path))
        rows, fields = matrix.shape
        if not rows or not fields:
            raise InputError.at(str(path), "the array is empty; it needs at least one row and one column")
        status = path.stat()
        self.input = Input(
            path=str(path.resolve()),
            format=InputFormat.NPY,
            delimiter="",
            fields=fields,
            columns=choose_columns(str(path), wanted_columns, [], fields),
            rows=rows,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        return [Split(i, *rows) for i, rows in enumerate(pairwise(bounds))]


def read_blocks(source: Input, split: Split) -> Iterator[FloatArray]:
    """Read a split's rows, as blocks of shape (rows, columns).

    Raises
    ------
    InputError
        A number cannot be used; the text names row and column.
    """
    matrix = _open(source.path)
    for start in range(split.row_start, split.row_stop, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, split.row_stop)
        block = np.ascontiguousarray(matrix[start:stop][:, source.columns], np.float64)
        yield check_block(source.path, block, start, source.columns)


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
