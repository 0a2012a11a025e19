"""The functions by which Spark's Python processes take in rows that Spark itself reads."""

import uuid
from collections.abc import Iterable, Iterator
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

_BLOCK_ROWS = 4096

Head: TypeAlias = tuple[int, int, bytes]
"""A line: its partition, from 0, its number there, from 1, and what it holds."""


def first_lines(index: int, lines: Iterable[bytes]) -> Iterator[Head]:
    """Yield the first two lines of a partition that are not blank."""
    filled = ((index, number, text) for number, text in _numbered(index, lines) if text.strip())
    return islice(filled, 2)


def count_lines(_index: int, lines: Iterable[bytes]) -> Iterator[int]:
    """Yield how many lines a partition has."""
    yield sum(1 for _ in lines)


def store_lines(
    source: Input,
    header: tuple[int, int] | None,
    lines_before: tuple[int, ...] | None,
    index: int,
    lines: Iterable[bytes],
) -> Iterator[StoredPart | str]:
    """Parse a partition's lines and keep the rows; yield the `StoredPart`, or what is wrong.

    `header` is the line to skip: its partition and its number there. `lines_before` tells, for messages, the
    lines of all partitions before each; None if nobody has counted them.
    """
    texts = (b"" if (index, number) == header else text for number, text in _numbered(index, lines))
    first = 1 if lines_before is None else lines_before[index] + 1
    yield _stored(index, source, _parsed(source, texts, first))


def store_vectors(
    source: Input, index: int, vectors: Iterable[Any], *, numbered: bool = False
) -> Iterator[StoredPart | str]:
    """Keep the rows of an RDD's elements; yield the `StoredPart`, or what is wrong.

    An element is a list, a tuple, an array, a DataFrame's row or a vector of MLlib's. With `numbered`, its
    first number is the row's number in the file.
    """
    iterator = iter(vectors)
    head = list(islice(iterator, 1))
    first = int(head[0][0]) if head and numbered else -1
    yield _stored(index, source, _blocks(source, numbered, chain(head, iterator)), first)


def _parsed(source: Input, texts: Iterator[bytes], first: int) -> Iterator[PointArray]:
    while lines := list(islice(texts, _BLOCK_ROWS)):
        text = memoryview(b"\n".join([*lines, b""]))
        yield parse(text, source, first).astype(source.dtype, copy=False)
        first += len(lines)


def _blocks(source: Input, numbered: bool, vectors: Iterator[Any]) -> Iterator[PointArray]:
    row = 0
    while taken := list(islice(vectors, _BLOCK_ROWS)):
        if numbered:
            row = int(taken[0][0])
        lists = [vector.toArray() if hasattr(vector, "toArray") else vector for vector in taken]
        block = np.array(lists, np.float64)[:, int(numbered) :]  # None becomes nan
        for at, column in np.argwhere(np.isnan(block)).tolist():
            if lists[at][column + numbered] is None:
                what, position = "the field is empty; every field needs a number", source.columns[column]
                raise InputError.at(source.path, what, row=row + at + 1, column=position + 1)
        yield usable(block, source, row)
        row += len(taken)


def _stored(index: int, source: Input, blocks: Iterator[PointArray], first: int = -1) -> StoredPart | str:
    path = own_folder() / f"rows-{uuid.uuid4().hex}"
    try:
        rows = write_rows(path, blocks)
    except UserError as error:
        return str(error)
    return StoredPart(index, rows, len(source.columns), source.dtype, str(path), first)


def _numbered(index: int, lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield a partition's lines, numbered from 1, without a byte order mark at the beginning of the file."""
    for number, line in enumerate(lines, 1):
        yield number, line.removeprefix(BYTE_ORDER_MARK) if (index, number) == (0, 1) else line
