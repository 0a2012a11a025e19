"""The scheduler, one failure at a time: events in, expected commands out."""

from collections.abc import Sequence

import pytest

from common.errors import (
    FetchFailedError,
    InjectedFailureError,
    InputError,
    MapReduceError,
    OutputLostError,
    TaskError,
)
from common.model import Role
from master.scheduling.messages import (
    Command,
    Fail,
    Finish,
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
from master.scheduling.scheduler import MAX_INTERRUPTIONS, STRAGGLES_AFTER_S, StageScheduler
from master.scheduling.task import TRANSITIONS, IllegalStepError, Step, Task, TaskState


def mapper(index: int, incarnation: int = 1) -> WorkerId:
    return WorkerId(Role.MAPPER, index, incarnation)


def reducer(index: int, incarnation: int = 1) -> WorkerId:
    return WorkerId(Role.REDUCER, index, incarnation)


def map_task(number: int) -> TaskId:
    return TaskId(Role.MAPPER, number - 1)


M1, M2, M3, R1, R2 = mapper(1), mapper(2), mapper(3), reducer(1), reducer(2)
ALL = [M1, M2, R1, R2]
MAP1, MAP2, MAP3, MAP4 = (map_task(number) for number in range(1, 5))
REDUCE1, REDUCE2 = TaskId(Role.REDUCER, 0), TaskId(Role.REDUCER, 1)
NO_COMMANDS: list[Command] = []


def output(task: TaskId, attempt: int, worker: WorkerId) -> Output:
    return Output(task, attempt, worker, f"{task.role} {task.index + 1}.{attempt}")


def succeed(
    scheduler: StageScheduler, task: TaskId, attempt: int, worker: WorkerId, now_s: float = 0.0
) -> list[Command]:
    return scheduler.handle(TaskSucceeded(output(task, attempt, worker)), now_s)


def fail(
    scheduler: StageScheduler,
    task: TaskId,
    attempt: int,
    error: MapReduceError | None = None,
    unreachable: bool = False,
) -> list[Command]:
    return scheduler.handle(TaskFailed(task, attempt, error or TaskError("disk full"), unreachable), 0.0)


def lose(scheduler: StageScheduler, worker: WorkerId, *, returns: bool, now_s: float = 0.0) -> list[Command]:
    return scheduler.handle(WorkerGone(worker, returns, f"{worker.role} {worker.index} was killed"), now_s)


def leave(scheduler: StageScheduler, worker: WorkerId) -> list[Command]:
    return scheduler.handle(WorkerGone(worker, returns=False, reason="it has left", left=True), 0.0)


def join(scheduler: StageScheduler, worker: WorkerId, now_s: float = 0.0) -> list[Command]:
    return scheduler.handle(WorkerReady(worker), now_s)


def silence(scheduler: StageScheduler, worker: WorkerId) -> list[Command]:
    return scheduler.handle(WorkerQuiet(worker), 0.0)


def hear(scheduler: StageScheduler, worker: WorkerId) -> list[Command]:
    return scheduler.handle(WorkerBack(worker), 0.0)


def wake(scheduler: StageScheduler, now_s: float) -> list[Command]:
    return scheduler.handle(TimePassed(), now_s)


def there(*workers: WorkerId, homes: dict[TaskId, int] | None = None) -> Placement:
    """Return a placement of workers that have joined."""
    placement = Placement(homes)
    for worker in workers:
        placement.take_in(WorkerReady(worker))
    return placement


def started(
    maps: int, reduces: int, workers: Sequence[WorkerId], homes: dict[TaskId, int] | None = None
) -> StageScheduler:
    """Return a stage whose first commands were given."""
    scheduler = StageScheduler(range(maps), reduces, there(*workers, homes=homes))
    scheduler.start(0.0)
    return scheduler


def both_reduce(attempt: int, sources: tuple[Output, ...]) -> list[Command]:
    return [RunTask(REDUCE1, attempt, R1, sources), RunTask(REDUCE2, attempt, R2, sources)]


def failure(commands: list[Command]) -> tuple[TaskId, str]:
    """Return what the one command Fail says, of an error that counts as a task's."""
    (command,) = commands
    assert isinstance(command, Fail)
    assert isinstance(command.error, TaskError)
    return command.task, str(command.error)


def reducing() -> tuple[StageScheduler, tuple[Output, Output]]:
    """Return a stage of two map and two reduce tasks whose reduce tasks run, and its map outputs."""
    scheduler = started(2, 2, ALL)
    succeed(scheduler, MAP1, 1, M1)
    assert len(succeed(scheduler, MAP2, 1, M2)) == 2
    return scheduler, (output(MAP1, 1, M1), output(MAP2, 1, M2))


# Success


def test_every_task_runs_at_home_and_reduce_tasks_after_every_map() -> None:
    scheduler = StageScheduler(range(2), 2, there(*ALL))
    assert scheduler.start(0.0) == [RunTask(MAP1, 1, M1), RunTask(MAP2, 1, M2)]
    assert succeed(scheduler, MAP2, 1, M2) == NO_COMMANDS
    sources = (output(MAP1, 1, M1), output(MAP2, 1, M2))
    assert succeed(scheduler, MAP1, 1, M1) == both_reduce(1, sources)


def test_finish_has_the_reduce_outputs_in_task_order() -> None:
    scheduler, _ = reducing()
    assert succeed(scheduler, REDUCE2, 1, R2) == NO_COMMANDS
    assert succeed(scheduler, REDUCE1, 1, R1) == [Finish((output(REDUCE1, 1, R1), output(REDUCE2, 1, R2)))]
    assert scheduler.wake_s is None


def test_without_reduce_tasks_finish_has_the_map_outputs_in_task_order() -> None:
    scheduler = started(2, 0, ALL)
    assert succeed(scheduler, MAP2, 1, M2) == NO_COMMANDS
    assert succeed(scheduler, MAP1, 1, M1) == [Finish((output(MAP1, 1, M1), output(MAP2, 1, M2)))]


def test_a_stage_without_tasks_finishes_at_once() -> None:
    assert StageScheduler([], 0, there(*ALL)).start(0.0) == [Finish(())]


# Homes


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


def test_an_idle_worker_whose_own_task_must_go_elsewhere_takes_another() -> None:
    homes = {MAP1: 1, MAP2: 1, MAP3: 1, MAP4: 2}
    scheduler = started(4, 0, [M1, M2], homes)
    for attempt in (1, 2):  # MAP4 waits for mapper 1 after this, and MAP3 can run at mapper 2
        commands = fail(scheduler, MAP4, attempt)
    assert commands == [RunTask(MAP3, 1, M2)]


# Failures that are answered


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


def test_four_charged_failures_fail_the_stage_with_the_last_error() -> None:
    scheduler = started(2, 2, [M1, M2, M3])
    for attempt in (1, 2, 3):
        assert len(fail(scheduler, MAP2, attempt)) == 1
    last = OutputLostError("the folder is gone")
    assert fail(scheduler, MAP2, 4, last) == [Fail(MAP2, last)]


def test_injected_failures_are_never_charged() -> None:
    scheduler = started(1, 1, ALL)
    for attempt in range(1, 20):
        injected = InjectedFailureError("as asked")
        assert fail(scheduler, MAP1, attempt, injected) == [RunTask(MAP1, attempt + 1, M1)]


def test_a_permanent_error_fails_the_stage_at_once() -> None:
    error = InputError("points.txt, line 3: 'x' is not a number")
    assert fail(started(2, 2, ALL), MAP1, 1, error) == [Fail(MAP1, error)]


def test_late_answers_of_an_old_attempt_are_ignored() -> None:
    scheduler = started(2, 2, ALL)
    fail(scheduler, MAP1, 1)
    assert not scheduler.is_running(MAP1, 1)
    assert scheduler.is_running(MAP1, 2)
    assert succeed(scheduler, MAP1, 1, M1) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1, InputError("too late")) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1, unreachable=True) == NO_COMMANDS
    assert scheduler.is_running(MAP1, 2)


def test_a_second_answer_of_one_attempt_is_ignored() -> None:
    scheduler = started(1, 1, [M1])
    succeed(scheduler, MAP1, 1, M1)
    assert fail(scheduler, MAP1, 1) == NO_COMMANDS


def test_nothing_happens_after_the_stage_is_over() -> None:
    scheduler = started(1, 0, [M1])
    succeed(scheduler, MAP1, 1, M1)
    assert succeed(scheduler, MAP1, 1, M1) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1, InputError("too late")) == NO_COMMANDS
    assert lose(scheduler, M1, returns=False) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == NO_COMMANDS
    assert wake(scheduler, 100.0) == NO_COMMANDS


# Workers that do not answer, or are silent


def test_an_interrupted_attempt_is_asked_for_again_when_its_worker_is_heard() -> None:
    scheduler = started(2, 2, ALL)
    assert fail(scheduler, MAP1, 1, unreachable=True) == [Suspect(M1)]
    assert scheduler.is_running(MAP1, 1)
    assert hear(scheduler, M1) == [RunTask(MAP1, 1, M1)]
    assert succeed(scheduler, MAP1, 1, M1) == NO_COMMANDS
    assert not scheduler.is_running(MAP1, 1)


def test_an_interrupted_reduce_attempt_is_asked_for_with_the_same_sources() -> None:
    scheduler, sources = reducing()
    assert fail(scheduler, REDUCE1, 1, unreachable=True) == [Suspect(R1)]
    assert hear(scheduler, R1) == [RunTask(REDUCE1, 1, R1, sources)]


def test_after_too_many_interruptions_it_is_charged_and_still_gets_nothing_before_it_is_heard() -> None:
    scheduler = started(1, 0, [M1])
    for _ in range(MAX_INTERRUPTIONS):
        assert fail(scheduler, MAP1, 1, unreachable=True) == [Suspect(M1)]
        assert hear(scheduler, M1) == [RunTask(MAP1, 1, M1)]
    assert fail(scheduler, MAP1, 1, unreachable=True) == [Suspect(M1)]
    assert not scheduler.is_running(MAP1, 1)
    assert hear(scheduler, M1) == [RunTask(MAP1, 2, M1)]


def test_an_interrupted_attempt_ends_with_its_worker() -> None:
    scheduler = started(2, 2, ALL)
    fail(scheduler, MAP1, 1, unreachable=True)
    assert lose(scheduler, M1, returns=True) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_a_silent_worker_gets_nothing_new_until_it_is_heard() -> None:
    scheduler = started(2, 2, ALL)
    assert silence(scheduler, M1) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == NO_COMMANDS
    assert hear(scheduler, M1) == [RunTask(MAP1, 2, M1)]


def test_a_worker_that_was_silent_already_is_not_suspected_again() -> None:
    scheduler = started(2, 2, ALL)
    silence(scheduler, M1)
    assert fail(scheduler, MAP1, 1, unreachable=True) == NO_COMMANDS
    assert hear(scheduler, M1) == [RunTask(MAP1, 1, M1)]


def test_the_silence_of_an_earlier_stage_counts() -> None:
    placement = there(M1, M2)
    silence(StageScheduler([], 0, placement), M1)
    scheduler = StageScheduler(range(2), 0, placement)
    assert scheduler.start(0.0) == [RunTask(MAP2, 1, M2)]
    assert hear(scheduler, M1) == [RunTask(MAP1, 1, M1)]


def test_the_answer_of_a_silent_worker_counts() -> None:
    scheduler = started(1, 0, [M1])
    silence(scheduler, M1)
    assert succeed(scheduler, MAP1, 1, M1) == [Finish((output(MAP1, 1, M1),))]


def test_a_worker_that_joins_twice_is_heard() -> None:
    scheduler = started(1, 0, [M1])
    fail(scheduler, MAP1, 1, unreachable=True)
    assert join(scheduler, M1) == [RunTask(MAP1, 1, M1)]


# Workers that are lost


def test_a_home_that_is_late_with_a_second_attempt_keeps_no_task_waiting() -> None:
    scheduler = started(3, 0, [M1, M2], {MAP1: 1, MAP2: 1, MAP3: 2})
    assert succeed(scheduler, MAP3, 1, M2) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == [RunTask(MAP1, 2, M1)]
    assert scheduler.wake_s == STRAGGLES_AFTER_S
    assert wake(scheduler, STRAGGLES_AFTER_S) == [RunTask(MAP2, 1, M2)]


def test_the_only_map_task_gets_a_backup_when_it_must_run_again() -> None:
    """It is known how long it took the first time."""
    scheduler = started(1, 1, [M1, M2, R1])
    succeed(scheduler, MAP1, 1, M1)
    assert fail(scheduler, REDUCE1, 1, FetchFailedError(0, 1, False, "x")) == [RunTask(MAP1, 2, M1)]
    assert wake(scheduler, STRAGGLES_AFTER_S) == [RunTask(MAP1, 3, M2)]


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
def test_late_news_of_a_loss_does_not_take_the_seat_of_who_sits_there_by_now(returns: bool) -> None:
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


def test_without_any_mapper_the_stage_fails_with_the_last_words() -> None:
    scheduler = started(1, 1, [M1, R1])
    words = "no mapper is left; the last one: mapper 1 was killed"
    assert failure(lose(scheduler, M1, returns=False)) == (MAP1, words)


def test_without_any_reducer_the_stage_fails_once_one_is_needed() -> None:
    scheduler = started(1, 1, [M1])
    words = "no reducer is left; the last one: never joined"
    assert failure(succeed(scheduler, MAP1, 1, M1)) == (REDUCE1, words)


def test_a_role_without_workers_is_waited_for_with_patience() -> None:
    scheduler = StageScheduler(range(1), 0, there(), patience_s=5.0)
    assert scheduler.start(100.0) == NO_COMMANDS
    assert scheduler.wake_s == 105.0
    assert wake(scheduler, 104.0) == NO_COMMANDS
    assert join(scheduler, M1, 104.5) == [RunTask(MAP1, 1, M1)]
    assert scheduler.wake_s is None
    assert lose(scheduler, M1, returns=False, now_s=110.0) == NO_COMMANDS
    assert scheduler.wake_s == 115.0
    assert failure(wake(scheduler, 115.0))[1] == "no mapper is left; the last one: mapper 1 was killed"


def test_patience_starts_anew_even_if_who_came_was_not_needed_at_that_time() -> None:
    scheduler = StageScheduler(range(1), 1, there(M1), patience_s=5.0)
    scheduler.start(0.0)
    succeed(scheduler, MAP1, 1, M1, now_s=1.0)
    lose(scheduler, M1, returns=True, now_s=2.0)  # reduce tasks are not due any more
    join(scheduler, R1, 3.0)
    lose(scheduler, R1, returns=False, now_s=50.0)
    join(scheduler, mapper(1, 2), 50.0)
    assert succeed(scheduler, MAP1, 2, mapper(1, 2), now_s=51.0) == NO_COMMANDS


def test_a_worker_lost_four_times_fails_its_task() -> None:
    scheduler = started(1, 0, [M1])
    for incarnation in (1, 2, 3):
        assert lose(scheduler, mapper(1, incarnation), returns=True) == NO_COMMANDS
        assert len(join(scheduler, mapper(1, incarnation + 1))) == 1
    assert failure(lose(scheduler, mapper(1, 4), returns=True)) == (MAP1, "mapper 1 was killed")


def test_a_worker_that_leaves_costs_its_task_nothing() -> None:
    scheduler = started(1, 0, [M1, M2])
    at_work, idle = M1, M2
    for attempt in range(2, 12):
        assert leave(scheduler, at_work) == [RunTask(MAP1, attempt, idle)]
        at_work, idle = idle, mapper(at_work.index, at_work.incarnation + 1)
        assert join(scheduler, idle) == NO_COMMANDS


def test_the_loss_of_an_earlier_incarnation_does_not_empty_the_seat() -> None:
    scheduler = started(1, 0, [mapper(1, 2)])
    assert lose(scheduler, mapper(1, 1), returns=True) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == [RunTask(MAP1, 2, mapper(1, 2))]


# Map outputs that are lost


def test_a_lost_map_output_is_made_again_while_reduce_tasks_wait_uncharged() -> None:
    scheduler, (_, second) = reducing()
    assert lose(scheduler, M1, returns=True) == NO_COMMANDS
    gone = FetchFailedError(0, 1, True, "connection refused")
    assert fail(scheduler, REDUCE1, 1, gone) == NO_COMMANDS
    assert fail(scheduler, REDUCE2, 1, gone) == NO_COMMANDS
    back = mapper(1, 2)
    assert join(scheduler, back) == [RunTask(MAP1, 2, back)]
    sources = (output(MAP1, 2, back), second)
    assert succeed(scheduler, MAP1, 2, back) == both_reduce(2, sources)
    for attempt in (2, 3, 4):  # none of the four failures allowed is used up
        fail(scheduler, REDUCE1, attempt)
        succeed(scheduler, REDUCE2, 2, R2)
    assert failure(fail(scheduler, REDUCE1, 5)) == (REDUCE1, "disk full")


def test_what_is_already_fetched_outlives_its_mapper_and_what_is_reduced_its_reducer() -> None:
    scheduler, _ = reducing()
    succeed(scheduler, REDUCE1, 1, R1)
    assert lose(scheduler, M1, returns=True) == NO_COMMANDS
    assert lose(scheduler, R1, returns=False) == NO_COMMANDS
    assert succeed(scheduler, REDUCE2, 1, R2) == [Finish((output(REDUCE1, 1, R1), output(REDUCE2, 1, R2)))]


def test_a_mapper_lost_while_mapping_loses_its_finished_tasks_uncharged() -> None:
    scheduler = started(2, 0, [M1])
    succeed(scheduler, MAP1, 1, M1)
    lose(scheduler, M1, returns=True)
    back = mapper(1, 2)
    assert join(scheduler, back) == [RunTask(MAP1, 2, back)]
    assert fail(scheduler, MAP1, 2) == [RunTask(MAP1, 3, back)]
    assert fail(scheduler, MAP1, 3) == [RunTask(MAP2, 2, back)]  # what failed here twice comes last
    assert succeed(scheduler, MAP2, 2, back) == [RunTask(MAP1, 4, back)]
    assert fail(scheduler, MAP1, 4) == [RunTask(MAP1, 5, back)]
    assert failure(fail(scheduler, MAP1, 5)) == (MAP1, "disk full")


def test_a_map_output_that_cannot_be_fetched_is_made_again() -> None:
    scheduler, _ = reducing()
    assert fail(scheduler, REDUCE1, 1, FetchFailedError(1, 1, False, "gone")) == [RunTask(MAP2, 2, M2)]


def test_an_unreachable_mapper_is_suspected_and_runs_nothing_until_it_is_heard() -> None:
    scheduler, (first, _) = reducing()
    gone = FetchFailedError(1, 1, True, "no route")
    assert fail(scheduler, REDUCE1, 1, gone) == [Suspect(M2)]
    assert fail(scheduler, REDUCE2, 1, gone) == NO_COMMANDS
    assert hear(scheduler, M2) == [RunTask(MAP2, 2, M2)]
    sources = (first, output(MAP2, 2, M2))
    assert succeed(scheduler, MAP2, 2, M2) == both_reduce(2, sources)


def test_a_failed_fetch_of_an_old_attempt_does_not_condemn_the_new_one() -> None:
    scheduler, (_, second) = reducing()
    fail(scheduler, REDUCE1, 1, FetchFailedError(0, 1, False, "gone"))
    succeed(scheduler, MAP1, 2, M1)
    sources = (output(MAP1, 2, M1), second)
    old = FetchFailedError(0, 1, True, "gone")
    assert fail(scheduler, REDUCE2, 1, old) == [RunTask(REDUCE2, 2, R2, sources)]


def test_a_condemned_attempt_never_comes_back() -> None:
    scheduler, _ = reducing()
    fail(scheduler, REDUCE1, 1, FetchFailedError(0, 1, False, "gone"))
    assert succeed(scheduler, MAP1, 1, M1) == NO_COMMANDS
    assert scheduler.is_running(MAP1, 2)


@pytest.mark.parametrize("named", [(0, 0), (0, 1), (0, 3), (7, 1)], ids=str)
def test_a_reducer_that_names_an_output_which_it_was_not_given_is_charged(named: tuple[int, int]) -> None:
    scheduler = started(1, 1, [M1, R1])
    fail(scheduler, MAP1, 1)
    succeed(scheduler, MAP1, 2, M1)
    for attempt in (1, 2, 3):
        (again,) = fail(scheduler, REDUCE1, attempt, FetchFailedError(*named, False, "gone"))
        assert again == RunTask(REDUCE1, attempt + 1, R1, (output(MAP1, 2, M1),))
    last = FetchFailedError(*named, False, "gone")
    assert fail(scheduler, REDUCE1, 4, last) == [Fail(REDUCE1, last)]


def test_a_map_output_that_is_lost_four_times_fails_the_stage_naming_the_map_task() -> None:
    scheduler, _ = reducing()
    for attempt, worker in ((2, M1), (3, M2), (4, M1)):
        gone = FetchFailedError(0, attempt - 1, False, "gone")
        assert fail(scheduler, REDUCE1, attempt - 1, gone) == [RunTask(MAP1, attempt, worker)]
        succeed(scheduler, MAP1, attempt, worker)
    last = FetchFailedError(0, 4, False, "gone")
    assert fail(scheduler, REDUCE1, 4, last) == [Fail(MAP1, last)]


def test_a_map_output_that_goes_with_its_worker_eight_times_fails_the_stage() -> None:
    scheduler = started(1, 1, [M1, R1])
    for n in range(1, 8):
        succeed(scheduler, MAP1, n, mapper(1, n))
        assert lose(scheduler, mapper(1, n), returns=True) == NO_COMMANDS
        assert join(scheduler, mapper(1, n + 1)) == [RunTask(MAP1, n + 1, mapper(1, n + 1))]
    succeed(scheduler, MAP1, 8, mapper(1, 8))
    words = "its output was lost 8 times; lastly, mapper 1 was killed"
    assert failure(lose(scheduler, mapper(1, 8), returns=True)) == (MAP1, words)


# Backup attempts


def straggling() -> StageScheduler:
    """Return a stage of four map tasks of which three took a second each, and MAP4 goes on at mapper 4."""
    scheduler = started(4, 0, [M1, M2, M3, mapper(4)])
    for task, worker in ((MAP1, M1), (MAP2, M2), (MAP3, M3)):
        assert succeed(scheduler, task, 1, worker, now_s=1.0) == NO_COMMANDS
    return scheduler


def test_a_straggler_gets_one_backup_after_three_times_the_median() -> None:
    scheduler = straggling()
    assert scheduler.wake_s == 3.0
    assert wake(scheduler, 2.9) == NO_COMMANDS
    assert wake(scheduler, 3.0) == [RunTask(MAP4, 2, M1)]
    assert scheduler.wake_s is None
    assert wake(scheduler, 100.0) == NO_COMMANDS


def test_no_backup_before_most_tasks_are_done_nor_of_short_tasks() -> None:
    scheduler = started(4, 0, [M1, M2, M3, mapper(4)])
    for task, worker in ((MAP1, M1), (MAP2, M2)):
        succeed(scheduler, task, 1, worker, now_s=0.01)
        assert scheduler.wake_s is None
    succeed(scheduler, MAP3, 1, M3, now_s=0.01)
    assert scheduler.wake_s == STRAGGLES_AFTER_S


def test_the_last_task_of_two_gets_a_backup() -> None:
    scheduler = started(2, 0, [M1, M2])
    assert succeed(scheduler, MAP1, 1, M1, now_s=1.0) == NO_COMMANDS
    assert scheduler.wake_s == 3.0
    assert wake(scheduler, 3.0) == [RunTask(MAP2, 2, M1)]


def test_what_waits_behind_a_straggler_goes_elsewhere() -> None:
    scheduler = started(4, 0, [M1, M2])
    assert succeed(scheduler, MAP2, 1, M2, now_s=1.0) == [RunTask(MAP4, 1, M2)]
    assert succeed(scheduler, MAP4, 1, M2, now_s=2.0) == NO_COMMANDS
    assert scheduler.wake_s == 3.0
    assert wake(scheduler, 3.0) == [RunTask(MAP3, 1, M2)]
    assert succeed(scheduler, MAP3, 1, M2, now_s=4.0) == [RunTask(MAP1, 2, M2)]


@pytest.mark.parametrize(("first", "worker", "second"), [(1, mapper(4), 2), (2, M1, 1)])
def test_of_two_attempts_the_first_to_succeed_counts(first: int, worker: WorkerId, second: int) -> None:
    scheduler = straggling()
    wake(scheduler, 3.0)
    (finish,) = succeed(scheduler, MAP4, first, worker, now_s=4.0)
    assert isinstance(finish, Finish)
    assert finish.outputs[3] == output(MAP4, first, worker)
    assert not scheduler.is_running(MAP4, second)


def test_the_failure_of_one_of_two_attempts_is_charged_and_the_other_goes_on() -> None:
    scheduler = straggling()
    wake(scheduler, 3.0)
    assert fail(scheduler, MAP4, 2) == NO_COMMANDS
    assert not scheduler.is_running(MAP4, 2)
    assert scheduler.is_running(MAP4, 1)


def test_a_backup_is_given_when_a_worker_becomes_idle() -> None:
    scheduler = started(4, 0, [M1, M2])
    succeed(scheduler, MAP1, 1, M1, now_s=1.0)
    succeed(scheduler, MAP3, 1, M1, now_s=2.0)
    assert succeed(scheduler, MAP2, 1, M2, now_s=9.0) == [RunTask(MAP4, 1, M2)]
    assert scheduler.wake_s == 12.0
    silence(scheduler, M1)
    assert wake(scheduler, 12.0) == NO_COMMANDS
    assert scheduler.handle(WorkerBack(M1), 13.0) == [RunTask(MAP4, 2, M1)]


# The table


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("step", Step)
def test_a_task_takes_the_steps_of_the_table_and_no_other(state: TaskState, step: Step) -> None:
    task = Task(MAP1, state)
    if (state, step) in TRANSITIONS:
        task.take(step)
        assert task.state is TRANSITIONS[state, step]
    else:
        with pytest.raises(IllegalStepError, match=f"{state.name}: no {step.name} from there"):
            task.take(step)
        assert task.state is state
