"""Dask: the same jobs on its workers, which read and keep their rows themselves."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from common.engines.on_dask import (
    Answer,
    forget_run,
    label_task,
    map_task,
    reduce_task,
    take_partition,
)
from common.engines.rows import FilePart
from common.engines.tasks import Order
from common.errors import InputError
from common.events.catalogue.tasks import FAILURE, SUCCESS, StageStarted, TaskFinished
from common.events.catalogue.workers import WorkerCame, WorkerLeft
from common.events.log import Log
from common.formats.base import InputFile
from common.formats.dataset import plan_splits
from common.jobs.base import Job
from common.model import Buffer, FloatArray, Key, State, TaskOptions
from master.engines.dask.errors import translated_errors

if TYPE_CHECKING:
    from distributed import Client, Future

_RETRIES = 3


@dataclass(frozen=True)
class Parts:
    """The input's rows, in parts that follow each other.

    Parameters
    ----------
    parts
        Each a `Part`, or a future of its rows: an array of shape (rows, columns).
    row_starts
        The first row of each.
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


class DaskEngine:
    """Runs jobs by a Dask client; a context manager that drops what the workers keep.

    Parameters
    ----------
    client
        Of the cluster. It stays the caller's.
    rows
        The input, in parts: a map task each.
    options
        Whether to combine, a map task's threads, and how long it waits before its work.
    reducers
        Reduce tasks; `partition_of` chooses one.
    log
        Gets every task, once the stage is finished, and workers that come and go.
    """

    def __init__(
        self,
        client: "Client",
        rows: Parts,
        options: TaskOptions,
        reducers: int,
        log: Log,
    ) -> None:
        self._client = client
        self._parts = rows.parts
        self._row_starts = rows.row_starts
        self._reducers = reducers
        self._options = options
        self._log = log
        self._run = secrets.token_hex(8)
        self._stages = 0
        self._homes: dict[int, str] = {}
        self._workers = set(client.nthreads())

    def __enter__(self) -> Self:
        """Do nothing; the client is there."""
        return self

    def __exit__(self, *_: object) -> None:
        """Have the workers forget the rows."""
        with suppress(Exception):  # they may be gone
            self._client.run(forget_run, self._run, on_error="ignore")

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`. Only what the reduce tasks return comes to this process."""
        stage = self._begin(job, iteration)
        order = self._order(job, state)
        with translated_errors():
            mapped = [
                self._submit("map", index, map_task, order, index, part, self._reducers)
                for index, part in enumerate(self._parts)
            ]
            answers: list[Answer] = self._client.gather(
                [
                    self._submit("reduce", partition, reduce_task, job, self._pick(mapped, partition))
                    for partition in range(self._reducers)
                ]
            )
        self._finish("Map", answers[0].told, stage)
        self._finish("Reduce", answers, stage)
        return {key: values for answer in answers for key, values in answer.result}

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One part's text at a time is in memory."""
        stage = self._begin(job, None)
        order = self._order(job, state)
        with translated_errors():
            futures = [
                self._submit("map", index, label_task, order, index, part)
                for index, part in enumerate(self._parts)
            ]
        answers = []
        for index in range(len(futures)):
            with translated_errors():
                answer, pieces = futures[index].result()
            futures[index] = None  # the worker may drop it
            answers.append(answer)
            if answer.refusal is not None:
                raise InputError(answer.refusal)
            yield from pieces
        self._finish("Map", answers, stage)

    def _order(self, job: Job, state: State) -> Order:
        return Order(self._run, job, dict(state), self._options, self._row_starts)

    def _submit(self, kind: str, index: int, *call: Any) -> "Future":
        """Have a task run: a map task where its rows are kept, if that worker is still there."""
        home = self._homes.get(index) if kind == "map" else None
        return self._client.submit(
            *call,
            key=f"{kind}-{self._run}-{self._stages}-{index}",
            pure=False,
            retries=_RETRIES,
            workers=None if home is None else [home],
            allow_other_workers=home is not None,
        )

    def _pick(self, mapped: "Sequence[Future]", partition: int) -> "list[Future]":
        first = partition * len(mapped)
        return [
            self._submit("partition", first + i, take_partition, future, partition)
            for i, future in enumerate(mapped)
        ]

    def _begin(self, job: Job, iteration: int | None) -> StageStarted:
        self._stages += 1
        stage = StageStarted(stage=self._stages, job=job.name, iteration=iteration)
        self._log.event(stage)
        return stage

    def _finish(self, method: str, answers: Sequence[Answer], stage: StageStarted) -> None:
        """Log how the tasks went, and remember where; raise what one of them refuses."""
        for number, answer in enumerate(answers, 1):
            self._log.event(
                TaskFinished(
                    from_=answer.worker,
                    method=method,
                    stage=stage.stage,
                    job=stage.job,
                    iteration=stage.iteration,
                    task=number,
                    status=SUCCESS if answer.refusal is None else FAILURE,
                    duration_ms=answer.duration_ms,
                    records=answer.records,
                )
            )
            if answer.refusal is not None:
                raise InputError(answer.refusal)
        if method == "Map":
            self._homes = {index: answer.worker for index, answer in enumerate(answers)}
            self._watch_workers()

    def _watch_workers(self) -> None:
        """Log who has come and gone since the last time."""
        with suppress(Exception):
            workers = set(self._client.nthreads())
            for worker in sorted(self._workers - workers):
                self._log.event(WorkerLeft(worker=worker, status=FAILURE))
            for worker in sorted(workers - self._workers):
                self._log.event(WorkerCame(worker=worker))
            self._workers = workers
            self._homes = {index: home for index, home in self._homes.items() if home in workers}
