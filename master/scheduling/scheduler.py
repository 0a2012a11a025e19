"""Which worker runs which task, and when: a pure state machine, one object for each stage.

Notices come in, commands go out (`messages`). No network, thread or file is known here, and the time is an
argument. A stage has one map task for each split and one reduce task for each partition. It ends when
every task is DONE, or when one is FAILED; `task` has a table of the steps between these states.

A failed task is retried, at home or on another worker. It is given up after MAX_FAILURES failures or
MAX_LOSSES losses of its output, after an error that is not a task's own (bad input, say), or when its role
has no worker left. Bad input ends the stage once all earlier splits are known to be good: so the error is
that of the first row.

Rules, each of which some failure makes necessary:

* Reduce tasks wait until every map task is DONE. If a map output is lost while they run, those that
  fail because of it wait again, and the map task is charged in place of them. A reducer that names an
  output which it was not given is charged itself; otherwise it could do so for ever.
* Answers of attempts that are no longer waited for are dropped. An output that a reducer could not fetch
  is given up, and so is the attempt that made it.
* Only the cluster declares a worker dead. A worker that is silent, or did not answer a call, gets nothing
  new until it is heard from. Then it is asked for the same attempt again, up to MAX_INTERRUPTIONS times, and
  answers with what it did in the meantime.
* A worker runs one attempt at a time. A task runs at its home, the worker that has its split parsed on
  disk, and waits for it while that is busy or being started again. It runs elsewhere after two failures
  at home, when its home is gone for good, or when another worker is idle and the home has
  more than one task waiting (or one, while its own task is a straggler, or the other worker is the home of
  no task because it has just joined). Where a map task succeeds is its home from then on.
* A straggler is a task that runs longer than three times the median of those that are DONE, and
  STRAGGLES_AFTER_S. Once BACKUP_FROM of a role's tasks are DONE, or all but one, it gets one backup
  attempt on an idle worker.
* A failure that `--fail-rate` injected is not charged: the task runs again until it succeeds.
"""

from collections.abc import Sequence
from math import inf
from statistics import median

from common.errors import FetchFailedError, InjectedFailureError, InputError, MapReduceError, TaskError
from common.model import Role
from master.scheduling.messages import (
    Command,
    Fail,
    Finish,
    Notice,
    Output,
    RunTask,
    Suspect,
    TaskFailed,
    TaskId,
    TaskSucceeded,
    WorkerBack,
    WorkerGone,
    WorkerId,
    WorkerReady,
)
from master.scheduling.placement import Placement
from master.scheduling.task import Run, Step, Task, TaskState

MAX_INTERRUPTIONS = 3
BACKUP_FROM = 0.75
STRAGGLES_AFTER_S = 2.0
_STRAGGLER_FACTOR = 3


class StageScheduler:
    """Decides for one stage.

    `map_tasks` are the indexes of the splits to map. Without a reduce task, the map outputs are the result.
    The placement is kept up to date here, and passed on to the next stage by the caller. A role without any
    worker waits `patience_s` for one to join.
    """

    def __init__(
        self, map_tasks: Sequence[int], reduce_tasks: int, placement: Placement, patience_s: float = 0.0
    ) -> None:
        self._maps = [Task(TaskId(Role.MAPPER, index)) for index in map_tasks]
        self._reduces = [Task(TaskId(Role.REDUCER, index)) for index in range(reduce_tasks)]
        self._tasks = {task.id: task for task in (*self._maps, *self._reduces)}
        self._placement = placement
        self._patience_s = patience_s
        self._no_worker_since_s: dict[Role, float] = {}
        self._durations_s: dict[Role, list[float]] = {role: [] for role in Role}
        self._last_loss: dict[Role, str] = {}
        self._failed: list[Task] = []
        self._over = False
        self._now_s = 0.0
        self.wake_s: float | None = None
        """When to handle TimePassed if nothing happens before; None: never."""

    def start(self, now_s: float) -> list[Command]:
        """Return the first commands."""
        self._now_s = now_s
        return self._decide()

    def handle(self, notice: Notice, now_s: float) -> list[Command]:
        """Take a notice in; return what to do now, nothing after the stage has ended."""
        changed = self._placement.take_in(notice)
        if self._over:
            return []
        self._now_s = now_s
        commands: list[Command] = []
        match notice:
            case WorkerReady(worker) if changed:
                self._no_worker_since_s.pop(worker.role, None)
            case WorkerGone():
                self._worker_lost(notice)
            case WorkerReady(worker) | WorkerBack(worker):  # it joins twice if the first answer was lost
                commands = self._worker_heard(worker)
            case TaskSucceeded(output):
                self._task_succeeded(output)
            case TaskFailed():
                commands = self._task_failed(notice)
        return commands + self._decide()

    def is_running(self, task: TaskId, attempt: int) -> bool:
        """Return whether this attempt's answer is still waited for."""
        return task in self._tasks and attempt in self._tasks[task].running

    # Notices

    def _worker_lost(self, notice: WorkerGone) -> None:
        worker = notice.worker
        self._last_loss[worker.role] = notice.reason
        for task in self._tasks.values():
            for attempt in [attempt for attempt, run in task.running.items() if run.worker == worker]:
                self._stop(task, attempt)
                if not notice.left:
                    self._count_failure(task, worker, TaskError(notice.reason))
            if task.id.role is Role.MAPPER and task.output is not None and task.output.worker == worker:
                task.lose_output()
                task.losses += 1
                self._failed.append(task)
                task.error = TaskError(f"its output was lost {task.losses} times; lastly, {notice.reason}")

    def _worker_heard(self, worker: WorkerId) -> list[Command]:
        """Ask again for the attempts that it may have continued."""
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

    def _task_failed(self, notice: TaskFailed) -> list[Command]:
        if not self.is_running(notice.task, notice.attempt):
            return []
        task, error = self._tasks[notice.task], notice.error
        run = task.running[notice.attempt]
        if notice.unreachable and run.interruptions < MAX_INTERRUPTIONS:
            run.interruptions += 1
            run.interrupted = True
        else:
            self._stop(task, notice.attempt)
            if isinstance(error, FetchFailedError) and run.was_given(error):
                return self._make_output_again(error)
            if not isinstance(error, InjectedFailureError):
                self._count_failure(task, run.worker, error)
        return self._suspect(run.worker) if notice.unreachable else []

    def _make_output_again(self, lost: FetchFailedError) -> list[Command]:
        """Have a map output made anew that a reducer could not fetch, unless that was done already."""
        task = self._tasks[TaskId(Role.MAPPER, lost.task)]
        if task.output is None or task.output.attempt != lost.attempt:
            return []
        maker = task.output.worker
        task.lose_output()
        self._count_failure(task, maker, lost)
        return self._suspect(maker) if lost.unreachable else []

    def _suspect(self, worker: WorkerId) -> list[Command]:
        return [Suspect(worker)] if self._placement.set_silent(worker, True) else []

    def _stop(self, task: Task, attempt: int) -> None:
        """End an attempt; the task is idle then unless another attempt runs."""
        del task.running[attempt]
        if not task.running:
            task.take(Step.STOP)

    def _count_failure(self, task: Task, worker: WorkerId, error: MapReduceError) -> None:
        self._failed.append(task)
        task.error = error
        task.failures += 1
        task.failures_at_home += worker.index == task.home
        task.failed_at = worker.index

    # Decisions

    def _decide(self) -> list[Command]:
        self.wake_s = None
        refused = [task for task in self._failed if task in self._maps and isinstance(task.error, InputError)]
        for task in self._failed:
            if task not in refused and (error := task.final_error) is not None:
                return self._give_up(task, error)
        if refused:
            return self._find_first_refused(min(refused, key=lambda task: task.id.index))
        last = self._reduces or self._maps
        if all(task.state is TaskState.DONE for task in last):
            self._over = True
            return [Finish(tuple(task.output for task in last if task.output is not None))]
        return self._advance(*self._due())

    def _advance(self, role: Role, tasks: Sequence[Task]) -> list[Command]:
        """Order what can run of a role's tasks."""
        idle = [task for task in tasks if task.state is TaskState.IDLE]
        if idle and not self._placement.has(role):
            return self._await_worker(role, idle[0])
        commands = self._assign_idle(role, tasks) if idle else []
        if may_back_up := self._may_back_up(tasks):
            commands += self._back_up(role, tasks)
        if may_back_up or len(commands) < len(idle):  # a task that waits leaves a late home
            self.wake_s = self._next_straggler_s(role, tasks)
        return commands

    def _find_first_refused(self, refused: Task) -> list[Command]:
        """Give up the map task with the first invalid row: an earlier split may have one, too."""
        earlier = self._maps[: self._maps.index(refused)]
        if not all(task.state is TaskState.DONE for task in earlier):
            return self._advance(Role.MAPPER, earlier)
        assert refused.error is not None
        return self._give_up(refused, refused.error)

    def _due(self) -> tuple[Role, list[Task]]:
        """Return the tasks that may run: the map tasks until all are DONE, then the reduce tasks."""
        if all(task.state is TaskState.DONE for task in self._maps):
            return Role.REDUCER, self._reduces
        return Role.MAPPER, self._maps

    def _give_up(self, task: Task, error: MapReduceError) -> list[Command]:
        task.take(Step.GIVE_UP)
        self._over = True
        return [Fail(task.id, error)]

    def _await_worker(self, role: Role, task: Task) -> list[Command]:
        """Give the stage up if the role has been without any worker for too long."""
        limit_s = self._no_worker_since_s.setdefault(role, self._now_s) + self._patience_s
        if self._now_s < limit_s:
            self.wake_s = limit_s
            return []
        reason = self._last_loss.get(role, "never joined")
        return self._give_up(task, TaskError(f"no {role} is left; the last one: {reason}"))

    def _assign_idle(self, role: Role, tasks: Sequence[Task]) -> list[Command]:
        late = [run.worker for _, run in self._stragglers(role, tasks)]
        chosen = self._placement.assign(role, tasks, self._busy_workers(), late)
        return [self._assign(task, worker) for task, worker in chosen]

    def _assign(self, task: Task, worker: WorkerId) -> RunTask:
        sources = () if task.id.role is Role.MAPPER else tuple(m.output for m in self._maps if m.output)
        task.take(Step.ASSIGN)
        task.attempts += 1
        backup = bool(task.running)
        task.running[task.attempts] = Run(worker, sources, self._now_s, backup)
        return RunTask(task.id, task.attempts, worker, sources, backup)

    def _busy_workers(self) -> set[WorkerId]:
        return {run.worker for task in self._tasks.values() for run in task.running.values()}

    def _straggles_after_s(self, role: Role) -> float:
        """Return how long a task may run before it is a straggler; infinity before one is DONE."""
        done_s = self._durations_s[role]
        return max(_STRAGGLER_FACTOR * median(done_s), STRAGGLES_AFTER_S) if done_s else inf

    def _stragglers(self, role: Role, tasks: Sequence[Task]) -> list[tuple[Task, Run]]:
        limit_s = self._straggles_after_s(role)
        runs = [(task, run) for task in tasks for run in task.running.values()]
        return [(task, run) for task, run in runs if self._now_s >= run.since_s + limit_s]

    def _next_straggler_s(self, role: Role, tasks: Sequence[Task]) -> float | None:
        """Return when the next task that has no backup will be a straggler."""
        limit_s = self._straggles_after_s(role)
        runs = [run for task in tasks if len(task.running) == 1 for run in task.running.values()]
        due_s = [run.since_s + limit_s for run in runs]
        return min((time_s for time_s in due_s if self._now_s < time_s < inf), default=None)

    def _may_back_up(self, tasks: Sequence[Task]) -> bool:
        left = sum(task.state is not TaskState.DONE for task in tasks)
        return left <= max(1, (1 - BACKUP_FROM) * len(tasks))

    def _back_up(self, role: Role, tasks: Sequence[Task]) -> list[Command]:
        """Start a second attempt of stragglers on idle workers."""
        idle = self._placement.idle(role, self._busy_workers())
        late = [task for task, _ in self._stragglers(role, tasks) if len(task.running) == 1]
        return [self._assign(task, worker) for task, worker in zip(late, idle, strict=False)]
