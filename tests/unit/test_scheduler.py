"""The scheduler, one failure at a time: events in, expected commands out."""

from common.errors import (
    FetchFailedError,
    InjectedFailureError,
    InputError,
    MapReduceError,
    OutputLostError,
    TaskError,
)
from common.model import Role
from master.scheduler import (
    Command,
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


def mapper(index: int, incarnation: int = 1) -> WorkerId:
    return WorkerId(Role.MAPPER, index, incarnation)


def reducer(index: int, incarnation: int = 1) -> WorkerId:
    return WorkerId(Role.REDUCER, index, incarnation)


M1, M2, R1, R2 = mapper(1), mapper(2), reducer(1), reducer(2)
ALL = [M1, M2, R1, R2]
MAP1, MAP2 = TaskId(Role.MAPPER, 0), TaskId(Role.MAPPER, 1)
REDUCE1, REDUCE2 = TaskId(Role.REDUCER, 0), TaskId(Role.REDUCER, 1)
NO_COMMANDS: list[Command] = []


def output(task: TaskId, attempt: int, worker: WorkerId) -> Output:
    return Output(task, attempt, worker, f"{task.role} {task.index + 1}.{attempt}")


def succeed(scheduler: StageScheduler, task: TaskId, attempt: int, worker: WorkerId) -> list[Command]:
    return scheduler.handle(TaskSucceeded(output(task, attempt, worker)))


def fail(
    scheduler: StageScheduler,
    task: TaskId,
    attempt: int,
    error: MapReduceError | None = None,
    unreachable: bool = False,
) -> list[Command]:
    return scheduler.handle(TaskFailed(task, attempt, error or TaskError("disk full"), unreachable))


def lose(scheduler: StageScheduler, worker: WorkerId, *, returns: bool) -> list[Command]:
    return scheduler.handle(WorkerLost(worker, returns, f"{worker.role} {worker.index} was killed"))


def join(scheduler: StageScheduler, worker: WorkerId) -> list[Command]:
    return scheduler.handle(WorkerJoined(worker))


def started(maps: int, reduces: int, workers: list[WorkerId]) -> StageScheduler:
    """Return a stage whose first commands were given."""
    scheduler = StageScheduler(range(maps), reduces, workers)
    scheduler.start()
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
    scheduler = StageScheduler(range(2), 2, ALL)
    assert scheduler.start() == [RunTask(MAP1, 1, M1), RunTask(MAP2, 1, M2)]
    assert succeed(scheduler, MAP2, 1, M2) == NO_COMMANDS
    sources = (output(MAP1, 1, M1), output(MAP2, 1, M2))
    assert succeed(scheduler, MAP1, 1, M1) == both_reduce(1, sources)


def test_finish_has_the_reduce_outputs_in_task_order() -> None:
    scheduler, _ = reducing()
    assert succeed(scheduler, REDUCE2, 1, R2) == NO_COMMANDS
    assert succeed(scheduler, REDUCE1, 1, R1) == [Finish((output(REDUCE1, 1, R1), output(REDUCE2, 1, R2)))]


def test_without_reduce_tasks_finish_has_the_map_outputs_in_task_order() -> None:
    scheduler = started(2, 0, ALL)
    assert succeed(scheduler, MAP2, 1, M2) == NO_COMMANDS
    assert succeed(scheduler, MAP1, 1, M1) == [Finish((output(MAP1, 1, M1), output(MAP2, 1, M2)))]


def test_a_stage_without_tasks_finishes_at_once() -> None:
    assert StageScheduler([], 0, ALL).start() == [Finish(())]


def test_more_map_tasks_than_mappers_go_around() -> None:
    tasks = [TaskId(Role.MAPPER, index) for index in range(5)]
    commands = StageScheduler(range(5), 1, ALL).start()
    assert commands == [
        RunTask(task, 1, worker) for task, worker in zip(tasks, [M1, M2, M1, M2, M1], strict=True)
    ]


# Failures that are answered


def test_a_failed_attempt_runs_again_in_the_same_place() -> None:
    assert fail(started(2, 2, ALL), MAP1, 1) == [RunTask(MAP1, 2, M1)]
    scheduler, sources = reducing()
    assert fail(scheduler, REDUCE2, 1) == [RunTask(REDUCE2, 2, R2, sources)]


def test_after_two_failures_at_home_it_goes_elsewhere() -> None:
    scheduler = started(2, 2, ALL)
    fail(scheduler, MAP1, 1)
    assert fail(scheduler, MAP1, 2) == [RunTask(MAP1, 3, M2)]


def test_elsewhere_is_the_least_busy_worker() -> None:
    scheduler = started(2, 0, [M1, M2, mapper(3)])
    fail(scheduler, MAP1, 1)
    assert fail(scheduler, MAP1, 2) == [RunTask(MAP1, 3, mapper(3))]


def test_four_charged_failures_fail_the_stage_with_the_last_error() -> None:
    scheduler = started(2, 2, ALL)
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
    scheduler = started(1, 1, ALL)
    succeed(scheduler, MAP1, 1, M1)
    assert fail(scheduler, MAP1, 1) == NO_COMMANDS


def test_nothing_happens_after_the_stage_is_over() -> None:
    scheduler = started(1, 0, [M1])
    succeed(scheduler, MAP1, 1, M1)
    assert succeed(scheduler, MAP1, 1, M1) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1, InputError("too late")) == NO_COMMANDS
    assert lose(scheduler, M1, returns=False) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == NO_COMMANDS


# Workers that are lost


def test_a_task_waits_for_its_lost_worker_to_return() -> None:
    scheduler = started(2, 2, ALL)
    assert lose(scheduler, M1, returns=True) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_a_task_waits_for_a_worker_that_was_away_from_the_start() -> None:
    scheduler = StageScheduler(range(2), 2, [M2, R1, R2], [(Role.MAPPER, 1)])
    assert scheduler.start() == [RunTask(MAP2, 1, M2)]
    assert join(scheduler, mapper(1, 4)) == [RunTask(MAP1, 1, mapper(1, 4))]


def test_the_task_of_a_worker_lost_for_good_goes_elsewhere() -> None:
    scheduler = started(2, 2, ALL)
    assert lose(scheduler, M1, returns=False) == [RunTask(MAP1, 2, M2)]


def test_a_waiting_task_goes_elsewhere_when_its_worker_will_not_return() -> None:
    scheduler = started(2, 2, ALL)
    lose(scheduler, M1, returns=True)
    assert lose(scheduler, mapper(1, 2), returns=False) == [RunTask(MAP1, 2, M2)]


def test_without_any_mapper_the_stage_fails_with_the_last_words() -> None:
    scheduler = started(1, 1, [M1, R1])
    words = "no mapper is left; the last one: mapper 1 was killed"
    assert failure(lose(scheduler, M1, returns=False)) == (MAP1, words)


def test_without_any_reducer_the_stage_fails_once_one_is_needed() -> None:
    scheduler = started(1, 1, [M1])
    words = "no reducer is left; the last one: never joined"
    assert failure(succeed(scheduler, MAP1, 1, M1)) == (REDUCE1, words)


def test_a_worker_lost_four_times_fails_its_task() -> None:
    scheduler = started(1, 0, [M1])
    for incarnation in (1, 2, 3):
        assert lose(scheduler, mapper(1, incarnation), returns=True) == NO_COMMANDS
        assert len(join(scheduler, mapper(1, incarnation + 1))) == 1
    assert failure(lose(scheduler, mapper(1, 4), returns=True)) == (MAP1, "mapper 1 was killed")


def test_the_loss_of_an_earlier_incarnation_does_not_empty_the_seat() -> None:
    scheduler = started(1, 0, [mapper(1, 2)])
    assert lose(scheduler, mapper(1, 1), returns=True) == NO_COMMANDS
    assert fail(scheduler, MAP1, 1) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_an_unreachable_worker_is_retired_and_waited_for() -> None:
    scheduler = started(2, 2, ALL)
    assert fail(scheduler, MAP1, 1, unreachable=True) == [Retire(M1)]
    assert lose(scheduler, M1, returns=True) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == [RunTask(MAP1, 2, mapper(1, 2))]


def test_a_worker_is_retired_once() -> None:
    scheduler = started(2, 0, [M1])
    assert fail(scheduler, MAP1, 1, unreachable=True) == [Retire(M1)]
    assert fail(scheduler, MAP2, 1, unreachable=True) == NO_COMMANDS
    assert join(scheduler, mapper(1, 2)) == [
        RunTask(MAP1, 2, mapper(1, 2)),
        RunTask(MAP2, 2, mapper(1, 2)),
    ]


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
        assert len(fail(scheduler, REDUCE1, attempt)) == 1
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
    assert join(scheduler, back) == [RunTask(MAP1, 2, back), RunTask(MAP2, 2, back)]
    for attempt in (2, 3, 4):
        assert fail(scheduler, MAP1, attempt) == [RunTask(MAP1, attempt + 1, back)]
    assert failure(fail(scheduler, MAP1, 5)) == (MAP1, "disk full")


def test_a_map_output_that_cannot_be_fetched_is_made_again() -> None:
    scheduler, _ = reducing()
    assert fail(scheduler, REDUCE1, 1, FetchFailedError(1, 1, False, "gone")) == [RunTask(MAP2, 2, M2)]


def test_an_unreachable_mapper_is_retired_and_runs_nothing_until_it_joins_again() -> None:
    scheduler, (first, _) = reducing()
    gone = FetchFailedError(1, 1, True, "no route")
    assert fail(scheduler, REDUCE1, 1, gone) == [Retire(M2)]
    assert fail(scheduler, REDUCE2, 1, gone) == NO_COMMANDS
    assert lose(scheduler, M2, returns=True) == NO_COMMANDS
    back = mapper(2, 2)
    assert join(scheduler, back) == [RunTask(MAP2, 2, back)]
    sources = (first, output(MAP2, 2, back))
    assert succeed(scheduler, MAP2, 2, back) == both_reduce(2, sources)


def test_a_failed_fetch_of_an_old_attempt_does_not_condemn_the_new_one() -> None:
    scheduler, (_, second) = reducing()
    fail(scheduler, REDUCE1, 1, FetchFailedError(0, 1, False, "gone"))
    succeed(scheduler, MAP1, 2, M1)
    sources = (output(MAP1, 2, M1), second)
    old = FetchFailedError(0, 1, True, "gone")
    assert fail(scheduler, REDUCE2, 1, old) == [RunTask(REDUCE2, 2, R2, sources)]


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
