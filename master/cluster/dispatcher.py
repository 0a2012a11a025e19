"""Runs the scheduler's commands and feeds what happens back to it."""

import queue
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

from common.errors import MapReduceError, RunFailedError, TaskError
from common.events.catalogue.run import InternalError
from common.events.catalogue.tasks import LateAnswerDropped, attempt_fields
from common.events.catalogue.workers import WorkerSuspected
from common.events.log import Log
from common.model import Attempt, Role, Stage
from common.rpc.statuses import UnreachableError
from master.cluster.calls import StageOrder, WorkerCalls
from master.cluster.membership import Membership
from master.cluster.registry import slot_of
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
    WorkerGone,
)
from master.scheduling.placement import Placement
from master.scheduling.scheduler import StageScheduler

_MOST_CALLS = 1024
"""At once, the late ones included; a thread is made only when one is needed."""


class Arrival(NamedTuple):
    """A notice on its way to the scheduler, and the stage that a task's belongs to."""

    notice: Notice
    stage: Stage | None = None


Inbox: TypeAlias = "queue.SimpleQueue[Arrival]"
"""Where other threads leave what happened."""


class Dispatcher:
    """Runs stages on a cluster, one after another.

    `inbox` brings news of the workers; a role without a worker waits `patience_s` for one to join.
    """

    def __init__(
        self, inbox: Inbox, membership: Membership, calls: WorkerCalls, patience_s: float, log: Log
    ) -> None:
        self._inbox = inbox
        self._membership = membership
        self._calls = calls
        self._patience_s = patience_s
        self._log = log
        self._placement = Placement()
        self._threads = ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="call")

    def await_workers(self, mappers: int, reducers: int) -> None:
        """Wait until that many workers have joined; RunFailedError if one cannot be started."""
        wanted = {Role.MAPPER: mappers, Role.REDUCER: reducers}
        while any(self._placement.joined(role) < count for role, count in wanted.items()):
            notice = self._inbox.get().notice
            self._placement.take_in(notice)
            if isinstance(notice, WorkerGone) and not notice.returns and not self._patience_s:
                raise RunFailedError(f"a worker did not start: {notice.reason}")

    def run(self, order: StageOrder) -> tuple[Output, ...]:
        """Run a stage; return the outputs of its reduce tasks, or of its map tasks if it has none.

        The content of a reduce task's output is Records; of a map task's, MapFiles. MapReduceError if
        the stage fails; the workers live on.
        """
        scheduler = StageScheduler(
            [split.index for split in order.splits], order.partitions, self._placement, self._patience_s
        )
        commands = scheduler.start(time.monotonic())
        while True:
            for command in commands:
                match command:
                    case Finish(outputs):
                        return outputs
                    case Fail(task, error):
                        raise _final(task, error)
                    case RunTask():
                        self._threads.submit(self._run_task, command, order)
                    case Suspect(worker):
                        self._log.event(WorkerSuspected(worker=slot_of(worker)))
                        self._membership.tell_when_heard(worker)
            commands = self._next_commands(scheduler, order.stage.sequence)

    def close(self) -> None:
        """Wait for no one; calls in progress end with their workers."""
        self._calls.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _next_commands(self, scheduler: StageScheduler, sequence: int) -> list[Command]:
        """Wait for the next notice; return what the scheduler makes of it."""
        try:
            wait_s = None if scheduler.wake_s is None else max(0.0, scheduler.wake_s - time.monotonic())
            notice, stage = self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return scheduler.handle(TimePassed(), time.monotonic())
        match notice:
            case TaskSucceeded(Output(task, number)) | TaskFailed(task, number) if stage is not None:
                if stage.sequence != sequence or not scheduler.is_running(task, number):
                    if isinstance(notice, TaskSucceeded):  # a failure that comes too late does not matter
                        late = attempt_fields(Attempt(stage, task.index, number))
                        self._log.event(LateAnswerDropped(**late, role=task.role))
                    return []
        return scheduler.handle(notice, time.monotonic())

    def _run_task(self, command: RunTask, order: StageOrder) -> None:
        """Make an attempt's calls and report how it went; runs in a thread of its own."""
        task, attempt = command.task, command.attempt
        try:
            run = self._calls.map if task.role is Role.MAPPER else self._calls.reduce
            output = Output(task, attempt, command.worker, run(command, order))
            notice: Notice = TaskSucceeded(output)
        except MapReduceError as error:
            notice = TaskFailed(task, attempt, error, isinstance(error, UnreachableError))
        except Exception as error:
            self._log.event(InternalError(error=repr(error)))
            notice = TaskFailed(task, attempt, RunFailedError(f"internal error: {error!r}"))
        self._inbox.put(Arrival(notice, order.stage))


def _final(task: TaskId, error: MapReduceError) -> MapReduceError:
    """Turn what ended a stage into an error for the user."""
    if not isinstance(error, TaskError):
        return error
    phase = "map" if task.role is Role.MAPPER else "reduce"
    return RunFailedError(f"{phase} task {task.index + 1} failed: {error}")
