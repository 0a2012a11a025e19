"""What happens to the tasks of a stage, and the calls that carry them."""

from dataclasses import dataclass
from typing import Any

from common.events.catalogue.base import Event
from common.model import Attempt

SUCCESS, FAILURE = "SUCCESS", "FAILURE"


def attempt_fields(attempt: Attempt) -> dict[str, Any]:
    """Return the fields that say which attempt an event belongs to."""
    stage = attempt.stage
    return {
        "stage": stage.sequence,
        "job": stage.job,
        "iteration": stage.iteration,
        "task": attempt.task + 1,
        "attempt": attempt.number,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """Spark or Dask begins a stage: a job over the whole input."""

    stage: int
    job: str
    iteration: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcCall(Event):
    """A process calls a worker."""

    to: str
    method: str
    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int
    backup: bool = False
    rows: str | None = None
    reduce_task: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcResponse(Event):
    """A call has ended, with an answer or without one."""

    from_: str
    method: str
    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int
    reduce_task: int | None = None
    status: str
    duration_ms: float
    records: int | None = None
    bytes: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswerDropped(Event):
    """An attempt succeeded after nobody waited for it any more."""

    worker_task: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStarted(Event):
    """A mapper begins an attempt of a map task."""

    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int
    rows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFinished(Event):
    """A mapper has the output of a map task on disk."""

    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int
    records: int
    partition_records: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceStarted(Event):
    """A reducer begins an attempt of a reduce task."""

    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int
    sources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceFinished(Event):
    """A reducer has the output of a reduce task on disk."""

    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinished(Event):
    """An attempt of a task has ended on Spark or Dask; it is logged when its stage is over."""

    from_: str
    method: str
    stage: int
    job: str
    iteration: int | None = None
    task: int
    attempt: int | None = None
    status: str
    duration_ms: float
    records: int | None = None
    reason: str | None = None
