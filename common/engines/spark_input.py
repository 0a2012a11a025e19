"""The functions by which Spark's Python processes take in rows that Spark itself reads."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np

from common.engines.on_spark import own_folder
from common.engines.rows import StoredPart
from common.errors import InputError, UserError
from common.formats.columns import usable
from common.formats.line_index import BYTE_ORDER_MARK
from common.formats.opening import write_rows
from common.formats.parsing import parse
from common.model import Input, PointArray

_PIECE_BYTES = 2 << 20
_BLOCK_ROWS = 4096

Head: TypeAlias = tuple[int, int, bytes]
"""A line: its partition, from 0, its number there, from 1, and what it holds."""


def first_lines(index: int, lines: Iterable[bytes]) -> Iterator[Head]:
    """Yield the first two lines of a partition that are not blank."""
    found = 0
    for number, line in enumerate(lines, 1):
        text = _without_mark(index, number, line)
        if text.strip():
            yield index, number, text
            found += 1
        if found == 2:
            return


def count_lines(_index: int, lines: Iterable[bytes]) -> Iterator[int]:
    """Yield how many lines a partition has."""
    yield sum(1 for _ in lines)


@dataclass(frozen=True)
class StoreLines:
    """Parses a partition's lines and keeps the rows; yields the `StoredPart`, or what is wrong.

    Parameters
    ----------
    source
        How to read the lines.
    header
        The line to skip: its partition and its number there.
    lines_before
        For each partition, the lines of all that come before it, for messages; None if nobody has counted.
    """

    source: Input
    header: tuple[int, int] | None
    lines_before: tuple[int, ...] | None = None

    def __call__(self, index: int, lines: Iterable[bytes]) -> Iterator[StoredPart | str]:
        """Do so."""
        yield from _stored(index, self.source, self._blocks(index, lines))

    def _blocks(self, index: int, lines: Iterable[bytes]) -> Iterator[PointArray]:
        before = 0 if self.lines_before is None else self.lines_before[index]
        piece: list[bytes] = []
        size, first = 0, before + 1
        for number, line in enumerate(lines, 1):
            text = b"" if (index, number) == self.header else _without_mark(index, number, line)
            piece.append(text)
            size += len(text) + 1
            if size > _PIECE_BYTES:
                yield self._parsed(piece, first)
                piece, size, first = [], 0, before + number + 1
        if piece:
            yield self._parsed(piece, first)

    def _parsed(self, lines: list[bytes], first: int) -> PointArray:
        text = memoryview(b"\n".join([*lines, b""]))
        return parse(text, self.source, first).astype(self.source.dtype, copy=False)


@dataclass(frozen=True)
class StoreVectors:
    """Keeps the rows of an RDD's elements; yields the `StoredPart`, or what is wrong.

    An element is a list, a tuple, an array, a DataFrame's row or a vector of MLlib's. With `numbered`, its
    first number is the row's number in the file.
    """

    source: Input
    numbered: bool = False

    def __call__(self, index: int, vectors: Iterable[Any]) -> Iterator[StoredPart | str]:
        """Do so."""
        iterator = iter(vectors)
        head = list(islice(iterator, 1))
        first = int(head[0][0]) if head and self.numbered else -1
        yield from _stored(index, self.source, self._blocks(chain(head, iterator)), first)

    def _blocks(self, vectors: Iterator[Any]) -> Iterator[PointArray]:
        row = 0
        while taken := list(islice(vectors, _BLOCK_ROWS)):
            if self.numbered:
                row = int(taken[0][0])
            yield self._block(taken, row)
            row += len(taken)

    def _block(self, vectors: list[Any], row: int) -> PointArray:
        lists = [vector.toArray() if hasattr(vector, "toArray") else vector for vector in vectors]
        block = np.array(lists, np.float64)[:, int(self.numbered) :]  # None becomes nan
        for at, column in np.argwhere(np.isnan(block)).tolist():
            if lists[at][column + self.numbered] is None:
                what, position = "the field is empty; every field needs a number", self.source.columns[column]
                raise InputError.at(self.source.path, what, row=row + at + 1, column=position + 1)
        return usable(block, self.source, row)


def _stored(
    index: int, source: Input, blocks: Iterator[PointArray], first: int = -1
) -> Iterator[StoredPart | str]:
    path = own_folder() / f"rows-{uuid.uuid4().hex}"
    try:
        rows = write_rows(path, blocks)
    except UserError as error:
        yield str(error)
        return
    yield StoredPart(index, rows, len(source.columns), source.dtype, str(path), first)


def _without_mark(index: int, number: int, line: bytes) -> bytes:
    """Drop a byte order mark at the beginning of the file."""
    return line.removeprefix(BYTE_ORDER_MARK) if (index, number) == (0, 1) else line
