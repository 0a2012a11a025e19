"""One stage, its workers and tasks, and what may happen to them: shared by the tests of this folder."""

from collections.abc import Sequence

from common.errors import (
    MapReduceError,
    TaskError,
)
from common.model import Role
from master.scheduling.messages import (
    Command,
    Fail,
    Output,
    RunTask,
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
from master.scheduling.scheduler import StageScheduler


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


def straggling() -> StageScheduler:
    """Return a stage of four map tasks of which three took a second each, and MAP4 goes on at mapper 4."""
    scheduler = started(4, 0, [M1, M2, M3, mapper(4)])
    for task, worker in ((MAP1, M1), (MAP2, M2), (MAP3, M3)):
        assert succeed(scheduler, task, 1, worker, now_s=1.0) == NO_COMMANDS
    return scheduler
