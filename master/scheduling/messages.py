"""The words between the scheduler and the cluster: events in, commands out. Values, without behaviour."""

from dataclasses import dataclass
from typing import TypeAlias

from common.errors import MapReduceError
from common.model import Role


@dataclass(frozen=True, slots=True)
class WorkerId:
    """A worker process: its role, its index (from 1), and how often it was started or joined (from 1)."""

    role: Role
    index: int
    incarnation: int


@dataclass(frozen=True, slots=True)
class TaskId:
    """A task of the stage: who runs it, and its index from 0."""

    role: Role
    index: int


@dataclass(frozen=True, slots=True)
class Output:
    """What a successful attempt left: where, and (opaque here) what."""

    task: TaskId
    attempt: int
    worker: WorkerId
    content: object


# Events


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker process is ready; who was in its place before has been lost."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone, joined or not; `returns` if it is being started again, `left` if it said goodbye."""

    worker: WorkerId
    returns: bool
    reason: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSilent:
    """A worker has not been heard from for a while; it may live."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class WorkerHeard:
    """A worker that was silent, or suspected, was heard from."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """An attempt succeeded."""

    output: Output


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """An attempt failed; `unreachable` if its worker did not answer, so that it may still go on there."""

    task: TaskId
    attempt: int
    error: MapReduceError
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing happened until the time that the scheduler wanted to be woken at."""


Event: TypeAlias = (
    WorkerJoined | WorkerLost | WorkerSilent | WorkerHeard | TaskSucceeded | TaskFailed | TimePassed
)

# Commands


@dataclass(frozen=True, slots=True)
class RunTask:
    """Order an attempt of a task from a worker; a reduce task gets every map output.

    The same attempt may be ordered again from the same worker, which then joins what is going on or
    answers with what it has committed. `backup` if it began while another attempt of the task was running.
    """

    task: TaskId
    attempt: int
    worker: WorkerId
    sources: tuple[Output, ...] = ()
    backup: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """Tell when this worker, which did not answer, is heard from again."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class Finish:
    """The stage is done: outputs in task order, of its reduce tasks, or of its map tasks if it has none."""

    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Fail:
    """The stage cannot be done, because of this task."""

    task: TaskId
    error: MapReduceError


Command: TypeAlias = RunTask | Suspect | Finish | Fail
