"""The scheduler against every order of events that a cluster may produce.

The machine below plays the cluster, for several stages in a row, and keeps its own books of what the
scheduler was told: who is there, which attempts are waited for, which outputs exist and what each task
was charged.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import DataObject, booleans, data, integers, sampled_from, sets

from common.errors import FetchFailedError, InjectedFailureError, InputError, OutputLostError, TaskError
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
    TimePassed,
    WorkerBack,
    WorkerGone,
    WorkerId,
    WorkerQuiet,
    WorkerReady,
)
from master.scheduling.placement import Placement
from master.scheduling.scheduler import BACKUP_FROM, MAX_INTERRUPTIONS, STRAGGLES_AFTER_S, StageScheduler
from master.scheduling.task import MAX_FAILURES, MAX_LOSSES

Slot = tuple[Role, int]
ANY = data()
INPUT_ERROR = InputError("line 3: 'x' is not a number")
SLOTS = [(role, index) for role in Role for index in range(1, 5)]


@dataclass
class Waited:
    """An attempt that is waited for."""

    run: RunTask
    since_s: float
    interruptions: int = 0
    interrupted: bool = False


class Cluster(RuleBasedStateMachine):
    """Stages in a row, their workers and the books."""

    end: Command | None = Finish(())

    @initialize(present=sets(sampled_from(SLOTS), min_size=2), patience_s=sampled_from([0.0, 5.0]))
    def begin(self, present: set[Slot], patience_s: float) -> None:
        self.incarnation: Counter[Slot] = Counter()
        self.slots: dict[Slot, WorkerId | None] = {
            slot: self.newest(slot) for slot in sorted(present, key=str)
        }
        self.silent: set[WorkerId] = set()
        self.suspects: set[WorkerId] = set()
        self.homes: dict[TaskId, int] = {}
        self.placement = Placement(self.homes)
        for worker in self.there():
            self.placement.take_in(WorkerReady(worker))
        self.patience_s = patience_s
        self.now_s = 0.0
        self.emptied_s = dict.fromkeys(Role, 0.0)
        self.waited: dict[tuple[TaskId, int], Waited] = {}
        self.scheduler = StageScheduler([], 0, self.placement)
        assert self.scheduler.start(0.0) == [self.end]

    @rule(maps=integers(0, 8), reduces=integers(0, 4))
    @precondition(lambda self: self.end is not None)
    def starts_a_stage(self, maps: int, reduces: int) -> None:
        self.maps = [TaskId(Role.MAPPER, index) for index in range(maps)]
        self.reduces = [TaskId(Role.REDUCER, index) for index in range(reduces)]
        self.attempts: Counter[TaskId] = Counter()
        self.charged: Counter[TaskId] = Counter()
        self.charged_at_home: Counter[TaskId] = Counter()
        self.failed_at: dict[TaskId, int] = {}
        self.lost: Counter[TaskId] = Counter()
        self.waited = {}
        self.outputs: dict[TaskId, Output] = {}
        self.durations_s: defaultdict[Role, list[float]] = defaultdict(list)
        self.past: list[RunTask] = []
        self.permanent: TaskId | None = None
        self.emptied_s = {role: max(since, self.now_s) for role, since in self.emptied_s.items()}
        self.end = None
        self.scheduler = StageScheduler(range(maps), reduces, self.placement, self.patience_s)
        self.check(self.scheduler.start(self.now_s))

    # What may happen

    @rule(pick=ANY)
    @precondition(lambda self: self.end is None and self.in_progress())
    def succeeds(self, pick: DataObject) -> None:
        self.succeed(self.draw_waited(pick).run)

    @rule(pick=ANY)
    @precondition(lambda self: self.end is None and self.in_progress())
    def fails(self, pick: DataObject) -> None:
        run = self.draw_waited(pick).run
        self.charge_attempt(run)
        self.send(TaskFailed(run.task, run.attempt, OutputLostError("gone")))

    @rule(pick=ANY)
    @precondition(lambda self: self.end is None and self.in_progress())
    def does_not_answer(self, pick: DataObject) -> None:
        waited = self.draw_waited(pick)
        if waited.interruptions < MAX_INTERRUPTIONS:
            waited.interruptions += 1
            waited.interrupted = True
        else:
            self.charge_attempt(waited.run)
        self.suspect(waited.run.worker)
        self.send(TaskFailed(waited.run.task, waited.run.attempt, OutputLostError("no answer"), True))

    @rule(pick=ANY)
    @precondition(lambda self: self.end is None and self.in_progress())
    def fails_as_asked(self, pick: DataObject) -> None:
        run = self.draw_waited(pick).run
        del self.waited[run.task, run.attempt]
        self.send(TaskFailed(run.task, run.attempt, InjectedFailureError("as asked")))

    @rule(pick=ANY)
    @precondition(lambda self: self.end is None and self.first_to_fail() and len(self.past) > 12)
    def fails_for_good(self, pick: DataObject) -> None:
        run = pick.draw(sampled_from(self.first_to_fail())).run
        self.permanent = run.task
        self.send(TaskFailed(run.task, run.attempt, INPUT_ERROR))

    @rule(pick=ANY, honest=booleans(), unreachable=booleans())
    @precondition(lambda self: self.end is None and self.maps and self.reducing())
    def cannot_fetch(self, pick: DataObject, honest: bool, unreachable: bool) -> None:
        run = pick.draw(sampled_from(self.reducing())).run
        if honest:
            source = pick.draw(sampled_from(run.sources))
            lost, attempt = source.task, source.attempt
        else:
            lost = pick.draw(sampled_from(self.maps))
            attempt = pick.draw(integers(0, self.attempts[lost] + 1))
        if not any(source.task == lost and source.attempt == attempt for source in run.sources):
            self.charge_attempt(run)
        else:
            del self.waited[run.task, run.attempt]
            if lost in self.outputs and self.outputs[lost].attempt == attempt:
                maker = self.outputs.pop(lost).worker
                self.charge(lost, maker)
                if unreachable:
                    self.suspect(maker)
        self.send(TaskFailed(run.task, run.attempt, FetchFailedError(lost.index, attempt, unreachable, "x")))

    @rule(pick=ANY)
    @precondition(lambda self: self.end is None and self.past)
    def answers_late_or_twice(self, pick: DataObject) -> None:
        run = pick.draw(sampled_from(self.past))
        if (run.task, run.attempt) in self.waited:
            return
        errors = [
            OutputLostError("x"),
            InjectedFailureError("x"),
            FetchFailedError(0, 1, True, "x"),
            INPUT_ERROR,
        ]
        notices: list[Notice] = [TaskFailed(run.task, run.attempt, error, True) for error in errors]
        self.send(pick.draw(sampled_from([*notices, TaskSucceeded(output_of(run))])))

    @rule(pick=ANY)
    @precondition(lambda self: self.heard())
    def falls_silent(self, pick: DataObject) -> None:
        worker = pick.draw(sampled_from(self.heard()))
        self.silent.add(worker)
        self.send(WorkerQuiet(worker))

    @rule(pick=ANY)
    @precondition(lambda self: self.silent)
    def is_heard_again(self, pick: DataObject) -> None:
        self.hear(pick.draw(sampled_from(sorted(self.silent, key=str))))

    @rule(pick=ANY, returns=booleans())
    @precondition(lambda self: self.there())
    def dies(self, pick: DataObject, returns: bool) -> None:
        self.lose(pick.draw(sampled_from(self.there())), returns)

    @rule(pick=ANY)
    @precondition(lambda self: self.there())
    def leaves(self, pick: DataObject) -> None:
        self.lose(pick.draw(sampled_from(self.there())), returns=False, left=True)

    @rule(pick=ANY, returns=booleans(), started=booleans())
    @precondition(lambda self: self.away())
    def dies_before_it_joins(self, pick: DataObject, returns: bool, started: bool) -> None:
        slot = pick.draw(sampled_from(self.away()))
        self.lose(self.newest(slot) if started else WorkerId(*slot, self.incarnation[slot]), returns)

    @rule(pick=ANY)
    @precondition(lambda self: self.away())
    def comes_back(self, pick: DataObject) -> None:
        self.join(pick.draw(sampled_from(self.away())))

    @rule(pick=ANY)
    @precondition(lambda self: len(self.slots) < len(SLOTS))
    def joins(self, pick: DataObject) -> None:
        self.join(pick.draw(sampled_from([slot for slot in SLOTS if slot not in self.slots])))

    @rule(pick=ANY)
    @precondition(lambda self: self.there())
    def joins_twice(self, pick: DataObject) -> None:
        worker = pick.draw(sampled_from(self.there()))
        self.silent.discard(worker)
        self.send(WorkerReady(worker), asked_again=worker)

    @rule(seconds=sampled_from([0.1, 1.0, 3.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.wait_until(self.now_s + seconds)

    # What must hold after each notice

    @invariant()
    def exactly_the_attempts_given_are_waited_for(self) -> None:
        if self.going_on():
            for run in self.past:
                waited = (run.task, run.attempt) in self.waited
                assert self.scheduler.is_running(run.task, run.attempt) == waited

    @invariant()
    def no_worker_idles_while_a_task_could_run_there(self) -> None:
        if self.going_on():
            first_in_line: set[int | None] = set()
            for task in self.idle_tasks():
                idle, home = self.idle(task.role), self.homes.get(task)
                if self.charged_at_home[task] >= 2:
                    elsewhere = [w for w in idle if w.index != self.failed_at[task]]
                    has_elsewhere = self.slots.keys() - {(task.role, self.failed_at[task])}
                    assert not (elsewhere if any(role is task.role for role, _ in has_elsewhere) else idle)
                elif home in first_in_line:
                    assert not self.untried(task, idle)
                else:
                    first_in_line.add(home)
                    at_home = [worker for worker in idle if worker.index == home]
                    strangers = {w.index for w in idle} - {self.homes.get(task) for task in self.phase()}
                    assert not at_home
                    strangers -= {self.failed_at.get(task)}
                    assert not strangers or not self.is_busy(task.role, home)
                    assert not self.untried(task, idle) or not self.is_late(task.role, home)

    def untried(self, task: TaskId, workers: list[WorkerId]) -> list[WorkerId]:
        """Return the workers other than the one where a task failed last."""
        return [worker for worker in workers if worker.index != self.failed_at.get(task)]

    @invariant()
    def each_straggler_has_a_backup_or_will_be_looked_at(self) -> None:
        if self.going_on() and self.may_back_up():
            limit_s = self.straggles_after_s()
            for waited in self.waited.values():
                task = waited.run.task
                if task in self.phase() and self.count_running(task) == 1:
                    due_s = waited.since_s + limit_s
                    if due_s <= self.now_s:
                        assert self.idle(task.role) == []
                    else:
                        assert self.scheduler.wake_s is not None
                        assert self.scheduler.wake_s <= due_s

    @invariant()
    def there_is_something_to_wait_for(self) -> None:
        if self.going_on():
            assert self.in_progress() or self.silent or self.away() or self.scheduler.wake_s is not None

    def teardown(self) -> None:
        """When all faults stop, the stage ends."""
        for _ in range(200):
            if self.end is not None:
                return
            if self.silent:
                self.hear(min(self.silent, key=str))
            elif self.away():
                self.join(self.away()[0])
            elif self.in_progress():
                self.succeed(self.in_progress()[0].run)
            else:
                assert self.scheduler.wake_s is not None
                self.wait_until(self.scheduler.wake_s)
        raise AssertionError("the stage does not end")

    # The cluster

    def send(self, notice: Notice, asked_again: WorkerId | None = None) -> None:
        again = [waited.run for waited in self.waited.values() if self.wakes(waited, asked_again)]
        commands = self.scheduler.handle(notice, self.now_s)
        if self.end is not None:
            assert commands == []
            return
        assert commands[: len(again)] == again
        for run in again:
            self.waited[run.task, run.attempt].interrupted = False
        self.check(commands[len(again) :])

    def wakes(self, waited: Waited, worker: WorkerId | None) -> bool:
        return waited.interrupted and waited.run.worker == worker

    def wait_until(self, time_s: float) -> None:
        while self.going_on() and (wake_s := self.scheduler.wake_s) is not None and wake_s <= time_s:
            self.now_s = max(self.now_s, wake_s)
            self.send(TimePassed())
            assert self.end is not None or self.scheduler.wake_s != wake_s
        self.now_s = max(self.now_s, time_s)

    def succeed(self, run: RunTask) -> None:
        self.durations_s[run.task.role].append(self.now_s - self.waited[run.task, run.attempt].since_s)
        for key in [key for key in self.waited if key[0] == run.task]:
            del self.waited[key]
        self.outputs[run.task] = output_of(run)
        self.send(TaskSucceeded(output_of(run)))
        if run.task.role is Role.MAPPER:
            assert self.homes[run.task] == run.worker.index

    def hear(self, worker: WorkerId) -> None:
        self.silent.discard(worker)
        self.send(WorkerBack(worker), asked_again=worker)

    def suspect(self, worker: WorkerId) -> None:
        if self.slots.get((worker.role, worker.index)) == worker and worker not in self.silent:
            self.suspects.add(worker)

    def lose(self, worker: WorkerId, returns: bool, left: bool = False) -> None:
        self.silent.discard(worker)
        if self.end is None:
            for waited in [waited for waited in self.waited.values() if waited.run.worker == worker]:
                if left:
                    del self.waited[waited.run.task, waited.run.attempt]
                else:
                    self.charge_attempt(waited.run)
            for task in self.maps:
                if task in self.outputs and self.outputs[task].worker == worker:
                    del self.outputs[task]
                    self.lost[task] += 1
        if returns:
            self.slots[worker.role, worker.index] = None
        else:
            del self.slots[worker.role, worker.index]
            if not any(role is worker.role for role, _ in self.slots):
                self.emptied_s[worker.role] = self.now_s
        self.send(WorkerGone(worker, returns, "killed", left))

    def join(self, slot: Slot) -> None:
        worker = self.newest(slot)
        self.slots[slot] = worker
        self.send(WorkerReady(worker))

    def newest(self, slot: Slot) -> WorkerId:
        self.incarnation[slot] += 1
        return WorkerId(*slot, self.incarnation[slot])

    # The books

    def check(self, commands: list[Command]) -> None:
        for command in commands:
            assert self.end is None
            match command:
                case RunTask():
                    self.check_run(command)
                case Suspect(worker):
                    self.suspects.remove(worker)
                    self.silent.add(worker)
                case Finish(outputs):
                    assert outputs == tuple(self.outputs[task] for task in self.reduces or self.maps)
                    self.end = command
                case Fail(task, error):
                    self.check_fail(task, error)
                    self.end = command
        assert not self.suspects
        if self.end is None:
            assert self.permanent is None
            assert not any(self.exhausted(task) for task in (*self.maps, *self.reduces))
        else:
            assert self.scheduler.wake_s is None

    def check_run(self, run: RunTask) -> None:
        assert run.worker in self.idle(run.task.role)
        assert run.task in self.phase()
        assert run.task not in self.outputs
        assert run.attempt == self.attempts[run.task] + 1
        of_reduce = run.task.role is Role.REDUCER
        assert run.sources == (tuple(self.outputs[task] for task in self.maps) if of_reduce else ())
        if first := [waited for waited in self.waited.values() if waited.run.task == run.task]:
            (straggler,) = first
            assert self.may_back_up()
            assert self.now_s >= straggler.since_s + self.straggles_after_s()
        self.attempts[run.task] += 1
        self.waited[run.task, run.attempt] = Waited(run, self.now_s)
        self.past.append(run)

    def check_fail(self, task: TaskId, error: Exception) -> None:
        if not isinstance(error, TaskError):
            assert task == self.permanent
        elif str(error).startswith(f"no {task.role} is left"):
            assert not any(role is task.role for role, _ in self.slots)
            assert self.now_s >= self.emptied_s[task.role] + self.patience_s
        else:
            assert self.exhausted(task)

    def exhausted(self, task: TaskId) -> bool:
        used_up = self.charged[task] >= MAX_FAILURES or self.lost[task] >= MAX_LOSSES
        return used_up and task not in self.outputs and self.count_running(task) == 0

    def charge_attempt(self, run: RunTask) -> None:
        del self.waited[run.task, run.attempt]
        self.charge(run.task, run.worker)

    def charge(self, task: TaskId, worker: WorkerId) -> None:
        self.charged[task] += 1
        self.charged_at_home[task] += worker.index == self.homes.get(task)
        self.failed_at[task] = worker.index

    def going_on(self) -> bool:
        return self.end is None

    def phase(self) -> list[TaskId]:
        return self.maps if any(task not in self.outputs for task in self.maps) else self.reduces

    def may_back_up(self) -> bool:
        phase = self.phase()
        done = sum(task in self.outputs for task in phase)
        known = bool(phase and self.durations_s[phase[0].role])
        return known and (done >= BACKUP_FROM * len(phase) or done >= len(phase) - 1)

    def straggles_after_s(self) -> float:
        return max(3 * median(self.durations_s[self.phase()[0].role]), STRAGGLES_AFTER_S)

    def idle_tasks(self) -> list[TaskId]:
        return [task for task in self.phase() if task not in self.outputs and not self.count_running(task)]

    def idle(self, role: Role) -> list[WorkerId]:
        busy = {waited.run.worker for waited in self.waited.values()}
        return [worker for worker in self.heard() if worker.role is role and worker not in busy]

    def is_late(self, role: Role, index: int | None) -> bool:
        late = [
            waited.run.worker.index
            for waited in self.waited.values()
            if waited.run.worker.role is role
            and self.durations_s[role]
            and waited.since_s + self.straggles_after_s() <= self.now_s
        ]
        return index in late

    def is_busy(self, role: Role, index: int | None) -> bool:
        workers = [waited.run.worker for waited in self.waited.values()]
        return any((worker.role, worker.index) == (role, index) for worker in workers)

    def count_running(self, task: TaskId) -> int:
        return sum(key[0] == task for key in self.waited)

    def in_progress(self) -> list[Waited]:
        return [waited for waited in self.waited.values() if not waited.interrupted]

    def reducing(self) -> list[Waited]:
        return [waited for waited in self.in_progress() if waited.run.task.role is Role.REDUCER]

    def first_to_fail(self) -> list[Waited]:
        """Return the attempts whose bad input ends the stage at once: all earlier splits are good."""

        def earlier(task: TaskId) -> list[TaskId]:
            return self.maps[: task.index] if task.role is Role.MAPPER else []

        done = self.outputs
        return [
            waited for waited in self.in_progress() if all(task in done for task in earlier(waited.run.task))
        ]

    def draw_waited(self, pick: DataObject) -> Waited:
        return pick.draw(sampled_from(self.in_progress()))

    def there(self) -> list[WorkerId]:
        return [worker for worker in self.slots.values() if worker is not None]

    def heard(self) -> list[WorkerId]:
        return [worker for worker in self.there() if worker not in self.silent]

    def away(self) -> list[Slot]:
        return [slot for slot, worker in self.slots.items() if worker is None]


def output_of(run: RunTask) -> Output:
    return Output(run.task, run.attempt, run.worker, f"{run.task.role} {run.task.index}.{run.attempt}")


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=150, stateful_step_count=60)
