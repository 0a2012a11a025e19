"""The functions that Spark runs in its executors' Python processes: the tasks of a stage, and taking in rows.

What a stage's tasks emit are pairs of a key and a value, as Spark's shuffle wants them. Their reports, which
are for the master, have the key None.
"""

import gc
import os
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from common.engines.rows import Part, StoredPart, held
from common.engines.tasks import MeteredTask, Order, Report, label_part, map_part, reduce_pieces
from common.engines.vectors import Flaw, as_points, as_table
from common.errors import InputError, UserError
from common.formats.line_index import BYTE_ORDER_MARK
from common.formats.opening import store_rows
from common.formats.parsing import parse
from common.formats.texts import TextCodes
from common.jobs.base import Job
from common.kernels.grouping import partition_of
from common.model import Input, Key, PointArray

_BLOCK_ROWS = 4096

Head: TypeAlias = tuple[int, int, bytes]
"""A line: its partition, from 0, its number there, from 1, and what it holds."""

Pair: TypeAlias = tuple[Key | None, Any]


def partition_of_pair(key: Key | None, partitions: int) -> int:
    """Choose the reduce task for a key, from 0; the first one passes on the map tasks' reports."""
    return 0 if key is None else partition_of(key, partitions)


def map_partition(order: Order, index: int, parts: Iterable[Part]) -> Iterator[Pair]:
    """Map the parts of one of Spark's partitions; yield the records by key, and a report."""
    task = MeteredTask("Map", index)
    emitted = chain.from_iterable(
        map_part(order, index, held(order.run, part, own_folder())) for part in parts
    )
    yield from task.run(emitted)
    yield None, _report(task)


def reduce_partition(job: Job, index: int, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Reduce the keys of one of Spark's partitions; yield the values by key, and all reports."""
    task = MeteredTask("Reduce", index)
    pieces = []
    for key, value in pairs:
        if key is None:
            yield key, value
        else:
            pieces.append((key, value))
    yield from task.run(reduce_pieces(job, pieces))
    yield None, _report(task)


def label_partition(order: Order, index: int, parts: Iterable[Part]) -> Iterator[Pair]:
    """Map the parts of one of Spark's partitions to text; yield it under key 0, and a report."""
    task = MeteredTask("Map", index)
    texts = chain.from_iterable(
        label_part(order, index, held(order.run, part, own_folder())) for part in parts
    )
    for text in task.run(texts):
        yield 0, text
    yield None, _report(task)


def is_report(pair: Pair) -> bool:
    """Tell a report from what the job emits."""
    return pair[0] is None


def own_folder() -> Path:
    """Return a folder that Spark removes with the executor."""
    return Path(os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0])


def _report(task: MeteredTask) -> Report:
    from pyspark import TaskContext

    _leave_out_of_collections(len(sys.modules))
    context = TaskContext.get()
    attempt = 1 if context is None else context.attemptNumber() + 1
    return task.report(f"{socket.gethostname()}/{os.getpid()}", attempt)


@cache
def _leave_out_of_collections(_modules: int) -> None:
    """Leave all objects that exist now out of later collections of garbage; once for each number of modules.

    PySpark collects garbage after each task. With all that numba loads, that would take 0.1 s each time.
    """
    gc.collect()
    gc.freeze()


def first_lines(count: int, index: int, lines: Iterable[bytes]) -> Iterator[Head]:
    """Yield the first lines of a partition that are not blank, at most so many."""
    filled = ((index, number, text) for number, text in _numbered(index, lines) if text.strip())
    return islice(filled, count)


def count_lines(_index: int, lines: Iterable[bytes]) -> Iterator[int]:
    """Yield how many lines a partition has."""
    yield sum(1 for _ in lines)


def store_lines(
    source: Input,
    first_row: tuple[int, int],
    lines_before: tuple[int, ...] | None,
    index: int,
    lines: Iterable[bytes],
) -> Iterator[StoredPart | str]:
    """Parse a partition's lines and keep the rows; yield the `StoredPart`, or what is wrong.

    `first_row` is the first line that counts: its partition and its number there. `lines_before` tells, for
    messages, the lines of all partitions before each; None if nobody has counted them.
    """
    texts = (b"" if (index, number) < first_row else text for number, text in _numbered(index, lines))
    first = 1 if lines_before is None else lines_before[index] + 1
    codes = TextCodes(source)
    yield _stored(index, source, codes, _parsed(source, codes, texts, first))


def store_vectors(
    source: Input, names: tuple[str, ...], index: int, vectors: Iterable[Any]
) -> Iterator[StoredPart | str]:
    """Keep the rows of an RDD's elements; yield the `StoredPart`, or what is wrong.

    An element is a list, a tuple, an array, a DataFrame's row or a vector of MLlib's. `names` are those of
    the columns, if they have names.
    """
    place, labels = f"partition {index + 1} of {source.path}", tuple(map(repr, names))
    blocks = _blocks(partial(_as_points, source), place, labels or _positions(source), enumerate(vectors))
    yield _stored(index, source, TextCodes(source), blocks)


def store_table(source: Input, index: int, rows: Iterable[Any]) -> Iterator[StoredPart | str]:
    """Do as `store_vectors` with the rows of a data frame, whose columns hold numbers and texts."""
    place, labels = f"partition {index + 1} of {source.path}", tuple(map(repr, source.names))
    codes = TextCodes(source)
    blocks = _blocks(partial(_as_table, source, codes), place, labels, enumerate(rows))
    yield _stored(index, source, codes, blocks)


def store_numbered(source: Input, index: int, vectors: Iterable[Any]) -> Iterator[StoredPart | str]:
    """Do as `store_vectors` with the rows of a file; each begins with its number there, from 0."""
    numbered = ((int(row), numbers) for row, *numbers in vectors)
    head = list(islice(numbered, 1))
    first = head[0][0] if head else -1
    codes = TextCodes(source)
    read = partial(_as_table, source, codes) if source.is_table else partial(_as_points, source)
    blocks = _blocks(read, source.path, _positions(source), chain(head, numbered))
    yield _stored(index, source, codes, blocks, first)


def _parsed(source: Input, codes: TextCodes, texts: Iterator[bytes], first: int) -> Iterator[PointArray]:
    while lines := list(islice(texts, _BLOCK_ROWS)):
        text = memoryview(b"\n".join([*lines, b""]))
        yield parse(text, source, first, codes).astype(source.dtype, copy=False)
        first += len(lines)


def _blocks(
    read: Callable[[list[Any]], PointArray | Flaw],
    place: str,
    labels: Sequence[object],
    vectors: Iterator[tuple[int, Any]],
) -> Iterator[PointArray]:
    """Yield blocks of vectors, each given with its row from 0; raise InputError, which names the place."""
    while taken := list(islice(vectors, _BLOCK_ROWS)):
        block = read([vector for _, vector in taken])
        if isinstance(block, Flaw):
            raise InputError(block._replace(row=taken[block.row][0]).at(place, labels))
        yield block


def _as_points(source: Input, vectors: list[Any]) -> PointArray | Flaw:
    rows = [vector.toArray() if hasattr(vector, "toArray") else vector for vector in vectors]
    return as_points(rows, len(source.columns), source.dtype)


def _as_table(source: Input, codes: TextCodes, rows: list[Any]) -> PointArray | Flaw:
    return as_table(list(zip(*rows, strict=True)), codes, source.dtype)


def _positions(source: Input) -> list[int]:
    return [column + 1 for column in source.columns]


def _stored(
    index: int, source: Input, codes: TextCodes, blocks: Iterator[PointArray], first: int = -1
) -> StoredPart | str:
    path = own_folder() / f"rows-{uuid.uuid4().hex}"
    try:
        rows = store_rows(path, source, blocks, codes)
    except UserError as error:
        return str(error)
    return StoredPart(index, source, rows, str(path), first)


def _numbered(index: int, lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield a partition's lines, numbered from 1, without a byte order mark at the beginning of the file."""
    for number, line in enumerate(lines, 1):
        yield number, line.removeprefix(BYTE_ORDER_MARK) if (index, number) == (0, 1) else line
