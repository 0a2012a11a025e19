"""What the engines on Spark and Dask share: data on clusters, the stages of a run, the log of their tasks."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, NamedTuple

from common.engines.tasks import Order, Report
from common.errors import InputError, RunFailedError
from common.events.catalogue.tasks import FAILURE, SUCCESS, StageStarted, TaskFinished
from common.events.log import Log
from common.formats.columns import ColumnChoice, as_chosen, choose
from common.formats.line_index import PLAIN
from common.jobs.base import Engine, Job
from common.model import Input, InputFormat, State, TaskOptions

_LOOKS = 10
_LAST_LOOK_S = 1.0
"""For the look that is being taken as the block ends."""


class ClusterData(NamedTuple):
    """Data that lie on a cluster; `start_engine` takes the options of tasks, the reducers and the log.

    `source` describes them as if they were a file.
    """

    start_engine: Callable[[TaskOptions, int, Log], AbstractContextManager[Engine]]
    source: Input


def describe(path: str, columns: Sequence[int], names: Sequence[str]) -> Input:
    """Describe columns of data on a cluster as if they were a file; `path` is for messages."""
    return Input(path, InputFormat.PARQUET, PLAIN, len(columns), tuple(columns), 0, 0, 0, names=tuple(names))


def describe_table(path: str, names: Sequence[str], texts: Sequence[int], choice: ColumnChoice) -> Input:
    """Describe a data frame; `texts` are the positions of its columns of texts. May raise UserError."""
    chosen = choose(path, choice, list(names), range(len(names)), len(names), texts)
    found = describe(path, chosen.columns, [names[column] for column in chosen.columns])
    return as_chosen(found, choice, chosen.texts)


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
                cpu_ms=report.cpu_ms,
                peak_bytes=report.peak_bytes,
                records=report.records,
            )
            self.log.event(done)
        if refusal := next((report.refusal for report in ordered if report.refusal is not None), None):
            raise InputError(refusal)


class ClusterLostError(RunFailedError):
    """Nothing on the cluster answers any more."""

    def __init__(self, cluster: str, what: str) -> None:
        super().__init__(f"{cluster} {what}; once it is up again, --resume continues the run")


@contextmanager
def own_environment() -> Iterator[None]:
    """Afterwards the environment is as before, whatever we or a cluster's library have set there."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def watched(
    cluster: str, timeout_s: float, is_alive: Callable[[float], bool], give_up: Callable[[], object]
) -> Iterator[None]:
    """While the block waits for tasks: see to it that it ends, with ClusterLostError, if the cluster dies.

    `is_alive` tells whether any worker is, however long its task takes; if it fails, none is. It is asked now
    and then, in a thread, and given the seconds that it may take. `give_up` ends the block's waiting.
    """
    over, lost, look_s = Event(), Event(), timeout_s / _LOOKS

    def watch() -> None:
        missed = 0  # looks, not seconds: time in which this process was stopped does not count
        while missed < _LOOKS:
            if over.wait(look_s):
                return
            missed += 1
            with suppress(Exception):
                missed = 0 if is_alive(look_s) else missed
        lost.set()
        give_up()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except Exception:
        if not lost.is_set():
            raise
    finally:
        over.set()
        watcher.join(_LAST_LOOK_S)  # what fails in a look must not be heard of later
    if lost.is_set():
        raise ClusterLostError(cluster, f"has had no living worker for {timeout_s:g} s")


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
