"""What the engines on Spark and Dask share: data on clusters, the stages of a run, the log of their tasks."""

import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

from common.engines.tasks import Order, Report
from common.errors import InputError
from common.events.catalogue.tasks import FAILURE, SUCCESS, StageStarted, TaskFinished
from common.events.log import Log
from common.jobs.base import Engine, Job
from common.model import State, TaskOptions


class ClusterData(NamedTuple):
    """Data that lie on a cluster; `start_engine` takes the options of tasks, the reducers and the log."""

    start_engine: Callable[[TaskOptions, int, Log], AbstractContextManager[Engine]]
    rows: int
    columns: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class ClusterStage:
    """A stage that has begun: what its tasks are told, and the log of how they go.

    `fields` say which stage an event belongs to.
    """

    fields: dict[str, Any]
    order: Order
    log: Log

    def finish(self, reports: Iterable[Report]) -> None:
        """Log how the tasks went; raise InputError if one of them found that the input is invalid."""
        ordered = sorted(reports, key=lambda report: (report.method, report.task))
        for report in ordered:
            done = TaskFinished(
                **self.fields,
                from_=report.worker,
                method=report.method,
                task=report.task,
                attempt=report.attempt,
                status=SUCCESS if report.refusal is None else FAILURE,
                duration_ms=report.duration_ms,
                records=report.records,
            )
            self.log.event(done)
        if refusal := next((report.refusal for report in ordered if report.refusal is not None), None):
            raise InputError(refusal)


class Stages:
    """Begins the stages of a run, over parts of the input that start at those rows."""

    def __init__(self, options: TaskOptions, row_starts: tuple[int, ...], log: Log) -> None:
        self.run = secrets.token_hex(8)
        self._options = options
        self._row_starts = row_starts
        self._log = log
        self._begun = 0

    def begin(self, job: Job, state: State, iteration: int | None = None) -> ClusterStage:
        """Begin a stage, and log that."""
        self._begun += 1
        order = Order(self.run, job, dict(state), self._options, self._row_starts)
        fields: dict[str, Any] = {"stage": self._begun, "job": job.name, "iteration": iteration}
        self._log.event(StageStarted(**fields))
        return ClusterStage(fields, order, self._log)
