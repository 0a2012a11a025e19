"""The functions that Dask runs in its workers.

What a map task emits stays in its worker, cut by reduce task; it is fetched from there.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from common.engines.rows import Part, forget, held
from common.engines.tasks import MeteredTask, Order, Report, label_part, map_runs, reduce_runs
from common.engines.vectors import Flaw, as_points, as_table
from common.errors import InputError
from common.formats.texts import TextCodes
from common.jobs.base import Job, Memory
from common.model import FloatType, Input, PointArray, Records, Rows, Table

Partition: TypeAlias = tuple[list[Report], list[Records]]
"""What a map task emitted for one reduce task; its report goes with the first partition."""

_memories: dict[tuple[str, int], Memory] = {}
"""What jobs have left beside rows that Dask itself keeps, by run and part."""
_lock = threading.Lock()


def map_task(order: Order, index: int, rows: Part | PointArray | Table, partitions: int) -> list[Partition]:
    """Map rows that a worker reads and keeps, or that Dask keeps in its memory.

    Dask keeps the partitions, one for each reduce task, where they are.
    """
    task = MeteredTask("Map", index)
    runs = list(task.run(map_runs(order, index, _opened(order.run, index, rows), partitions)))
    report = task.report(_worker().address)
    return [([] if i else [report], runs[i : i + 1]) for i in range(partitions)]


def reduce_task(job: Job, index: int, partitions: Sequence[Partition]) -> tuple[list[Report], list[Records]]:
    """Reduce one partition of all map tasks; pass on their reports."""
    task = MeteredTask("Reduce", index)
    result = list(task.run(reduce_runs(job, [run for _, runs in partitions for run in runs])))
    reports = [report for reports, _ in partitions for report in reports]
    return [*reports, task.report(_worker().address)], result


def reduce_own(
    job: Job, index: int, outputs: Sequence[list[Partition]]
) -> tuple[list[Report], list[Records]]:
    """Reduce one partition of all map tasks, given all that these emitted; else as `reduce_task`."""
    return reduce_task(job, index, [output[index] for output in outputs])


def label_task(order: Order, index: int, rows: Part | PointArray | Table) -> tuple[Report, list[bytes]]:
    """Map rows to text; else as `map_task`."""
    task = MeteredTask("Map", index)
    pieces = list(task.run(label_part(order, index, _opened(order.run, index, rows))))
    return task.report(_worker().address), pieces


def forget_run(run: str) -> None:
    """Drop what this worker has kept for a run."""
    forget(run)
    with _lock:
        for key in [key for key in _memories if key[0] == run]:
            del _memories[key]


def rows_of(place: str, data: Any, names: tuple[str, ...], columns: int) -> PointArray | str:
    """Return rows of an array or a data frame as jobs want them, or what is wrong with them, and where.

    `names` are those of the columns, if they have names.
    """
    rows = np.asanyarray(data)
    dtype = FloatType.FLOAT32 if rows.dtype == np.float32 else FloatType.FLOAT64
    points = as_points(rows, columns, dtype)
    labels = tuple(map(repr, names)) or range(1, columns + 1)
    return points.at(place, labels) if isinstance(points, Flaw) else points


def table_of(place: str, data: Any, source: Input) -> Table | str:
    """Do as `rows_of` with a data frame whose columns hold numbers and texts."""
    codes = TextCodes(source)
    columns = [data.iloc[:, i] for i in range(len(source.columns))]
    try:
        points = as_table(columns, codes, source.dtype)
    except InputError as error:
        return str(error)
    labels = tuple(map(repr, source.names))
    return points.at(place, labels) if isinstance(points, Flaw) else Table(points, codes.texts)


def rows_in(rows: PointArray | Table | str) -> int | str:
    """Count the rows, or pass on what is wrong with them."""
    return rows if isinstance(rows, str) else len(rows)


@contextmanager
def _opened(run: str, index: int, rows: Part | PointArray | Table) -> Iterator[tuple[Rows, Memory]]:
    if isinstance(rows, Part):
        with held(run, rows, Path(_worker().local_directory)) as opened:  # Dask removes it with the worker
            yield opened
        return
    with _lock:  # taken, so that nobody else works with it meanwhile
        memory = _memories.pop((run, index), {})
    yield rows, memory
    with _lock:
        _memories[run, index] = memory


def _worker() -> Any:
    from distributed import get_worker

    return get_worker()
