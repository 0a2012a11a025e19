"""The rows of a split as its file holds them, whatever its format."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.errors import InputError
from common.formats import lines, npy, text
from common.formats.unchanged import CHANGED, refusing_changes
from common.model import Input, InputFormat, PointArray, Rows, Split

_READERS: Mapping[InputFormat, Callable[[Input, Split], Iterator[Any]]] = {
    InputFormat.TEXT: text.read_blocks,
    InputFormat.NPY: npy.read_blocks,
    InputFormat.LINES: lines.read_blocks,
}


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows, in blocks of shape (rows, columns), every number checked.

    Raises
    ------
    InputError
        The file has changed since the master saw it, can't be read, or holds what it must not.
    """
    rows = 0
    with refusing_changes(source):
        for block in _reader(source.format)(source, split):
            rows += len(block)
            if rows > split.rows:
                break
            yield block
        if rows != split.rows:
            raise InputError.at(source.path, CHANGED)


def stored_rows(source: Input, split: Split) -> Rows | None:
    """Return a split's rows, mapped and not yet checked, if the file holds them as they are wanted.

    Raises
    ------
    InputError
        The file has changed since the master saw it, or can't be read.
    """
    if source.format not in (InputFormat.NPY, InputFormat.LINES):
        return None
    with refusing_changes(source):
        return npy.view(source, split) if source.format is InputFormat.NPY else lines.view(source, split)


def _reader(kind: InputFormat) -> Callable[[Input, Split], Iterator[Any]]:
    if kind is InputFormat.PARQUET:
        from common.formats import parquet  # imports pyarrow

        return parquet.read_blocks
    return _READERS[kind]
