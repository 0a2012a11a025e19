"""Dask: the same jobs on its workers, which read and keep their rows themselves."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import accumulate
from operator import getitem
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from common.engines.on_dask import forget_run, label_task, map_task, reduce_task, rows_of
from common.engines.rows import FilePart
from common.engines.tasks import Reduced, Report
from common.errors import InputError, UsageError
from common.events.catalogue.tasks import FAILURE
from common.events.catalogue.workers import Cluster, WorkerCame, WorkerLeft
from common.events.log import Log
from common.formats.dataset import InputFile, plan_splits
from common.jobs.base import Engine, Job
from common.model import Buffer, FloatArray, Key, State, TaskOptions
from master.engines.dask.connect import connect, translated_errors
from master.engines.stages import ClusterData, Stages
from master.engines.table import EngineRequest

if TYPE_CHECKING:
    from distributed import Client, Future

_RETRIES = 3


def start_engine(request: EngineRequest) -> Engine:
    """Connect, and have each worker read its splits."""
    workers = request.config.workers
    client = request.stack.enter_context(connect(request.config.cluster.dask_scheduler, workers.mappers))
    from distributed import __version__

    dashboard = f"dashboard {client.dashboard_link}"
    if find_spec("bokeh") is None:
        dashboard += " (once bokeh is installed where the scheduler runs: pip install bokeh)"
    request.log.event(Cluster(engine=f"Dask {__version__}", at=client.scheduler.address, ui=dashboard))
    rows = Parts.of_file(request.file, workers.mappers)
    engine = DaskEngine(client, rows, request.tasks, workers.reducers, request.log)
    return request.stack.enter_context(engine)


@contextmanager
def open_data(data: Any, workers: int) -> Iterator[ClusterData]:
    """Open an array or a data frame on the client that is there, or one of its own. May raise UserError."""
    from dask import delayed

    if getattr(data, "ndim", 0) != 2 or not hasattr(data, "to_delayed"):
        raise UsageError(
            f"a Dask {type(data).__name__} cannot be clustered; use an array or a data frame of rows"
        )
    names = tuple(map(str, getattr(data, "columns", ())))
    if not names:
        data = data.rechunk({1: -1})
    with connect(None, workers) as client:
        with translated_errors():
            parts = data.to_delayed()
            blocks = client.compute([delayed(rows_of)(part) for part in np.ravel(parts).tolist()])
            *starts, total = accumulate(client.gather(client.map(len, blocks, pure=False)), initial=0)
        rows = Parts(blocks, tuple(starts))
        yield ClusterData(partial(DaskEngine, client, rows), total, int(data.shape[1]), names)


@dataclass(frozen=True)
class Parts:
    """The input's rows, in parts that follow each other, and the first row of each.

    A part is a `Part`, or a future of its rows: an array of shape (rows, columns).
    """

    parts: Sequence[Any]
    row_starts: tuple[int, ...]

    @classmethod
    def of_file(cls, file: InputFile, count: int) -> Self:
        """Cut a file that every worker can read at the same path; each reads its splits itself."""
        splits = plan_splits(file, count)
        return cls(
            [FilePart(file.input, split) for split in splits], tuple(split.row_start for split in splits)
        )


class DaskEngine(AbstractContextManager["DaskEngine", None]):
    """Runs jobs by a Dask client, which stays the caller's.

    A context manager that drops what the workers keep. There is a map task for each part of the rows. The log
    gets every task, once its stage is finished, and workers that come and go.
    """

    def __init__(self, client: "Client", rows: Parts, options: TaskOptions, reducers: int, log: Log) -> None:
        self._client = client
        self._parts = rows.parts
        self._reducers = reducers
        self._log = log
        self._stages = Stages(options, rows.row_starts, log)
        self._submitted = 0
        self._homes: dict[int, str] = {}
        """Where each part's rows are kept."""
        self._workers = set(client.nthreads())

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # they may be gone
            self._client.run(forget_run, self._stages.run, on_error="ignore")

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`. Only what the reduce tasks return comes to this process."""
        stage = self._stages.begin(job, state, iteration)
        with translated_errors():
            mapped = self._map(map_task, stage.order, self._reducers)
            reduced = [
                self._submit(
                    reduce_task,
                    *(job, partition, [self._submit(getitem, task, partition) for task in mapped]),
                )
                for partition in range(self._reducers)
            ]
            answers: list[tuple[list[Report], list[Reduced]]] = self._client.gather(reduced)
        reports = [report for reports, _ in answers for report in reports]
        stage.finish(reports)
        self._watch_workers(reports)
        return {key: values for _, pairs in answers for key, values in pairs}

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One part's text at a time is in memory."""
        stage = self._stages.begin(job, state)
        with translated_errors():
            futures = self._map(label_task, stage.order)
        reports = []
        while futures:
            with translated_errors():
                report, pieces = futures.pop(0).result()  # once it is popped, the worker may drop it
            reports.append(report)
            if report.refusal is not None:
                raise InputError(report.refusal)
            yield from pieces
        stage.finish(reports)
        self._watch_workers(reports)

    def _map(self, function: Any, order: Any, *more: Any) -> "list[Future]":
        """Submit a task for each part, where its rows are kept, if that worker is still there."""
        return [
            self._submit(function, order, index, part, *more, home=self._homes.get(index))
            for index, part in enumerate(self._parts)
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
        with suppress(Exception):
            workers = set(self._client.nthreads())
            for worker in sorted(self._workers - workers):
                self._log.event(WorkerLeft(worker=worker, status=FAILURE))
            for worker in sorted(workers - self._workers):
                self._log.event(WorkerCame(worker=worker))
            self._workers = workers
            homes = {index: home for index, home in homes.items() if home in workers}
        self._homes = homes
