"""Records as .npy files, which `numpy.load` opens: an array of a `key`, int32, and its `values`, float64.

It takes no time to write and to read, so it is for results of many numbers. What is read may have come over
the wire: it must be exactly what `ArrayFile` writes, and no part of it is evaluated.
"""

import io
import re
from typing import Any

import numpy as np
from numpy.lib import format as npy

from common.model import Buffer, LongArray, Records
from common.records.base import Sink

MAGIC: bytes = npy.MAGIC_PREFIX
_LONGEST_HEADER = 256
_SHAPE = re.compile(rb"\('values', '<f8', \((\d{1,9}),\)\).*'shape': \((\d{1,10}),\)")


class ArrayFile:
    """Writes records as an array."""

    suffix = ".npy"

    def __init__(self, records: Records) -> None:
        self._records = np.empty(len(records), _layout(records.values.shape[1]))
        self._records["key"], self._records["values"] = records.keys, records.values

    def __len__(self) -> int:
        return len(self._records)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """See `Encoder`."""
        chosen = self._records if positions is None else self._records[positions]
        sink.write(_header(len(chosen), _layout(chosen["values"].shape[1])))
        sink.write(chosen.view(np.uint8).data)


def decode(data: Buffer) -> Records:
    """Undo `ArrayFile.write`.

    Raises
    ------
    ValueError
        The bytes are not such a file.
    """
    view = memoryview(data)
    shape = _SHAPE.search(view[:_LONGEST_HEADER])
    if shape is None:
        raise ValueError("its records are not a key and values")
    width, rows = map(int, shape.groups())
    layout = _layout(width)
    header = _header(rows, layout)
    if view[: len(header)] != header or len(view) != len(header) + rows * layout.itemsize:
        raise ValueError("its size is not that of its records")
    records = np.frombuffer(view, layout, offset=len(header))
    if records["key"].min(initial=0) < 0:
        raise ValueError("a key is negative")
    return Records(records["key"].copy(), records["values"].copy())


def _layout(width: int) -> np.dtype[Any]:
    return np.dtype([("key", "<i4"), ("values", "<f8", (width,))])


def _header(rows: int, layout: np.dtype[Any]) -> bytes:
    header = io.BytesIO()
    described = {"descr": npy.dtype_to_descr(layout), "fortran_order": False, "shape": (rows,)}
    npy.write_array_header_1_0(header, described)
    return header.getvalue()
