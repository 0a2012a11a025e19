"""Who runs which task when: a pure state machine, one object for each stage.

Events go in, commands come out; nothing here knows a network, a clock, a thread or a file.

A stage has one map task for each split and one reduce task for each partition. A task is

    IDLE ──assign──▶ RUNNING(attempt n) ──success──▶ DONE(output)
      ▲                    │                            │
      └──── failure ───────┘                            │
      └──── its output is lost (map tasks only) ────────┘

and the stage ends when every task is DONE, or fails when a task has failed MAX_FAILURES times or its
output was lost MAX_LOSSES times, when an error is the user's to mend, or when no worker of a role is
left.

Rules, each of which some failure makes necessary:

* Reduce tasks wait until every map task is DONE; if a map output is lost while they run, those that
  fail because of it wait again, and are not charged for it: the map task is.
* Answers of any attempt but the one RUNNING are dropped. A lost attempt never comes back.
* A worker that did not answer is retired (killed, if it still lives) before anything is assigned
  again: only the master declares death, and a dead worker commits nothing.
* A task runs at its home, the worker that has its split parsed on disk, and waits for it while it is
  being restarted. It goes elsewhere after failing there twice, or when its home is gone for good.
* A failure that `--fail-rate` injected is not charged: the task runs again until it succeeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from common.errors import FetchFailedError, InjectedFailureError, MapReduceError, TaskError
from common.model import Role

MAX_FAILURES = 4
MAX_LOSSES = 8
_FAILURES_AT_HOME = 2


@dataclass(frozen=True, slots=True)
class WorkerId:
    """A worker process: its role, its index (from 1), and how often it was started (from 1)."""

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
    """A worker process is ready."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker process has ended, joined or not; `returns` if it is being started again."""

    worker: WorkerId
    returns: bool
    reason: str


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """An attempt succeeded."""

    output: Output


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """An attempt failed; `unreachable` if its worker did not answer."""

    task: TaskId
    attempt: int
    error: MapReduceError
    unreachable: bool = False


Event: TypeAlias = WorkerJoined | WorkerLost | TaskSucceeded | TaskFailed

# Commands


@dataclass(frozen=True, slots=True)
class RunTask:
    """Order an attempt of a task from a worker; a reduce task gets every map output."""

    task: TaskId
    attempt: int
    worker: WorkerId
    sources: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class Retire:
    """Make sure that a worker process is dead."""

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


Command: TypeAlias = RunTask | Retire | Finish | Fail


class _State(Enum):
    IDLE = auto()
    RUNNING = auto()
    DONE = auto()


@dataclass
class _Task:
    id: TaskId
    state: _State = _State.IDLE
    attempts: int = 0
    failures: int = 0
    failures_at_home: int = 0
    losses: int = 0
    worker: WorkerId | None = None
    output: Output | None = None
    error: MapReduceError | None = None


def _exhausted(task: _Task) -> bool:
    tried = task.failures >= MAX_FAILURES or task.losses >= MAX_LOSSES
    return tried or not isinstance(task.error, TaskError)


@dataclass
class _Seat:
    """The place of a worker: one process after another sits there. `worker` is None in between."""

    worker: WorkerId | None


class StageScheduler:
    """Decides for one stage.

    Parameters
    ----------
    map_tasks
        Indexes of the splits to map.
    reduce_tasks
        Number of partitions; 0 for a stage whose map outputs are its result.
    workers
        Who is ready.
    returning
        (role, index) of workers being started again.
    """

    def __init__(
        self,
        map_tasks: Sequence[int],
        reduce_tasks: int,
        workers: Sequence[WorkerId],
        returning: Sequence[tuple[Role, int]] = (),
    ) -> None:
        self._maps = [_Task(TaskId(Role.MAPPER, index)) for index in map_tasks]
        self._reduces = [_Task(TaskId(Role.REDUCER, index)) for index in range(reduce_tasks)]
        self._tasks = {task.id: task for task in (*self._maps, *self._reduces)}
        self._seats = {seat: _Seat(None) for seat in returning}
        self._seats |= {(worker.role, worker.index): _Seat(worker) for worker in workers}
        self._homes = {role: sorted(i for r, i in self._seats if r is role) for role in Role}
        self._last_words: dict[Role, str] = {}
        self._over = False

    def start(self) -> list[Command]:
        """Return the first commands."""
        return self._decide()

    def handle(self, event: Event) -> list[Command]:
        """Take an event in; return what to do now, nothing after the stage has ended."""
        if self._over:
            return []
        commands: list[Command] = []
        match event:
            case WorkerJoined(worker):
                self._seats[worker.role, worker.index] = _Seat(worker)
            case WorkerLost():
                self._worker_lost(event)
            case TaskSucceeded(output):
                self._task_succeeded(output)
            case TaskFailed():
                commands = self._task_failed(event)
        return commands + self._decide()

    def is_running(self, task: TaskId, attempt: int) -> bool:
        """Tell whether this attempt's answer is still waited for."""
        known = self._tasks.get(task)
        return known is not None and known.state is _State.RUNNING and known.attempts == attempt

    # Events

    def _worker_lost(self, event: WorkerLost) -> None:
        worker, place = event.worker, (event.worker.role, event.worker.index)
        self._last_words[worker.role] = event.reason
        seat = self._seats.get(place)
        if seat is not None and seat.worker in (worker, None):
            if event.returns:
                seat.worker = None
            else:
                del self._seats[place]
        for task in self._tasks.values():
            if task.worker == worker and task.state is _State.RUNNING:
                self._charge(task, TaskError(event.reason))
            elif task.worker == worker and task.state is _State.DONE and task.id.role is Role.MAPPER:
                task.state, task.output = _State.IDLE, None
                task.losses += 1
                task.error = TaskError(f"its output was lost {task.losses} times; lastly, {event.reason}")

    def _task_succeeded(self, output: Output) -> None:
        if self.is_running(output.task, output.attempt):
            task = self._tasks[output.task]
            task.state, task.output = _State.DONE, output

    def _task_failed(self, event: TaskFailed) -> list[Command]:
        if not self.is_running(event.task, event.attempt):
            return []
        task, error = self._tasks[event.task], event.error
        if isinstance(error, FetchFailedError):
            task.state = _State.IDLE
            return self._condemn(error)
        if isinstance(error, InjectedFailureError):
            task.state = _State.IDLE
            return []
        self._charge(task, error)
        return self._retire(task.worker) if event.unreachable else []

    def _condemn(self, lost: FetchFailedError) -> list[Command]:
        """Give up a map output that a reducer could not fetch, unless it already was."""
        task = self._tasks.get(TaskId(Role.MAPPER, lost.task))
        if task is None or task.state is not _State.DONE or task.attempts != lost.attempt:
            return []
        task.output = None
        self._charge(task, lost)
        return self._retire(task.worker) if lost.unreachable else []

    def _retire(self, worker: WorkerId | None) -> list[Command]:
        """Expect a worker's death; its seat is empty until the next incarnation joins."""
        assert worker is not None
        seat = self._seats.get((worker.role, worker.index))
        if seat is None or seat.worker != worker:
            return []
        seat.worker = None
        return [Retire(worker)]

    def _charge(self, task: _Task, error: MapReduceError) -> None:
        task.state = _State.IDLE
        task.error = error
        task.failures += 1
        if task.worker is not None and task.worker.index == self._home(task):
            task.failures_at_home += 1

    # Decisions

    def _decide(self) -> list[Command]:
        for task in self._tasks.values():
            if task.error is not None and _exhausted(task):
                return self._end(Fail(task.id, task.error))
        maps_done = all(task.state is _State.DONE for task in self._maps)
        last = self._reduces or self._maps
        if all(task.state is _State.DONE for task in last):
            return self._end(Finish(tuple(task.output for task in last if task.output is not None)))
        commands: list[Command] = []
        for task in (*self._maps, *(self._reduces if maps_done else ())):
            if task.state is _State.IDLE:
                role = task.id.role
                if not any(seat_role is role for seat_role, _ in self._seats):
                    reason = f"no {role} is left; the last one: {self._last_words.get(role, 'never joined')}"
                    return self._end(Fail(task.id, TaskError(reason)))
                worker = self._choose(task)
                if worker is not None:
                    commands.append(self._run(task, worker))
        return commands

    def _end(self, command: Command) -> list[Command]:
        self._over = True
        return [command]

    def _run(self, task: _Task, worker: WorkerId) -> RunTask:
        task.state, task.worker = _State.RUNNING, worker
        task.attempts += 1
        sources = () if task.id.role is Role.MAPPER else tuple(m.output for m in self._maps if m.output)
        return RunTask(task.id, task.attempts, worker, sources)

    def _home(self, task: _Task) -> int:
        homes = self._homes[task.id.role]
        return homes[task.id.index % len(homes)]

    def _choose(self, task: _Task) -> WorkerId | None:
        """Choose a worker for an idle task; None to wait."""
        home = self._seats.get((task.id.role, self._home(task)))
        if home is not None and task.failures_at_home < _FAILURES_AT_HOME:
            return home.worker
        ready = [
            seat.worker for (role, _), seat in self._seats.items() if role is task.id.role and seat.worker
        ]
        return min(ready, key=lambda worker: self._reluctance(task, worker), default=None)

    def _reluctance(self, task: _Task, worker: WorkerId) -> tuple[bool, int, int]:
        """Order candidates: not the one it failed on last, then the least busy."""
        busy = sum(t.worker == worker and t.state is _State.RUNNING for t in self._tasks.values())
        return (worker.index == (task.worker.index if task.worker else 0), busy, worker.index)
