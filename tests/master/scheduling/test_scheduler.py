"""The scheduler, one failure at a time: events in, expected commands out."""

import pytest

from common.errors import (
    FetchFailedError,
    InjectedFailureError,
    InputError,
    OutputLostError,
    TaskError,
)
from master.scheduling.messages import (
    Fail,
    Finish,
    RunTask,
    Suspect,
    WorkerBack,
    WorkerId,
)
from master.scheduling.scheduler import MAX_INTERRUPTIONS, STRAGGLES_AFTER_S, StageScheduler
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
    REDUCE1,
    REDUCE2,
    both_reduce,
    fail,
    failure,
    hear,
    join,
    leave,
    lose,
    mapper,
    output,
    reducing,
    silence,
    started,
    straggling,
    succeed,
    there,
    wake,
)

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


# Failures that are answered


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


def test_bad_input_ends_the_stage_once_every_earlier_split_is_known_to_be_good() -> None:
    scheduler = started(3, 2, [M1, M2, M3, R1, R2])
    late, early = InputError("line 9"), InputError("line 3")
    assert fail(scheduler, MAP3, 1, late) == NO_COMMANDS
    assert succeed(scheduler, MAP1, 1, M1) == NO_COMMANDS
    assert fail(scheduler, MAP2, 1, TaskError("disk full")) == [RunTask(MAP2, 2, M2)]
    assert fail(scheduler, MAP2, 2, early) == [Fail(MAP2, early)]


def test_bad_input_of_a_later_split_counts_if_the_earlier_ones_are_good() -> None:
    scheduler, late = started(3, 2, [M1, M2, M3, R1, R2]), InputError("line 9")
    assert fail(scheduler, MAP3, 1, late) == NO_COMMANDS
    assert succeed(scheduler, MAP2, 1, M2) == NO_COMMANDS
    assert succeed(scheduler, MAP1, 1, M1) == [Fail(MAP3, late)]


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


def test_a_worker_that_was_silent_already_is_not_suspected_again() -> None:
    scheduler = started(2, 2, ALL)
    silence(scheduler, M1)
    assert fail(scheduler, MAP1, 1, unreachable=True) == NO_COMMANDS
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


def test_the_only_map_task_gets_a_backup_when_it_must_run_again() -> None:
    """It is known how long it took the first time."""
    scheduler = started(1, 1, [M1, M2, R1])
    succeed(scheduler, MAP1, 1, M1)
    assert fail(scheduler, REDUCE1, 1, FetchFailedError(0, 1, False, "x")) == [RunTask(MAP1, 2, M1)]
    assert wake(scheduler, STRAGGLES_AFTER_S) == [RunTask(MAP1, 3, M2, backup=True)]


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


def test_a_failed_fetch_of_an_old_attempt_does_not_give_up_the_new_output() -> None:
    scheduler, (_, second) = reducing()
    fail(scheduler, REDUCE1, 1, FetchFailedError(0, 1, False, "gone"))
    succeed(scheduler, MAP1, 2, M1)
    sources = (output(MAP1, 2, M1), second)
    old = FetchFailedError(0, 1, True, "gone")
    assert fail(scheduler, REDUCE2, 1, old) == [RunTask(REDUCE2, 2, R2, sources)]


def test_an_attempt_that_was_given_up_never_comes_back() -> None:
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


def test_a_straggler_gets_one_backup_after_three_times_the_median() -> None:
    scheduler = straggling()
    assert scheduler.wake_s == 3.0
    assert wake(scheduler, 2.9) == NO_COMMANDS
    assert wake(scheduler, 3.0) == [RunTask(MAP4, 2, M1, backup=True)]
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
    assert wake(scheduler, 3.0) == [RunTask(MAP2, 2, M1, backup=True)]


def test_a_backup_that_is_asked_for_again_is_one_still() -> None:
    scheduler = started(2, 0, [M1, M2])
    succeed(scheduler, MAP1, 1, M1, now_s=1.0)
    assert wake(scheduler, 3.0) == [RunTask(MAP2, 2, M1, backup=True)]
    assert fail(scheduler, MAP2, 2, unreachable=True) == [Suspect(M1)]
    assert hear(scheduler, M1) == [RunTask(MAP2, 2, M1, backup=True)]


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
    assert scheduler.handle(WorkerBack(M1), 13.0) == [RunTask(MAP4, 2, M1, backup=True)]
