"""The functions that Spark runs in its executors' Python processes.

What a stage's tasks emit are pairs of a key and a value, as Spark's shuffle wants them. Their reports, which
are for the master, have the key None.
"""

import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from common.engines.rows import Part, held
from common.engines.tasks import (
    MeteredTask,
    Order,
    Report,
    label_part,
    map_part,
    reduce_pieces,
)
from common.jobs.base import Job
from common.kernels.grouping import partition_of
from common.model import Key

Pair: TypeAlias = tuple[Key | None, Any]


def partition_of_pair(key: Key | None, partitions: int) -> int:
    """Choose the reduce task for a key, from 0; the first one passes on the map tasks' reports."""
    return 0 if key is None else partition_of(key, partitions)


def map_partition(order: Order, index: int, parts: Iterable[Part]) -> Iterator[Pair]:
    """Map the parts of one of Spark's partitions; yield the records by key, and a report."""
    task = MeteredTask("Map", index)
    emitted = chain.from_iterable(
        map_part(order, part.index, held(order.run, part, own_folder())) for part in parts
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
        label_part(order, part.index, held(order.run, part, own_folder())) for part in parts
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

    context = TaskContext.get()
    attempt = 1 if context is None else context.attemptNumber() + 1
    return task.report(f"{socket.gethostname()}/{os.getpid()}", attempt)
