"""The functions that Spark runs in its executors' Python processes.

What a stage's tasks emit are pairs of a key and a value, as Spark's shuffle wants them. Under the key None
they emit what the master wants to know of themselves: a `Report`, or a `Refusal`.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from common.engines.rows import Part, here
from common.engines.tasks import Order, label_part, map_part, reduce_pieces
from common.errors import UserError
from common.jobs.base import Job
from common.kernels.partitioner import partition_of
from common.model import Key

Pair: TypeAlias = tuple[Key | None, Any]


class Report(NamedTuple):
    """How an attempt of a task went: it ended well."""

    method: str
    task: int
    attempt: int
    worker: str
    duration_ms: float
    records: int


class Refusal(NamedTuple):
    """The text of a UserError: trying again would not help."""

    text: str


@dataclass(frozen=True)
class Partitioner:
    """Tells Spark's shuffle which reduce task gets a key; one of them passes on what has none."""

    partitions: int

    def __call__(self, key: Key | None) -> int:
        """Return its partition, from 0."""
        return 0 if key is None else partition_of(key, self.partitions)


@dataclass(frozen=True)
class MapPartition:
    """Maps the parts of one of Spark's partitions."""

    order: Order

    def __call__(self, index: int, parts: Iterable[Part]) -> Iterator[Pair]:
        """Yield the records by key, and a report."""
        clock = _Clock("Map", index)
        try:
            for part in parts:
                for key, piece in map_part(self.order, part, own_folder()):
                    clock.records += len(piece.values)
                    yield key, piece
        except UserError as error:
            yield None, Refusal(str(error))
        yield None, clock.report()


@dataclass(frozen=True)
class ReducePartition:
    """Reduces the keys of one of Spark's partitions."""

    job: Job

    def __call__(self, index: int, emitted: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the values by key, the map tasks' own pairs, and a report."""
        clock = _Clock("Reduce", index)
        pieces = []
        for key, value in emitted:
            if key is None:
                yield key, value
            else:
                pieces.append((key, value))
        for key, result in reduce_pieces(self.job, pieces):
            clock.records += len(result)
            yield key, result
        yield None, clock.report()


@dataclass(frozen=True)
class LabelPartition:
    """Maps the parts of one of Spark's partitions to text."""

    order: Order

    def __call__(self, index: int, parts: Iterable[Part]) -> Iterator[Pair]:
        """Yield text under key 0, and a report."""
        clock = _Clock("Map", index)
        try:
            for part in parts:
                clock.records += part.rows
                for text in label_part(self.order, part, own_folder()):
                    yield 0, text
        except UserError as error:
            yield None, Refusal(str(error))
        yield None, clock.report()


def own_folder() -> Path:
    """Return a folder that Spark removes with the executor."""
    return Path(os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0])


class _Clock:
    """Counts, for a task's report."""

    def __init__(self, method: str, task: int) -> None:
        self._method, self._task = method, task
        self._began_s = time.monotonic()
        self.records = 0

    def report(self) -> Report:
        from pyspark import TaskContext

        context = TaskContext.get()
        attempt = 1 if context is None else context.attemptNumber() + 1
        duration_ms = round((time.monotonic() - self._began_s) * 1000, 3)
        return Report(self._method, self._task + 1, attempt, here(), duration_ms, self.records)
