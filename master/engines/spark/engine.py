"""Spark: the same jobs on its executors, which read and keep their rows themselves."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from common.engines.on_spark import (
    LabelPartition,
    MapPartition,
    Pair,
    Partitioner,
    ReducePartition,
    Refusal,
    Report,
)
from common.engines.tasks import Order
from common.errors import InputError, RunFailedError
from common.events.catalogue.tasks import FAILURE, SUCCESS, StageStarted, TaskFinished
from common.events.log import Log
from common.jobs.base import Job
from common.model import Buffer, FloatArray, Key, State, TaskOptions
from master.engines.spark.errors import translated_errors
from master.engines.spark.rows import SparkRows

if TYPE_CHECKING:
    from pyspark import SparkContext

_ROWS_LOST = "RowsLostError"
_TIMES_READ = 3
_SHOWN_FAILURES = 100


class SparkEngine:
    """Runs jobs on a Spark context; a context manager that drops what it kept there.

    Parameters
    ----------
    context
        Where. It stays the caller's.
    rows
        The input, in Spark's partitions.
    options
        Whether to combine, a map task's threads, and how long it waits before its work.
    reducers
        Reduce tasks; `partition_of` chooses one, in Spark's own shuffle.
    log
        Gets every task, once Spark has finished the stage.
    """

    def __init__(
        self,
        context: "SparkContext",
        rows: SparkRows,
        options: TaskOptions,
        reducers: int,
        log: Log,
    ) -> None:
        self._context = context
        self._rows = rows
        self._reducers = reducers
        self._options = options
        self._log = log
        self._run = secrets.token_hex(8)
        self._stages = 0

    def __enter__(self) -> Self:
        """Do nothing; the context is there."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the rows that Spark keeps for us."""
        with suppress(Exception):  # the context may be gone
            self._rows.close()

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`. Only what the reduce tasks return comes to this process."""
        order = self._order(job, state)
        for left in reversed(range(_TIMES_READ)):
            try:
                with self._stage(job, iteration):
                    mapped = self._rows.parts().mapPartitionsWithIndex(MapPartition(order))
                    shuffled = mapped.partitionBy(self._reducers, Partitioner(self._reducers))
                    pairs = shuffled.mapPartitionsWithIndex(ReducePartition(job)).collect()
                break
            except RunFailedError as error:
                if _ROWS_LOST not in str(error) or not left:
                    raise
                self._rows.renew()
        self._log_reports(pairs, job, iteration)
        return {key: value for key, value in pairs if key is not None}

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One partition's text at a time is in memory."""
        from pyspark import StorageLevel

        parts = self._rows.parts().mapPartitionsWithIndex(LabelPartition(self._order(job, state)))
        parts.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            with self._stage(job, None):
                reports = parts.filter(_has_no_key).collect()  # all at once; then they are only fetched
            self._log_reports(reports, job, None)
            pieces = parts.toLocalIterator()
            while True:
                with translated_errors():
                    pair = next(pieces, None)
                if pair is None:
                    return
                key, text = pair
                if key is not None:
                    yield text
        finally:
            with suppress(Exception):
                parts.unpersist()

    def _order(self, job: Job, state: State) -> Order:
        return Order(self._run, job, dict(state), self._options, self._rows.row_starts())

    @contextmanager
    def _stage(self, job: Job, iteration: int | None) -> Iterator[None]:
        """Name what Spark does meanwhile, for its UI, and log the tasks that failed."""
        self._stages += 1
        group = f"{self._run}-{self._stages}"
        self._log.event(StageStarted(**self._place(job, iteration)))
        description = job.name if iteration is None else f"{job.name}, iteration {iteration}"
        self._context.setJobGroup(group, description)
        try:
            with translated_errors():
                yield
        finally:
            with suppress(Exception):  # the context may be gone
                for failure in _failures(self._context, group):
                    self._log.event(TaskFinished(**self._place(job, iteration), **failure))
                for name in ("spark.jobGroup.id", "spark.job.description"):
                    self._context.setLocalProperty(name, None)

    def _log_reports(self, pairs: list[Pair], job: Job, iteration: int | None) -> None:
        """Log how the tasks went; raise what one of them refuses.

        Raises
        ------
        InputError
            The input holds what it must not.
        """
        told = [value for key, value in pairs if key is None]
        for report in sorted(each for each in told if isinstance(each, Report)):
            self._log.event(
                TaskFinished(
                    **self._place(job, iteration),
                    from_=report.worker,
                    method=report.method,
                    task=report.task,
                    attempt=report.attempt,
                    status=SUCCESS,
                    duration_ms=report.duration_ms,
                    records=report.records,
                )
            )
        for refusal in told:
            if isinstance(refusal, Refusal):
                raise InputError(refusal.text)

    def _place(self, job: Job, iteration: int | None) -> dict[str, Any]:
        """Return the fields that say which stage an event belongs to."""
        return {"stage": self._stages, "job": job.name, "iteration": iteration}


def _has_no_key(pair: Pair) -> bool:
    return pair[0] is None


def _failures(context: "SparkContext", group: str) -> Iterator[dict[str, Any]]:
    """Yield the attempts of a job group's tasks that failed, as far as Spark still knows them."""
    tracker = context.statusTracker()
    for number in tracker.getJobIdsForGroup(group):
        job = tracker.getJobInfo(number)
        for stage in [] if job is None else sorted(job.stageIds):
            info = tracker.getStageInfo(stage)
            if info is not None and info.numFailedTasks:
                method = "Reduce" if stage > min(job.stageIds) else "Map"
                yield from _failed_tasks(context, stage, info.currentAttemptId, method)


def _failed_tasks(
    context: "SparkContext", stage: int, last_attempt: int, method: str
) -> Iterator[dict[str, Any]]:
    store = context._jsc.sc().statusStore()
    for attempt in range(last_attempt + 1):
        tasks = store.taskList(stage, attempt, _SHOWN_FAILURES)
        for task in (tasks.apply(i) for i in range(tasks.size())):
            if task.status() == "FAILED":
                message = task.errorMessage()
                reason = str(message.get()).splitlines()[0] if message.isDefined() else "unknown"
                yield {
                    "from_": f"{task.host()}/executor {task.executorId()}",
                    "method": method,
                    "task": task.index() + 1,
                    "attempt": task.attempt() + 1,
                    "status": FAILURE,
                    "duration_ms": task.duration().get() if task.duration().isDefined() else 0,
                    "reason": reason,
                }
