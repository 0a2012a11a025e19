"""What happens to the tasks of a stage, and the calls that carry them."""

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


class StageEvent(Event, abstract=True):
    """Something in a stage."""

    stage: int
    job: str
    iteration: int | None = None


class AttemptEvent(StageEvent, abstract=True):
    """Something in an attempt of a task."""

    task: int
    attempt: int


class StageStarted(StageEvent):
    """Spark or Dask begins a stage: a job over the whole input."""


class RpcCall(AttemptEvent):
    """A process calls a worker."""

    to: str
    method: str
    backup: bool = False
    rows: str | None = None
    reduce_task: int | None = None
    offset: int | None = None


class RpcResponse(AttemptEvent):
    """A call has ended, with an answer or without one."""

    from_: str
    method: str
    reduce_task: int | None = None
    status: str
    duration_ms: float
    records: int | None = None
    bytes: int | None = None
    output_bytes: int | None = None
    reason: str | None = None


class LateAnswerDropped(AttemptEvent):
    """An attempt succeeded after nobody waited for it any more."""

    role: str


class MapStarted(AttemptEvent):
    """A mapper begins an attempt of a map task."""

    rows: str


class MapFinished(AttemptEvent):
    """A mapper has the output of a map task on disk."""

    records: int
    partition_records: tuple[int, ...]


class ReduceStarted(AttemptEvent):
    """A reducer begins an attempt of a reduce task."""

    sources: int


class ReduceFinished(AttemptEvent):
    """A reducer has the output of a reduce task on disk."""

    records: int


class TaskFinished(StageEvent):
    """An attempt of a task has ended on Spark or Dask; it is logged when its stage is over.

    The CPU time is that of its process meanwhile; the peak is that process's greatest memory until then.
    """

    from_: str
    method: str
    task: int
    attempt: int | None = None
    status: str
    duration_ms: float
    cpu_ms: float | None = None
    peak_bytes: int | None = None
    records: int | None = None
    reason: str | None = None
