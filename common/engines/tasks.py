"""The map and reduce tasks of a stage, as any worker can run them, and how each of them went."""

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from common.errors import UserError
from common.jobs.apply import map_rows, map_split
from common.jobs.base import Job, Memory
from common.kernels.grouping import key_slices, order_by_key, partition_positions
from common.machine import usage
from common.model import FloatArray, Key, LongArray, RecordFormat, Records, Rows, State, TaskOptions
from common.records import encode

_PIECE_NUMBERS = 1 << 17
_LABELLED_ROWS = 1 << 19


class Piece(NamedTuple):
    """Some values of a key, and where in the input's order they stand."""

    part: int
    position: int
    values: FloatArray


OpenedPart: TypeAlias = AbstractContextManager[tuple[Rows, Memory]]
"""Lends a part's rows to a task, and what jobs have left beside them."""

Emitted: TypeAlias = tuple[Key, Piece]
Reduced: TypeAlias = tuple[Key, FloatArray]
_Result = TypeVar("_Result", Emitted, Reduced, Records, bytes)


@dataclass(frozen=True)
class Order:
    """What the tasks of a stage have in common.

    `run` tells apart what different runs keep; `row_starts` has the first input row of each part.
    """

    run: str
    job: Job
    state: State
    options: TaskOptions
    row_starts: tuple[int, ...]


class Report(NamedTuple):
    """How a task went; tasks are counted from 1, and so are attempts, if the engine tells them."""

    method: str
    task: int
    attempt: int | None
    worker: str
    duration_ms: float
    cpu_ms: float
    peak_bytes: int
    records: int
    refusal: str | None
    """The text of a UserError: another attempt would raise it again."""


class MeteredTask:
    """A task that counts the records that it emits, until it is done or raises a UserError."""

    def __init__(self, method: str, index: int) -> None:
        self._method, self._index = method, index
        self._began_s, self._cpu_before_s, _ = usage()
        self._records = 0
        self._refusal: str | None = None

    def run(self, results: Iterable[_Result]) -> Iterator[_Result]:
        """Pass on what the task emits."""
        try:
            for result in results:
                self._records += _records_in(result)
                yield result
        except UserError as error:
            self._refusal = str(error)

    def report(self, worker: str, attempt: int | None = None) -> Report:
        """Tell how it went."""
        now_s, cpu_s, peak_mb = usage()
        return Report(
            method=self._method,
            task=self._index + 1,
            attempt=attempt,
            worker=worker,
            duration_ms=round((now_s - self._began_s) * 1000, 3),
            cpu_ms=round((cpu_s - self._cpu_before_s) * 1000, 3),
            peak_bytes=round(peak_mb * 1e6),
            records=self._records,
            refusal=self._refusal,
        )


def map_runs(order: Order, part: int, opened: OpenedPart, partitions: int) -> Iterator[Records]:
    """Map a part; yield its records for each reduce task, sorted by key. May raise InputError."""
    with _mapped(order, part, opened) as records:
        for positions in partition_positions(records.keys, partitions):
            yield _chosen(records, positions)


def map_part(order: Order, part: int, opened: OpenedPart) -> Iterator[Emitted]:
    """Map a part; yield its records by key, in pieces of about a MiB at most. May raise InputError."""
    with _mapped(order, part, opened) as records:
        keys, values = records.keys, records.values
        positions = order_by_key(keys)
        size = max(1, _PIECE_NUMBERS // max(1, values.shape[1]))
        for key, where in key_slices(keys[positions]):
            for start in range(where.start, where.stop, size):
                some = _chosen(records, positions[start : min(start + size, where.stop)])
                yield key, Piece(part, start - where.start, some.values)


@contextmanager
def _mapped(order: Order, part: int, opened: OpenedPart) -> Iterator[Records]:
    """Map a part by the options of its stage; see `map_split`."""
    time.sleep(order.options.delay_s)
    with opened as (rows, memory):
        yield map_split(
            *(order.job, order.state, rows, order.row_starts[part]),
            combine=order.options.combine,
            memory=memory,
            threads=order.options.threads,
            meter=usage,
        )


def _chosen(records: Records, positions: LongArray) -> Records:
    """Return some records of `map_split`, which may have the same values for several keys."""
    values = records.values[positions % len(records.values)]
    return Records(records.keys[positions], values.astype(np.float64, copy=False))


def label_part(order: Order, part: int, opened: OpenedPart) -> Iterator[bytes]:
    """Map a part alone; yield its records as text, in order. May raise InputError."""
    with opened as (rows, _):
        for start in range(0, len(rows), _LABELLED_ROWS):
            some, row_start = rows[start : start + _LABELLED_ROWS], order.row_starts[part] + start
            records = map_rows(
                order.job, order.state, some, row_start, combine=False, threads=order.options.threads
            )
            text = io.BytesIO()
            encode(records, RecordFormat.TEXT).write(text)
            yield text.getvalue()


def reduce_runs(job: Job, runs: Sequence[Records]) -> Iterator[Records]:
    """Reduce runs that are each sorted by key, in the order of the parts; yield all results at once."""
    yield job.reduce_runs(runs)


def reduce_pieces(job: Job, emitted: Iterable[Emitted]) -> Iterator[Reduced]:
    """Reduce each key once all its pieces are there, which may come in any order."""
    by_key: dict[Key, list[Piece]] = {}
    for key, piece in emitted:
        by_key.setdefault(key, []).append(piece)
    for key in sorted(by_key):
        pieces = sorted(by_key.pop(key), key=lambda piece: piece[:2])
        result = job.reduce(key, np.concatenate([piece.values for piece in pieces]))
        if len(result):
            yield key, result


def _records_in(result: Emitted | Reduced | Records | bytes) -> int:
    """Count the records of a run, of a piece, of a reduced key, or of a text, which has one a line."""
    if isinstance(result, bytes):
        return result.count(b"\n")
    if isinstance(result, Records):
        return len(result)
    values = result[1]
    return len(values.values if isinstance(values, Piece) else values)
