"""One task of a stage: its states, the steps between them, and what has happened to it."""

from dataclasses import dataclass, field
from enum import Enum, auto

from common.errors import FetchFailedError, MapReduceError, TaskError
from master.scheduling.messages import Output, TaskId, WorkerId

MAX_FAILURES = 4
MAX_LOSSES = 8


class TaskState(Enum):
    """Where a task stands."""

    IDLE = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()


class Step(Enum):
    """What can happen to a task."""

    ASSIGN = auto()
    SUCCEED = auto()
    STOP = auto()
    LOSE = auto()
    GIVE_UP = auto()


TRANSITIONS = {
    (TaskState.IDLE, Step.ASSIGN): TaskState.RUNNING,  # attempt 1, or the next one
    (TaskState.RUNNING, Step.ASSIGN): TaskState.RUNNING,  # a backup attempt of a straggler
    (TaskState.RUNNING, Step.SUCCEED): TaskState.DONE,  # the first attempt that succeeds; others are dropped
    (TaskState.RUNNING, Step.STOP): TaskState.IDLE,  # its last running attempt has failed
    (TaskState.DONE, Step.LOSE): TaskState.IDLE,  # its output is lost (map tasks only)
    (TaskState.IDLE, Step.GIVE_UP): TaskState.FAILED,
    (TaskState.RUNNING, Step.GIVE_UP): TaskState.FAILED,  # an error that another attempt would meet again
}


class IllegalStepError(RuntimeError):
    """A task was told to take a step that does not start from its state."""


@dataclass
class Run:
    """An attempt whose answer is waited for."""

    worker: WorkerId
    sources: tuple[Output, ...]
    since_s: float
    backup: bool = False
    interruptions: int = 0
    interrupted: bool = False

    def was_given(self, lost: FetchFailedError) -> bool:
        """Return whether it was told to read the output that it could not fetch."""
        return any((made.task.index, made.attempt) == (lost.task, lost.attempt) for made in self.sources)


@dataclass
class Task:
    """A task and what has happened to it; only `take` changes its state."""

    id: TaskId
    state: TaskState = TaskState.IDLE
    attempts: int = 0
    failures: int = 0
    failures_at_home: int = 0
    losses: int = 0
    running: dict[int, Run] = field(default_factory=dict)
    output: Output | None = None
    error: MapReduceError | None = None
    home: int | None = None
    """Index of the worker that it runs at by preference."""
    failed_at: int = 0
    """Index of the worker where it failed last."""

    def take(self, step: Step) -> None:
        """Take a step; IllegalStepError if it does not start from the task's state."""
        state = TRANSITIONS.get((self.state, step))
        if state is None:
            raise IllegalStepError(f"{self.id} is {self.state.name}: no {step.name} from there")
        self.state = state

    def lose_output(self) -> None:
        """Be idle again, for the output is gone."""
        self.take(Step.LOSE)
        self.output = None

    @property
    def final_error(self) -> MapReduceError | None:
        """The error that it must be given up for; None while it may still succeed."""
        if self.error is None or self.state is TaskState.DONE:
            return None
        tried = self.failures >= MAX_FAILURES or self.losses >= MAX_LOSSES
        final = (tried and not self.running) or not isinstance(self.error, TaskError)
        return self.error if final else None
