"""The scheduler against every order of events that a cluster may produce.

The machine below plays the cluster and keeps its own books of what the scheduler was told: who is
there, which attempts are waited for, which outputs exist and what each task was charged.
"""

from collections import Counter

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import DataObject, booleans, data, integers, sampled_from, sets

from common.errors import FetchFailedError, InjectedFailureError, InputError, OutputLostError, TaskError
from common.model import Role
from master.scheduler import (
    MAX_FAILURES,
    MAX_LOSSES,
    Command,
    Event,
    Fail,
    Finish,
    Output,
    Retire,
    RunTask,
    StageScheduler,
    TaskFailed,
    TaskId,
    TaskSucceeded,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)

Seat = tuple[Role, int]
ANY = data()
INPUT_ERROR = InputError("line 3: 'x' is not a number")


class Cluster(RuleBasedStateMachine):
    """One stage, its workers and the books."""

    @initialize(
        maps=integers(0, 5),
        reduces=integers(0, 4),
        mappers=integers(1, 4),
        reducers=integers(1, 4),
        away=sets(sampled_from([(role, index) for role in Role for index in range(1, 5)])),
    )
    def begin(self, maps: int, reduces: int, mappers: int, reducers: int, away: set[Seat]) -> None:
        self.maps = [TaskId(Role.MAPPER, index) for index in range(maps)]
        self.reduces = [TaskId(Role.REDUCER, index) for index in range(reduces)]
        sizes = {Role.MAPPER: mappers, Role.REDUCER: reducers}
        seats = [(role, index) for role in Role for index in range(1, sizes[role] + 1)]
        self.incarnation = dict.fromkeys(seats, 1)
        self.alive = {WorkerId(*seat, 1) for seat in seats if seat not in away}
        self.joined = set(self.alive)  # and not retired
        self.attempts: Counter[TaskId] = Counter()
        self.charged: Counter[TaskId] = Counter()
        self.lost: Counter[TaskId] = Counter()
        self.waited: dict[TaskId, RunTask] = {}
        self.outputs: dict[TaskId, Output] = {}
        self.past: list[RunTask] = []
        self.condemned: WorkerId | None = None
        self.permanent: TaskId | None = None
        self.end: Command | None = None
        returning = [seat for seat in seats if seat in away]
        self.scheduler = StageScheduler(range(maps), reduces, sorted(self.alive, key=str), returning)
        self.check_commands(self.scheduler.start())

    # What may happen

    @rule(pick=ANY)
    @precondition(lambda self: self.waited)
    def succeeds(self, pick: DataObject) -> None:
        self.succeed(self.draw_waited(pick))

    @rule(pick=ANY, unreachable=booleans())
    @precondition(lambda self: self.waited)
    def fails(self, pick: DataObject, unreachable: bool) -> None:
        run = self.draw_waited(pick)
        self.charge(run.task)
        if unreachable and run.worker in self.joined:
            self.condemned = run.worker
        self.send(TaskFailed(run.task, run.attempt, OutputLostError("gone"), unreachable))

    @rule(pick=ANY)
    @precondition(lambda self: self.waited)
    def fails_as_asked(self, pick: DataObject) -> None:
        run = self.draw_waited(pick)
        del self.waited[run.task]
        self.send(TaskFailed(run.task, run.attempt, InjectedFailureError("as asked")))

    @rule(pick=ANY)
    @precondition(lambda self: self.waited and len(self.past) > 8)
    def fails_for_good(self, pick: DataObject) -> None:
        run = self.draw_waited(pick)
        self.permanent = run.task
        self.send(TaskFailed(run.task, run.attempt, INPUT_ERROR))

    @rule(pick=ANY, unreachable=booleans())
    @precondition(lambda self: self.maps and self.waited.keys() & set(self.reduces))
    def cannot_fetch(self, pick: DataObject, unreachable: bool) -> None:
        reducing = [run for run in self.waited.values() if run.task.role is Role.REDUCER]
        run = pick.draw(sampled_from(reducing))
        lost = pick.draw(sampled_from(self.maps))
        attempt = pick.draw(integers(1, self.attempts[lost]))
        del self.waited[run.task]
        if lost in self.outputs and attempt == self.attempts[lost]:
            worker = self.outputs[lost].worker
            self.charge(lost)
            if unreachable and worker in self.joined:
                self.condemned = worker
        self.send(TaskFailed(run.task, run.attempt, FetchFailedError(lost.index, attempt, unreachable, "x")))

    @rule(pick=ANY)
    @precondition(lambda self: self.past)
    def answers_late_or_twice(self, pick: DataObject) -> None:
        run = pick.draw(sampled_from(self.past))
        if self.waited.get(run.task) is run:
            return
        errors = [
            OutputLostError("x"),
            InjectedFailureError("x"),
            FetchFailedError(0, 1, True, "x"),
            INPUT_ERROR,
        ]
        events: list[Event] = [TaskFailed(run.task, run.attempt, error, True) for error in errors]
        event = pick.draw(sampled_from([*events, TaskSucceeded(output_of(run))]))
        assert self.scheduler.handle(event) == []

    @rule(pick=ANY, returns=booleans())
    @precondition(lambda self: self.alive)
    def dies(self, pick: DataObject, returns: bool) -> None:
        worker = pick.draw(sampled_from(sorted(self.alive, key=str)))
        self.lose(worker, returns or self.is_last(worker.role))

    @rule(pick=ANY, returns=booleans())
    @precondition(lambda self: self.away())
    def dies_before_it_joins(self, pick: DataObject, returns: bool) -> None:
        seat = pick.draw(sampled_from(self.away()))
        self.lose(self.next_in(seat), returns or self.is_last(seat[0]))

    @rule(pick=ANY)
    @precondition(lambda self: self.away())
    def joins(self, pick: DataObject) -> None:
        self.join(pick.draw(sampled_from(self.away())))

    # What must hold after each event

    @invariant()
    def exactly_the_attempts_given_are_waited_for(self) -> None:
        if self.end is None:
            for run in self.past:
                waited = self.waited.get(run.task) is run
                assert self.scheduler.is_running(run.task, run.attempt) == waited

    @invariant()
    def no_task_idles_while_every_worker_is_there(self) -> None:
        if self.end is None:
            due = self.maps if any(task not in self.outputs for task in self.maps) else self.reduces
            for task in due:
                everyone = {seat for seat in self.incarnation if seat[0] is task.role}
                there = {(worker.role, worker.index) for worker in self.joined if worker.role is task.role}
                assert everyone != there or task in self.waited or task in self.outputs

    def teardown(self) -> None:
        """When all faults stop, the stage finishes."""
        for worker in sorted(self.alive - self.joined, key=str):
            self.lose(worker, returns=True)
        for _ in range(len(self.incarnation) + 2 * len(self.maps) + len(self.reduces)):
            if self.end is not None:
                break
            if self.away():
                self.join(self.away()[0])
            else:
                self.succeed(min(self.waited.values(), key=str))
        assert self.end is not None

    # The books

    def send(self, event: Event) -> None:
        commands = self.scheduler.handle(event)
        if self.end is None:
            self.check_commands(commands)
        else:
            assert commands == []

    def check_commands(self, commands: list[Command]) -> None:
        for command in commands:
            assert self.end is None
            match command:
                case RunTask():
                    self.check_run(command)
                case Retire(worker):
                    assert worker == self.condemned
                    self.joined.remove(worker)
                    self.condemned = None
                case Finish(outputs):
                    assert outputs == tuple(self.outputs[task] for task in self.reduces or self.maps)
                    self.end = command
                case Fail(task, error):
                    self.check_fail(task, isinstance(error, TaskError))
                    self.end = command
        assert self.condemned is None
        if self.end is None:
            assert self.permanent is None
            assert all(count < MAX_FAILURES for count in self.charged.values())
            assert all(count < MAX_LOSSES for count in self.lost.values())

    def check_run(self, run: RunTask) -> None:
        assert run.worker in self.joined
        assert run.worker.role is run.task.role
        assert run.task not in self.waited
        assert run.task not in self.outputs
        assert run.attempt == self.attempts[run.task] + 1
        of_reduce = run.task.role is Role.REDUCER
        assert run.sources == (tuple(self.outputs[task] for task in self.maps) if of_reduce else ())
        self.attempts[run.task] += 1
        self.waited[run.task] = run
        self.past.append(run)

    def check_fail(self, task: TaskId, can_be_tried_again: bool) -> None:
        if can_be_tried_again:
            assert self.charged[task] == MAX_FAILURES or self.lost[task] == MAX_LOSSES
        else:
            assert task == self.permanent

    def charge(self, task: TaskId) -> None:
        self.waited.pop(task, None)
        self.outputs.pop(task, None)
        self.charged[task] += 1

    def succeed(self, run: RunTask) -> None:
        del self.waited[run.task]
        self.outputs[run.task] = output_of(run)
        self.send(TaskSucceeded(output_of(run)))

    def lose(self, worker: WorkerId, returns: bool) -> None:
        self.alive.discard(worker)
        self.joined.discard(worker)
        seat = (worker.role, worker.index)
        if returns:
            self.incarnation[seat] = worker.incarnation
        else:
            del self.incarnation[seat]
        for run in [run for run in self.waited.values() if run.worker == worker]:
            self.charge(run.task)
        for task in self.maps:
            if task in self.outputs and self.outputs[task].worker == worker:
                del self.outputs[task]
                self.lost[task] += 1
        self.send(WorkerLost(worker, returns, "killed"))

    def join(self, seat: Seat) -> None:
        worker = self.next_in(seat)
        self.incarnation[seat] = worker.incarnation
        self.alive.add(worker)
        self.joined.add(worker)
        self.send(WorkerJoined(worker))

    def draw_waited(self, pick: DataObject) -> RunTask:
        return pick.draw(sampled_from(list(self.waited.values())))

    def away(self) -> list[Seat]:
        present = {(worker.role, worker.index) for worker in self.alive}
        return [seat for seat in self.incarnation if seat not in present]

    def next_in(self, seat: Seat) -> WorkerId:
        return WorkerId(*seat, self.incarnation[seat] + 1)

    def is_last(self, role: Role) -> bool:
        return sum(seat_role is role for seat_role, _ in self.incarnation) == 1


def output_of(run: RunTask) -> Output:
    return Output(run.task, run.attempt, run.worker, f"{run.task.role} {run.task.index}.{run.attempt}")


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
