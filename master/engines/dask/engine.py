"""Dask: the same jobs on its workers, which read and keep their rows themselves."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import accumulate
from operator import getitem
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from common.engines.on_dask import (
    forget_run,
    label_task,
    map_task,
    reduce_own,
    reduce_task,
    rows_in,
    rows_of,
    table_of,
)
from common.engines.rows import FilePart
from common.engines.tasks import Report
from common.errors import InputError, UsageError
from common.events.catalogue.tasks import FAILURE
from common.events.catalogue.workers import Cluster, WorkerCame, WorkerLeft
from common.events.log import Log
from common.formats.columns import ColumnChoice
from common.formats.dataset import InputFile, plan_splits
from common.jobs.base import Engine, Job
from common.kernels.grouping import groups
from common.model import Buffer, FloatArray, Input, Key, Records, State, TaskOptions
from master.engines.dask.connect import connect, translated_errors
from master.engines.stages import ClusterData, ClusterLostError, Stages, describe, describe_table, watched
from master.engines.table import EngineRequest
from master.options.groups import ClusterOptions

if TYPE_CHECKING:
    from distributed import Client, Future

_RETRIES = 3
_ANSWER_S = 5
_FEW_NUMBERS = 1 << 14
"""If a result has no more, each reduce task fetches all that map tasks emit: to cut it first takes longer."""


def start_engine(request: EngineRequest) -> Engine:
    """Connect, and have each worker read its splits."""
    workers, cluster = request.config.workers, request.config.cluster
    client = request.stack.enter_context(
        connect(cluster.dask_scheduler, workers.mappers, cluster.cluster_timeout)
    )
    from distributed import __version__

    dashboard = f"dashboard {client.dashboard_link}"
    if find_spec("bokeh") is None:
        dashboard += " (once bokeh is installed where the scheduler runs: pip install bokeh)"
    request.log.event(Cluster(engine=f"Dask {__version__}", at=client.scheduler.address, ui=dashboard))
    rows = Parts.of_file(request.file, workers.mappers)
    engine = DaskEngine(client, rows, request.tasks, workers.reducers, request.log, cluster.cluster_timeout)
    return request.stack.enter_context(engine)


@contextmanager
def open_data(data: Any, workers: int, choice: ColumnChoice) -> Iterator[ClusterData]:
    """Open an array or a data frame on the client that is there, or one of its own. May raise UserError."""
    from dask import delayed

    if getattr(data, "ndim", 0) != 2 or not hasattr(data, "to_delayed"):
        raise UsageError(
            f"a Dask {type(data).__name__} cannot be clustered; use an array or a data frame of rows"
        )
    source, chosen, read = _table(data, choice) if choice.takes_texts else _vectors(data)
    with connect(None, workers) as client:
        with translated_errors():
            parts = np.ravel(chosen.to_delayed()).tolist()
            tasks = [
                delayed(read)(f"partition {i} of {source.path}", part) for i, part in enumerate(parts, 1)
            ]
            blocks = client.compute(tasks)
            found = client.gather(client.map(rows_in, blocks, pure=False))
        if refusal := next((each for each in found if isinstance(each, str)), None):
            raise InputError(refusal)
        *starts, total = accumulate(found, initial=0)
        if not total:
            raise InputError(f"{source.path} is empty")
        rows = Parts(blocks, tuple(starts), len(source.columns))
        yield ClusterData(partial(DaskEngine, client, rows), replace(source, rows=total))


def _vectors(data: Any) -> tuple[Input, Any, Callable[..., Any]]:
    """Describe rows of numbers; return also the data, and what reads a partition, given its name first."""
    names = tuple(map(str, getattr(data, "columns", ())))
    if not names:
        data = data.rechunk({1: -1})
    columns = int(data.shape[1])
    source = describe(f"the Dask {'data frame' if names else 'array'}", range(columns), names)
    return source, data, partial(rows_of, names=names, columns=columns)


def _table(frame: Any, choice: ColumnChoice) -> tuple[Input, Any, Callable[..., Any]]:
    """Do as `_vectors` with a data frame's columns of numbers and of texts."""
    labels, kinds = list(frame.columns), list(frame.dtypes)
    names = list(map(str, labels))
    texts = [column for column, kind in enumerate(kinds) if _holds_texts(kind)]
    source = describe_table("the Dask data frame", names, texts, choice)
    for column in source.columns:
        if kinds[column].kind not in "biuf" and column not in texts:
            what = f"holds {kinds[column]}, neither numbers nor texts; choose others with --columns"
            raise InputError(f"column '{names[column]}' {what}")
    return source, frame[[labels[column] for column in source.columns]], partial(table_of, source=source)


def _holds_texts(kind: Any) -> bool:
    """Tell whether a column of a type of pandas holds texts, categories or objects."""
    return bool(kind.name == "category" or kind.kind == "O")


@dataclass(frozen=True)
class Parts:
    """The input's rows, in parts that follow each other, and the first row of each.

    A part is a `Part`, or a future of its rows: an array of shape (rows, columns).
    """

    parts: Sequence[Any]
    row_starts: tuple[int, ...]
    columns: int

    @classmethod
    def of_file(cls, file: InputFile, count: int) -> Self:
        """Cut a file that every worker can read at the same path; each reads its splits itself."""
        splits = plan_splits(file, count)
        return cls(
            [FilePart(file.source_of(split), split) for split in splits],
            tuple(split.row_start for split in splits),
            len(file.input.columns),
        )


class DaskEngine(AbstractContextManager["DaskEngine", None]):
    """Runs jobs by a Dask client, which stays the caller's.

    A context manager that drops what the workers keep. There is a map task for each part of the rows. The log
    gets every task, once its stage is finished, and workers that come and go.
    """

    def __init__(
        self,
        client: "Client",
        rows: Parts,
        options: TaskOptions,
        reducers: int,
        log: Log,
        timeout_s: float = ClusterOptions.cluster_timeout,
    ) -> None:
        self._client, self._cluster = client, f"Dask at {client.scheduler.address}"
        self._timeout_s = timeout_s
        self._rows = rows
        self._reducers = reducers
        self._log = log
        self._stages = Stages(options, rows.row_starts, log)
        self._submitted = 0
        self._homes: dict[int, str] = {}
        """Where each part's rows are kept."""
        self._workers = set(client.nthreads())
        self._last_seen_s = 0.0

    def __exit__(self, *_: object) -> None:
        forget = partial(self._client._run, forget_run, self._stages.run, on_error="ignore")
        with suppress(Exception):  # they may be gone
            self._client.sync(forget, callback_timeout=_ANSWER_S)

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`. Only what the reduce tasks return comes to this process."""
        stage = self._stages.begin(job, state, iteration)
        few = self._emits_few(job, state, stage.order.options)

        def submit() -> "list[Future]":
            mapped, reducers = self._map(map_task, stage.order, self._reducers), range(self._reducers)
            if few:
                return [self._submit(reduce_own, job, partition, mapped) for partition in reducers]
            cut = [[self._submit(getitem, task, partition) for task in mapped] for partition in reducers]
            return [self._submit(reduce_task, job, partition, cut[partition]) for partition in reducers]

        answers: list[tuple[list[Report], list[Records]]] = list(self._results(submit, self._reducers))
        reports = [report for reports, _ in answers for report in reports]
        stage.finish(reports)
        self._watch_workers(reports)
        return {key: values for _, results in answers for key, values in groups(*results)}

    def _emits_few(self, job: Job, state: State, options: TaskOptions) -> bool:
        """Tell whether map tasks emit a record for each of few keys at most, and few numbers."""
        if job.beside_point is not None or not (options.combine or job.aggregates):
            return False
        shape = job.result_shape(state, self._rows.columns)
        return shape is not None and math.prod(shape) <= _FEW_NUMBERS

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One part's text at a time is in memory."""
        stage = self._stages.begin(job, state)
        reports = []
        for report, pieces in self._results(partial(self._map, label_task, stage.order), 1):
            reports.append(report)
            if report.refusal is not None:
                raise InputError(report.refusal)
            yield from pieces
        stage.finish(reports)
        self._watch_workers(reports)

    def _results(self, submit: "Callable[[], list[Future]]", at_once: int) -> Iterator[Any]:
        """Submit tasks and yield their results, that many at once in memory; once fetched, workers drop them.

        Tasks are dropped when Dask loses its scheduler for a moment, and by `_is_alive`; then they are
        submitted again.
        """
        with translated_errors():
            futures = submit()
        while futures:
            results = self._gather(futures, at_once)
            if results is None:
                self._watch_workers([])
                with translated_errors():
                    futures = submit()[-len(futures) :]
            else:
                del futures[:at_once]
                yield from results

    def _gather(self, futures: "list[Future]", count: int) -> list[Any] | None:
        """Wait for the first tasks; None if they were dropped."""
        from distributed import CancelledError

        is_alive, give_up = partial(self._is_alive, futures), partial(self._client.cancel, futures)
        with (
            translated_errors(),
            watched(self._cluster, self._timeout_s, is_alive, give_up),
            suppress(CancelledError),
        ):
            return list(self._client.gather(futures[:count]))
        if self._client.status not in ("running", "connecting"):
            raise ClusterLostError(self._cluster, "has lost its scheduler")
        return None

    def _is_alive(self, futures: "list[Future]", look_s: float) -> bool:
        """Tell whether a worker has given a sign of life since the last look.

        If all workers are new, drop the tasks: Dask would never place those that had a home.
        """
        identity = self._client.scheduler.identity
        workers = self._client.sync(identity, callback_timeout=look_s)["workers"]
        if self._homes and self._workers.isdisjoint(workers):
            self._client.cancel(futures)
        before, self._last_seen_s = self._last_seen_s, max(each["last_seen"] for each in workers.values())
        return self._last_seen_s > before

    def _map(self, function: Any, order: Any, *more: Any) -> "list[Future]":
        """Submit a task for each part, where its rows are kept, if that worker is still there."""
        return [
            self._submit(function, order, index, part, *more, home=self._homes.get(index))
            for index, part in enumerate(self._rows.parts)
        ]

    def _submit(self, function: Any, *arguments: Any, home: str | None = None) -> "Future":
        self._submitted += 1
        return self._client.submit(
            function,
            *arguments,
            key=f"{function.__name__}-{self._stages.run}-{self._submitted}",
            pure=False,
            retries=_RETRIES,
            workers=None if home is None else [home],
            allow_other_workers=home is not None,
        )

    def _watch_workers(self, reports: Sequence[Report]) -> None:
        """Remember who has the rows, and log which workers have come and gone since the last time."""
        homes = {report.task - 1: report.worker for report in reports if report.method == "Map"}
        with suppress(OSError, RuntimeError, AttributeError):  # the scheduler may be gone
            workers = set(self._client.nthreads(callback_timeout=_ANSWER_S))
            for worker in sorted(self._workers - workers):
                self._log.event(WorkerLeft(worker=worker, status=FAILURE))
            for worker in sorted(workers - self._workers):
                self._log.event(WorkerCame(worker=worker))
            self._workers = workers
            homes = {index: home for index, home in homes.items() if home in workers}
        self._homes = homes
