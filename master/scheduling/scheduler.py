"""Who runs which task when: a pure state machine, one object for each stage.

Events go in, commands come out (`messages`); nothing here knows a network, a thread or a file, and
what time it is, it is told. A stage has one map task for each split and one reduce task for each
partition, and ends when every task is DONE, or when one is FAILED. A task goes through

    state     step                  new state
    IDLE      ASSIGN                RUNNING    attempt 1, or the next one
    RUNNING   ASSIGN                RUNNING    a backup attempt of a straggler
    RUNNING   SUCCEED               DONE       the first attempt that succeeds; any other is dropped
    RUNNING   STOP                  IDLE       its last attempt going has failed
    DONE      LOSE                  IDLE       its output is gone (map tasks only)
    IDLE      GIVE_UP               FAILED
    RUNNING   GIVE_UP               FAILED     an error that another attempt would meet again

and any other step is refused: it would be an error in this file. A task is given up after MAX_FAILURES
failures or MAX_LOSSES losses of its output, when an error is not a task's own (bad input, say), or when no
worker of its role is left.

Rules, each of which some failure makes necessary:

* Reduce tasks wait until every map task is DONE; if a map output is lost while they run, those that
  fail because of it wait again, and are not charged for it: the map task is. A reducer that names an
  output which it was not given is charged itself, or it could go on like that for ever.
* Answers of attempts that nobody waits for are dropped. An output that a reducer could not fetch is
  condemned for good, and so is the attempt that made it: it never comes back.
* Only the cluster declares a worker dead. One that is silent, or did not answer a call, gets nothing
  new until it is heard from; then it is asked for the same attempt again, MAX_INTERRUPTIONS times, and
  answers with what it did meanwhile.
* A worker has one attempt at a time. A task runs at its home, the worker that has its split parsed on
  disk, and waits for it while that is busy or being started again. It goes elsewhere after failing
  there twice, when its home is gone for good, or when another worker has nothing to do and the home has
  more than one task waiting (or is busy with one, and either that is a straggler or the other worker is
  nobody's home: it has just joined); where a map task succeeds is its home from then on.
* A straggler is a task that runs longer than three times the median of those that are DONE, and
  STRAGGLES_AFTER_S. Once BACKUP_FROM of a role's tasks are DONE, or all but one, it gets one backup
  attempt on a worker that has nothing to do.
* A failure that `--fail-rate` injected is not charged: the task runs again until it succeeds.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from common.errors import FetchFailedError, InjectedFailureError, MapReduceError, TaskError
from common.model import Role
from master.scheduling.messages import (
    Command,
    Event,
    Fail,
    Finish,
    Output,
    RunTask,
    Suspect,
    TaskFailed,
    TaskId,
    TaskSucceeded,
    WorkerHeard,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)
from master.scheduling.placement import Placement
from master.scheduling.task import Run, Step, Task, TaskState

MAX_INTERRUPTIONS = 3
BACKUP_FROM = 0.75
STRAGGLES_AFTER_S = 2.0
_STRAGGLER_FACTOR = 3


class StageScheduler:
    """Decides for one stage.

    Parameters
    ----------
    map_tasks
        Indexes of the splits to map.
    reduce_tasks
        Number of partitions; 0 for a stage whose map outputs are its result.
    placement
        Who is there, and where tasks are at home; kept up to date here, and passed on to the next stage by
        the caller.
    patience_s
        How long to wait for a worker to join when a role has none.
    """

    def __init__(
        self,
        map_tasks: Sequence[int],
        reduce_tasks: int,
        placement: Placement,
        patience_s: float = 0.0,
    ) -> None:
        self._maps = [Task(TaskId(Role.MAPPER, index)) for index in map_tasks]
        self._reduces = [Task(TaskId(Role.REDUCER, index)) for index in range(reduce_tasks)]
        self._tasks = {task.id: task for task in (*self._maps, *self._reduces)}
        self._placement = placement
        self._patience_s = patience_s
        self._alone_since_s: dict[Role, float] = {}
        self._durations_s: dict[Role, list[float]] = {role: [] for role in Role}
        self._last_words: dict[Role, str] = {}
        self._failed: list[Task] = []
        self._over = False
        self._now_s = 0.0
        self.wake_s: float | None = None
        """When to handle TimePassed, if nothing happens before; None: never."""

    def start(self, now_s: float) -> list[Command]:
        """Return the first commands."""
        self._now_s = now_s
        return self._decide()

    def handle(self, event: Event, now_s: float) -> list[Command]:
        """Take an event in; return what to do now, nothing after the stage has ended."""
        news = self._placement.take_in(event)
        if self._over:
            return []
        self._now_s = now_s
        commands: list[Command] = []
        match event:
            case WorkerJoined(worker) if news:
                self._alone_since_s.pop(worker.role, None)
            case WorkerLost():
                self._worker_lost(event)
            case WorkerJoined(worker) | WorkerHeard(worker):  # it may join twice: the first answer was lost
                commands = self._worker_heard(worker)
            case TaskSucceeded(output):
                self._task_succeeded(output)
            case TaskFailed():
                commands = self._task_failed(event)
        return commands + self._decide()

    def is_running(self, task: TaskId, attempt: int) -> bool:
        """Tell whether this attempt's answer is still waited for."""
        return task in self._tasks and attempt in self._tasks[task].running

    # Events

    def _worker_lost(self, event: WorkerLost) -> None:
        worker = event.worker
        self._last_words[worker.role] = event.reason
        for task in self._tasks.values():
            for attempt in [attempt for attempt, run in task.running.items() if run.worker == worker]:
                if event.left:
                    self._stop(task, attempt)
                else:
                    self._charge(task, attempt, TaskError(event.reason))
            if task.state is TaskState.DONE and task.id.role is Role.MAPPER and task.maker == worker:
                task.take(Step.LOSE)
                task.output = None
                task.losses += 1
                self._failed.append(task)
                task.error = TaskError(f"its output was lost {task.losses} times; lastly, {event.reason}")

    def _worker_heard(self, worker: WorkerId) -> list[Command]:
        """Ask again for the attempts that it may have gone on with."""
        commands: list[Command] = []
        for task in self._tasks.values():
            for attempt, run in task.running.items():
                if run.worker == worker and run.interrupted:
                    run.interrupted = False
                    commands.append(RunTask(task.id, attempt, worker, run.sources, run.backup))
        return commands

    def _task_succeeded(self, output: Output) -> None:
        if not self.is_running(output.task, output.attempt):
            return
        task = self._tasks[output.task]
        self._durations_s[task.id.role].append(self._now_s - task.running[output.attempt].since_s)
        task.take(Step.SUCCEED)
        task.running.clear()
        task.output = output
        if task.id.role is Role.MAPPER:
            self._placement.move_home(task, output.worker.index)

    def _task_failed(self, event: TaskFailed) -> list[Command]:
        if not self.is_running(event.task, event.attempt):
            return []
        task, error = self._tasks[event.task], event.error
        run = task.running[event.attempt]
        if event.unreachable and run.interruptions < MAX_INTERRUPTIONS:
            run.interruptions += 1
            run.interrupted = True
        elif isinstance(error, InjectedFailureError):
            self._stop(task, event.attempt)
        elif isinstance(error, FetchFailedError) and run.was_given(error):
            self._stop(task, event.attempt)
            return self._condemn(error)
        else:
            self._charge(task, event.attempt, error)
        return self._suspect(run.worker) if event.unreachable else []

    def _condemn(self, lost: FetchFailedError) -> list[Command]:
        """Give up a map output that a reducer could not fetch, unless it already was."""
        task = self._tasks[TaskId(Role.MAPPER, lost.task)]
        if task.output is None or task.output.attempt != lost.attempt:
            return []
        maker, task.output = task.output.worker, None
        task.take(Step.LOSE)
        self._blame(task, maker, lost)
        return self._suspect(maker) if lost.unreachable else []

    def _suspect(self, worker: WorkerId) -> list[Command]:
        return [Suspect(worker)] if self._placement.set_silent(worker, True) else []

    def _stop(self, task: Task, attempt: int) -> WorkerId:
        """End an attempt; the task is idle then unless a backup goes on."""
        run = task.running.pop(attempt)
        if not task.running:
            task.take(Step.STOP)
        return run.worker

    def _charge(self, task: Task, attempt: int, error: MapReduceError) -> None:
        self._blame(task, self._stop(task, attempt), error)

    def _blame(self, task: Task, worker: WorkerId, error: MapReduceError) -> None:
        self._failed.append(task)
        task.error = error
        task.failures += 1
        task.failures_at_home += worker.index == task.home
        task.failed_at = worker.index

    # Decisions

    def _decide(self) -> list[Command]:
        self.wake_s = None
        for task in self._failed:
            if task.hopeless and task.error is not None:
                return self._give_up(task, task.error)
        last = self._reduces or self._maps
        if all(task.state is TaskState.DONE for task in last):
            self._over = True
            return [Finish(tuple(task.output for task in last if task.output is not None))]
        commands: list[Command] = []
        for role, tasks in self._due():
            idle = [task for task in tasks if task.state is TaskState.IDLE]
            if idle:
                if self._deserted(role):
                    words = self._last_words.get(role, "never joined")
                    return self._give_up(idle[0], TaskError(f"no {role} is left; the last one: {words}"))
                stuck = [run.worker for _, run in self._stragglers(role, tasks)]
                chosen = list(self._placement.assign(role, tasks, self._busy_workers(), stuck))
                commands += [self._assign(task, worker) for task, worker in chosen]
                if len(chosen) < len(idle):
                    self._stragglers(role, tasks)  # those just begun, too: tasks leave a late home
            commands += self._backups(role, tasks)
        return commands

    def _due(self) -> list[tuple[Role, list[Task]]]:
        """Return the tasks that may run; maps of which all are DONE have nothing left to do."""
        if all(task.state is TaskState.DONE for task in self._maps):
            return [(Role.REDUCER, self._reduces)]
        return [(Role.MAPPER, self._maps)]

    def _give_up(self, task: Task, error: MapReduceError) -> list[Command]:
        task.take(Step.GIVE_UP)
        self._over = True
        return [Fail(task.id, error)]

    def _deserted(self, role: Role) -> bool:
        """Tell whether the role has been without any worker for too long."""
        if self._placement.has(role):
            return False
        limit_s = self._alone_since_s.setdefault(role, self._now_s) + self._patience_s
        if self._now_s < limit_s:
            self._wake_at(limit_s)
            return False
        return True

    def _wake_at(self, time_s: float) -> None:
        self.wake_s = time_s if self.wake_s is None else min(self.wake_s, time_s)

    def _assign(self, task: Task, worker: WorkerId) -> RunTask:
        sources = () if task.id.role is Role.MAPPER else tuple(m.output for m in self._maps if m.output)
        task.take(Step.ASSIGN)
        task.attempts += 1
        backup = bool(task.running)
        task.running[task.attempts] = Run(worker, sources, self._now_s, backup)
        return RunTask(task.id, task.attempts, worker, sources, backup)

    def _busy_workers(self) -> set[WorkerId]:
        return {run.worker for task in self._tasks.values() for run in task.running.values()}

    def _stragglers(self, role: Role, tasks: Sequence[Task]) -> list[tuple[Task, Run]]:
        """Return what takes much longer than the rest did; see to it that the others are looked at again."""
        if not self._durations_s[role]:
            return []
        limit_s = max(_STRAGGLER_FACTOR * median(self._durations_s[role]), STRAGGLES_AFTER_S)
        found = []
        for task in tasks:
            for run in task.running.values():
                if self._now_s >= run.since_s + limit_s:
                    found.append((task, run))
                elif len(task.running) == 1:
                    self._wake_at(run.since_s + limit_s)
        return found

    def _backups(self, role: Role, tasks: Sequence[Task]) -> Iterator[RunTask]:
        """Start a second attempt of stragglers."""
        left = sum(task.state is not TaskState.DONE for task in tasks)
        if left > max(1, (1 - BACKUP_FROM) * len(tasks)):
            return
        idle = self._placement.idle(role, self._busy_workers())
        for task, _ in self._stragglers(role, tasks):
            if len(task.running) == 1 and idle:
                yield self._assign(task, idle.pop(0))
