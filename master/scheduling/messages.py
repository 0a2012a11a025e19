"""What the scheduler and the cluster tell each other: notices in, commands out. Values, without behaviour."""

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
    """What a successful attempt made, and where it is; the content is opaque here."""

    task: TaskId
    attempt: int
    worker: WorkerId
    content: object


# Notices


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker process is ready to run tasks; the one before it, of the same index, has ended."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker has ended, ready or not; `returns` if it is being started again, `left` if it chose to."""

    worker: WorkerId
    returns: bool
    reason: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class WorkerQuiet:
    """A worker has been silent for a while; it may be alive."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class WorkerBack:
    """A worker that was silent, or suspected, is heard from again."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """An attempt succeeded."""

    output: Output


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """An attempt failed; `unreachable` if its worker did not answer, so that it may still run there."""

    task: TaskId
    attempt: int
    error: MapReduceError
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class TimePassed:
    """It is the time at which the scheduler wanted to be woken."""


WorkerNotice: TypeAlias = WorkerReady | WorkerGone | WorkerQuiet | WorkerBack
Notice: TypeAlias = WorkerNotice | TaskSucceeded | TaskFailed | TimePassed

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
    """Send WorkerBack when this worker, which did not answer, is heard from again."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class Finish:
    """The stage is done: outputs in task order, of its reduce tasks, or of its map tasks if it has none."""

    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Fail:
    """The stage fails, because of this task."""

    task: TaskId
    error: MapReduceError


Command: TypeAlias = RunTask | Suspect | Finish | Fail
