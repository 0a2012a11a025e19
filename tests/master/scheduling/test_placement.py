"""Who runs which task: homes, slots, and who takes what from whom."""

import pytest

from common.model import Role
from master.scheduling.messages import (
    RunTask,
    TaskId,
    WorkerGone,
    WorkerQuiet,
)
from master.scheduling.scheduler import STRAGGLES_AFTER_S, StageScheduler
from master.scheduling.task import Task, TaskState
from tests.master.scheduling.stage import (
    ALL,
    M1,
    M2,
    M3,
    MAP1,
    MAP2,
    MAP3,
    MAP4,
    NO_COMMANDS,
    R1,
    R2,
    REDUCE2,
    fail,
    hear,
    join,
    lose,
    mapper,
    reducing,
    silence,
    started,
    succeed,
    there,
    wake,
)


def test_a_worker_has_one_task_at_a_time_and_takes_its_own_next() -> None:
    scheduler = StageScheduler(range(4), 0, there(M1, M2))
    assert scheduler.start(0.0) == [RunTask(MAP1, 1, M1), RunTask(MAP2, 1, M2)]
    assert succeed(scheduler, MAP2, 1, M2) == [RunTask(MAP4, 1, M2)]
    assert succeed(scheduler, MAP1, 1, M1) == [RunTask(MAP3, 1, M1)]


def test_homes_last_from_stage_to_stage() -> None:
    homes: dict[TaskId, int] = {}
    placement = there(M1, M2, homes=homes)
    scheduler = StageScheduler(range(2), 0, placement)
    scheduler.start(0.0)
    assert lose(scheduler, M1, returns=False) == NO_COMMANDS
    succeed(scheduler, MAP2, 1, M2)
    succeed(scheduler, MAP1, 2, M2)
    back = mapper(1, 2)
    assert join(scheduler, back) == NO_COMMANDS  # the stage is over
    scheduler = StageScheduler(range(2), 0, placement)
    assert scheduler.start(0.0) == [RunTask(MAP1, 1, M2), RunTask(MAP2, 1, back)]
    assert homes == {MAP1: 2, MAP2: 2}
    succeed(scheduler, MAP2, 1, back)
    assert homes == {MAP1: 2, MAP2: 1}


def test_an_idle_worker_takes_the_second_waiting_task_of_a_busy_one_and_leaves_it_the_first() -> None:
    homes = {MAP1: 1, MAP2: 1, MAP3: 1, MAP4: 2}
    scheduler = started(4, 0, [M1, M2], homes)
    assert succeed(scheduler, MAP4, 1, M2) == [RunTask(MAP3, 1, M2)]
    assert succeed(scheduler, MAP3, 1, M2) == NO_COMMANDS
    assert homes[MAP3] == 2
    assert succeed(scheduler, MAP1, 1, M1) == [RunTask(MAP2, 1, M1)]


def test_a_worker_that_is_nobodys_home_takes_the_last_waiting_task_of_a_busy_one_too() -> None:
    scheduler = started(2, 0, [M1])
    assert join(scheduler, M2) == [RunTask(MAP2, 1, M2)]


def test_a_worker_does_not_take_a_task_again_that_has_just_failed_there() -> None:
    """A worker that fails at once would fail it four times while the others work, and end the run."""
    scheduler = StageScheduler(range(2), 0, there(M1, M2, homes={MAP1: 2, MAP2: 2}))
    assert scheduler.start(0.0) == [RunTask(MAP1, 1, M2), RunTask(MAP2, 1, M1)]
    assert fail(scheduler, MAP2, 1) == NO_COMMANDS
    assert succeed(scheduler, MAP1, 1, M2) == [RunTask(MAP2, 2, M2)]


def test_an_idle_worker_whose_own_task_must_go_elsewhere_takes_another() -> None:
    homes = {MAP1: 1, MAP2: 1, MAP3: 1, MAP4: 2}
    scheduler = started(4, 0, [M1, M2], homes)
    for attempt in (1, 2):  # MAP4 waits for mapper 1 after this, and MAP3 can run at mapper 2
        commands = fail(scheduler, MAP4, attempt)
    assert commands == [RunTask(MAP3, 1, M2)]


def test_a_failed_attempt_runs_again_in_the_same_place() -> None:
    assert fail(started(2, 2, ALL), MAP1, 1) == [RunTask(MAP1, 2, M1)]
    scheduler, sources = reducing()
    assert fail(scheduler, REDUCE2, 1) == [RunTask(REDUCE2, 2, R2, sources)]


def test_after_two_failures_at_home_it_goes_elsewhere() -> None:
    scheduler = started(2, 2, [M1, M2, M3])
    fail(scheduler, MAP1, 1)
    assert fail(scheduler, MAP1, 2) == [RunTask(MAP1, 3, M3)]
    assert fail(scheduler, MAP1, 3) == [RunTask(MAP1, 4, M1)]


def test_with_nowhere_else_it_stays() -> None:
    scheduler = started(1, 0, [M1])
    for attempt in (1, 2, 3):
        assert fail(scheduler, MAP1, attempt) == [RunTask(MAP1, attempt + 1, M1)]


def test_a_silent_worker_gets_nothing_new_until_it_is_heard() -> None:
    scheduler = started(2, 2, ALL)
    assert silence(scheduler, M1) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == NO_COMMANDS
    assert hear(scheduler, M1) == [RunTask(MAP1, 2, M1)]


def test_the_silence_of_an_earlier_stage_counts() -> None:
    placement = there(M1, M2)
    silence(StageScheduler([], 0, placement), M1)
    scheduler = StageScheduler(range(2), 0, placement)
    assert scheduler.start(0.0) == [RunTask(MAP2, 1, M2)]
    assert hear(scheduler, M1) == [RunTask(MAP1, 1, M1)]


def test_a_home_that_is_late_with_a_second_attempt_keeps_no_task_waiting() -> None:
    scheduler = started(3, 0, [M1, M2], {MAP1: 1, MAP2: 1, MAP3: 2})
    assert succeed(scheduler, MAP3, 1, M2) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == [RunTask(MAP1, 2, M1)]
    assert scheduler.wake_s == STRAGGLES_AFTER_S
    assert wake(scheduler, STRAGGLES_AFTER_S) == [RunTask(MAP2, 1, M2)]


def test_a_task_waits_for_its_lost_worker_to_return() -> None:
    scheduler = started(2, 2, ALL)
    assert lose(scheduler, M1, returns=True) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_a_task_waits_for_a_worker_that_was_away_from_the_start() -> None:
    placement = there(*ALL)
    lose(StageScheduler([], 0, placement), M1, returns=True)
    scheduler = StageScheduler(range(2), 2, placement)
    assert scheduler.start(0.0) == [RunTask(MAP2, 1, M2)]
    assert join(scheduler, mapper(1, 4)) == [RunTask(MAP1, 1, mapper(1, 4))]


def test_a_task_waits_for_a_worker_that_was_lost_before_it_joined() -> None:
    placement = there(M2)
    lose(StageScheduler([], 0, placement), M1, returns=True)
    scheduler = StageScheduler(range(2), 0, placement)
    assert scheduler.start(0.0) == [RunTask(MAP2, 1, M2)]
    assert join(scheduler, mapper(1, 2)) == [RunTask(MAP1, 1, mapper(1, 2))]


@pytest.mark.parametrize("returns", [True, False])
def test_late_news_of_a_loss_does_not_empty_the_slot_of_the_next_worker(returns: bool) -> None:
    scheduler = started(1, 0, [mapper(1, 2)])
    assert lose(scheduler, M1, returns=returns) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_the_task_of_a_worker_lost_for_good_goes_elsewhere() -> None:
    scheduler = started(2, 2, ALL)
    assert lose(scheduler, M1, returns=False) == NO_COMMANDS
    assert succeed(scheduler, MAP2, 1, M2) == [RunTask(MAP1, 2, M2)]


def test_a_waiting_task_goes_elsewhere_when_its_worker_will_not_return() -> None:
    scheduler = started(2, 2, [M1, M2, M3])
    lose(scheduler, M1, returns=True)
    assert lose(scheduler, mapper(1, 2), returns=False) == [RunTask(MAP1, 2, M3)]


def test_the_loss_of_an_earlier_incarnation_does_not_empty_the_slot() -> None:
    scheduler = started(1, 0, [mapper(1, 2)])
    assert lose(scheduler, mapper(1, 1), returns=True) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_what_waits_behind_a_straggler_goes_elsewhere() -> None:
    scheduler = started(4, 0, [M1, M2])
    assert succeed(scheduler, MAP2, 1, M2, now_s=1.0) == [RunTask(MAP4, 1, M2)]
    assert succeed(scheduler, MAP4, 1, M2, now_s=2.0) == NO_COMMANDS
    assert scheduler.wake_s == 3.0
    assert wake(scheduler, 3.0) == [RunTask(MAP3, 1, M2)]
    assert succeed(scheduler, MAP3, 1, M2, now_s=4.0) == [RunTask(MAP1, 2, M2, backup=True)]


def test_choosing_workers_changes_nothing_but_homes() -> None:
    homes: dict[TaskId, int] = {}
    placement = there(M1, M2, homes=homes)
    tasks = [Task(MAP1), Task(MAP2), Task(MAP3)]
    chosen = placement.assign(Role.MAPPER, tasks, busy=[], late=[])
    assert [(task.id, worker) for task, worker in chosen] == [(MAP1, M1), (MAP2, M2)]
    assert homes == {MAP1: 1, MAP2: 2, MAP3: 1}
    assert placement.assign(Role.MAPPER, tasks, busy=[], late=[]) == chosen
    assert all(task.state is TaskState.IDLE for task in tasks)


def test_a_role_has_the_workers_that_joined_and_those_that_return() -> None:
    placement = there(M1, M2)
    assert (placement.joined(Role.MAPPER), placement.joined(Role.REDUCER)) == (2, 0)
    assert placement.take_in(WorkerGone(M1, returns=True, reason="killed"))
    assert (placement.joined(Role.MAPPER), placement.has(Role.MAPPER)) == (1, True)
    assert placement.take_in(WorkerGone(M2, returns=False, reason="killed"))
    assert (placement.joined(Role.MAPPER), placement.has(Role.MAPPER)) == (0, True)
    assert placement.take_in(WorkerGone(mapper(1, 2), returns=False, reason="killed"))
    assert not placement.has(Role.MAPPER)


def test_idle_workers_are_those_that_are_heard_and_not_busy_by_index() -> None:
    placement = there(M3, M1, M2, R1)
    assert placement.idle(Role.MAPPER, busy=[]) == [M1, M2, M3]
    assert placement.take_in(WorkerQuiet(M2))
    assert not placement.take_in(WorkerQuiet(M2))
    assert placement.idle(Role.MAPPER, busy=[M1]) == [M3]
