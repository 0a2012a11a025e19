"""The functions by which Spark's Python processes take in rows that Spark itself reads."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from common.errors import UserError
from common.formats.columns import usable
from common.formats.text import parse
from common.model import FloatType, Input, PointArray
from common.remote.on_spark import own_folder
from common.remote.rows import StoredPart, write_rows

_PIECE_BYTES = 2 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

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
class StoreBatches:
    """Keeps the rows of Arrow batches; for `DataFrame.mapInArrow`.

    Each batch has the rows' numbers in the file first, if `numbered`, and then the used columns. What is
    yielded is one batch of one row: the partition, its first row's number, and the fields of a
    `StoredPart`, or in their place what is wrong.
    """

    source: Input
    numbered: bool

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Do so."""
        import pyarrow
        from pyspark import TaskContext

        context = TaskContext.get()
        index = 0 if context is None else context.partitionId()
        first = [-1]
        (stored,) = _stored(index, self.source, self._blocks(batches, first))
        wrong = stored if isinstance(stored, str) else None
        rows, path = (0, "") if isinstance(stored, str) else (stored.rows, stored.path)
        fields = {"part": index, "first": first[0], "rows": rows, "path": path, "wrong": wrong}
        yield pyarrow.RecordBatch.from_pylist([fields], stored_schema())

    def _blocks(self, batches: Iterable[Any], first: list[int]) -> Iterator[PointArray]:
        row = 0
        for batch in batches:
            if self.numbered and len(batch):
                numbers = batch.column(0).to_numpy()
                row = int(numbers[0])
                first[0] = row if first[0] < 0 else first[0]
            yield self._block(batch, row)
            row += len(batch)

    def _block(self, batch: Any, row: int) -> PointArray:
        from common.errors import InputError

        block = np.empty((len(batch), len(self.source.columns)))
        for i, position in enumerate(self.source.columns):
            column = batch.column(i + self.numbered)
            if column.null_count:
                missing = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
                what = "the field is empty; every field needs a number"
                raise InputError.at(self.source.path, what, row=row + missing + 1, column=position + 1)
            block[:, i] = column.to_numpy(zero_copy_only=False)
        return usable(block, self.source, row)


def stored_schema() -> Any:
    """Return the Arrow schema of what `StoreBatches` yields."""
    import pyarrow

    kinds = {"part": "int64", "first": "int64", "rows": "int64", "path": "string", "wrong": "string"}
    return pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in kinds.items()])


@dataclass(frozen=True)
class StoreVectors:
    """Keeps the rows of an RDD's elements: vectors of numbers, as a list, an array or MLlib's."""

    source: Input

    def __call__(self, index: int, vectors: Iterable[Any]) -> Iterator[StoredPart | str]:
        """Do so."""
        yield from _stored(index, self.source, self._blocks(vectors))

    def _blocks(self, vectors: Iterable[Any], block_rows: int = 4096) -> Iterator[PointArray]:
        block: list[Any] = []
        row = 0
        for vector in vectors:
            block.append(vector.toArray() if hasattr(vector, "toArray") else vector)
            if len(block) == block_rows:
                yield usable(np.array(block, np.float64), self.source, row)
                row += len(block)
                block = []
        if block:
            yield usable(np.array(block, np.float64), self.source, row)


def stored_part(row: Any, columns: int, dtype: FloatType) -> StoredPart | str:
    """Make again what `StoreBatches` has put in a row."""
    if row["wrong"] is not None:
        return str(row["wrong"])
    return StoredPart(row["part"], row["rows"], columns, dtype, row["path"], row["first"])


def _stored(index: int, source: Input, blocks: Iterator[PointArray]) -> Iterator[StoredPart | str]:
    path = own_folder() / f"rows-{uuid.uuid4().hex}"
    try:
        rows = write_rows(path, blocks)
    except UserError as error:
        yield str(error)
        return
    yield StoredPart(index, rows, len(source.columns), source.dtype, str(path))


def _without_mark(index: int, number: int, line: bytes) -> bytes:
    """Drop a byte order mark at the beginning of the file."""
    return line.removeprefix(_BYTE_ORDER_MARK) if (index, number) == (0, 1) else line
