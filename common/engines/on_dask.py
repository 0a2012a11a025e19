"""The functions that Dask runs in its workers.

What a map task emits stays in its worker, cut by reduce task; it is fetched from there.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from common.engines.rows import Part, forget
from common.engines.tasks import Emitted, Order, label_opened, label_part, map_opened, map_part, reduce_pieces
from common.errors import UserError
from common.jobs.base import Job, Memory
from common.kernels.partitioner import partition_of
from common.model import FloatArray, Key, PointArray

Rows: TypeAlias = Part | PointArray
"""Rows that a worker reads and keeps, or that Dask has in its memory already."""


@dataclass(frozen=True)
class Answer:
    """What a task has done.

    Parameters
    ----------
    worker
        Where it ran.
    duration_ms
        How long.
    records
        How many it emitted.
    refusal
        The text of a UserError: trying again would not help.
    result
        Of a reduce task, the values by key.
    told
        The map tasks' answers, if it is the first reduce task.
    """

    worker: str
    duration_ms: float
    records: int = 0
    refusal: str | None = None
    result: tuple[tuple[Key, FloatArray], ...] = ()
    told: tuple["Answer", ...] = ()


@dataclass(frozen=True, eq=False)
class Mapped:
    """What a map task emitted, by reduce task; Dask keeps it where it is."""

    answer: Answer
    partitions: tuple[tuple[Emitted, ...], ...]


Partition: TypeAlias = tuple[Answer | None, tuple[Emitted, ...]]


def map_task(order: Order, index: int, rows: Rows, partitions: int) -> Mapped:
    """Map a part of the input, or rows at hand."""
    began_s = time.monotonic()
    emitted: list[list[Emitted]] = [[] for _ in range(partitions)]
    try:
        for key, piece in _mapped(order, index, rows):
            emitted[partition_of(key, partitions)].append((key, piece))
    except UserError as error:
        return Mapped(_answer(began_s, refusal=str(error)), ((),) * partitions)
    records = sum(len(piece.values) for pieces in emitted for _, piece in pieces)
    return Mapped(_answer(began_s, records=records), tuple(map(tuple, emitted)))


def take_partition(mapped: Mapped, partition: int) -> Partition:
    """Take out what is for one reduce task; how the map task went goes with the first."""
    return None if partition else mapped.answer, mapped.partitions[partition]


def reduce_task(job: Job, partitions: Sequence[Partition]) -> Answer:
    """Reduce one partition of all map tasks."""
    began_s = time.monotonic()
    result = tuple(reduce_pieces(job, (pair for _, pairs in partitions for pair in pairs)))
    told = tuple(answer for answer, _ in partitions if answer is not None)
    return _answer(began_s, records=sum(len(values) for _, values in result), result=result, told=told)


def label_task(order: Order, index: int, rows: Rows) -> tuple[Answer, tuple[bytes, ...]]:
    """Map a part of the input to text, or rows at hand."""
    began_s = time.monotonic()
    try:
        if isinstance(rows, np.ndarray):
            pieces = tuple(label_opened(order, index, rows))
        else:
            pieces = tuple(label_part(order, rows, own_folder()))
    except UserError as error:
        return _answer(began_s, refusal=str(error)), ()
    return _answer(began_s, records=sum(piece.count(b"\n") for piece in pieces)), pieces


def own_folder() -> Path:
    """Return a folder that Dask removes with the worker."""
    from distributed import get_worker

    return Path(get_worker().local_directory)


def forget_run(run: str) -> None:
    """Drop what this worker has kept for a run."""
    forget(run)
    with _lock:
        for key in [key for key in _memories if key[0] == run]:
            del _memories[key]


_memories: dict[tuple[str, int], Memory] = {}
"""What jobs have left beside rows that Dask itself keeps, by run and part."""
_lock = threading.Lock()


def _mapped(order: Order, index: int, rows: Rows) -> Iterable[Emitted]:
    if not isinstance(rows, np.ndarray):
        yield from map_part(order, rows, own_folder())
        return
    time.sleep(order.options.delay_s)
    with _lock:  # taken, so that nobody else works with it meanwhile
        memory = _memories.pop((order.run, index), {})
    yield from map_opened(order, index, rows, memory)
    with _lock:
        _memories[order.run, index] = memory


def _answer(began_s: float, **more: Any) -> Answer:
    from distributed import get_worker

    return Answer(get_worker().address, round((time.monotonic() - began_s) * 1000, 3), **more)
