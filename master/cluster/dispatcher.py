"""Runs the scheduler's commands over gRPC and feeds what happens back to it."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from common.errors import FetchFailedError, MapReduceError, RunFailedError, TaskError
from common.events.event import Log, stage_fields
from common.jobs.base import Job
from common.model import Attempt, CommittedFile, Input, MapOutput, Role, Split, Stage, State, TaskOptions
from common.rpc.channels import STREAM_TIMEOUT_S, TASK_TIMEOUT_S, UnreachableError, error_of, read_stream
from common.rpc.messages import (
    pack_attempt,
    pack_input,
    pack_job,
    pack_map_output,
    pack_options,
    pack_split,
    unpack_file,
)
from common.store.names import node_name
from master.cluster.membership import Membership
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
    WorkerNotice,
)
from master.scheduling.placement import Placement
from master.scheduling.scheduler import StageScheduler
from protos import mapreduce_pb2 as pb

_MOST_CALLS = 1024
"""At once, the late ones included; a thread is made only when one is needed."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class StageOrder:
    """What a stage does: a job over splits, with `partitions` reduce tasks."""

    stage: Stage
    job: Job
    state: State
    source: Input
    splits: Sequence[Split]
    partitions: int


@dataclass(frozen=True)
class MapFiles:
    """The content of a map task's Output."""

    map_output: CommittedFile
    partitions: list[CommittedFile]


class Dispatcher:
    """Runs stages on a cluster, one after another.

    Parameters
    ----------
    options
        Sent along with each task.
    patience_s
        How long to wait for a worker to join when a role has none.
    log
        Gets every call and every answer.
    """

    def __init__(self, options: TaskOptions, patience_s: float, log: Log) -> None:
        self._options = options
        self._patience_s = patience_s
        self._log = log
        self._notices: queue.SimpleQueue[tuple[int, Notice]] = queue.SimpleQueue()
        self._placement = Placement()
        self._threads = ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="call")
        self._closing = False

    def notify(self, notice: WorkerNotice) -> None:
        """Take in, from any thread, what happened to a worker."""
        self._notices.put((0, notice))

    def await_workers(self, mappers: int, reducers: int) -> None:
        """Wait until that many workers have joined.

        Raises
        ------
        RunFailedError
            One of them can't be started.
        """
        wanted = {Role.MAPPER: mappers, Role.REDUCER: reducers}
        while any(self._placement.joined(role) < count for role, count in wanted.items()):
            _, notice = self._notices.get()
            self._placement.take_in(notice)
            if isinstance(notice, WorkerGone) and not notice.returns and not self._patience_s:
                raise RunFailedError(f"a worker does not start: {notice.reason}")

    def run(self, order: StageOrder, members: Membership) -> tuple[Output, ...]:
        """Run a stage; return the outputs of its reduce tasks, or of its map tasks if it has none.

        The content of a reduce task's output is its file's bytes; of a map task's, MapFiles.

        Raises
        ------
        MapReduceError
            The stage can't be done; the workers live on.
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
                    case _:
                        self._execute(command, order, members)
            commands = self._next_commands(scheduler, order.stage.sequence)

    def read_map_output(
        self, order: StageOrder, output: Output, members: Membership, offset: int
    ) -> Iterator[bytes]:
        """Stream a map output's bytes from `offset` on, as they come.

        Raises
        ------
        TaskError
            The stream broke, or the output is gone: its map task must run again.
        """
        mapper = members.mapper(output.worker)
        attempt = pack_attempt(Attempt(order.stage, output.task.index, output.attempt))
        request = pb.ReadMapOutputRequest(attempt=attempt, offset=offset)
        worker, identity = self._log_call(
            "ReadMapOutput", RunTask(output.task, output.attempt, output.worker), order.stage, offset=offset
        )
        began_s, received = time.monotonic(), 0
        try:
            for response in mapper.ReadMapOutput(request, timeout=STREAM_TIMEOUT_S):
                received += len(response.data)
                yield response.data
        except (grpc.RpcError, TaskError) as failed:
            error = error_of(failed)
            self._log_answer(worker, identity, began_s, "FAILURE", {"reason": str(error)})
            raise error from failed
        self._log_answer(worker, identity, began_s, "SUCCESS", {"bytes": received})

    def close(self) -> None:
        """Wait for no one; calls in flight end with their workers, and are no news any more."""
        self._closing = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _next_commands(self, scheduler: StageScheduler, sequence: int) -> list[Command]:
        try:
            wait_s = None if scheduler.wake_s is None else max(0.0, scheduler.wake_s - time.monotonic())
            stage, notice = self._notices.get(timeout=wait_s)
        except queue.Empty:
            return scheduler.handle(TimePassed(), time.monotonic())
        if isinstance(notice, TaskSucceeded | TaskFailed):
            task, attempt = (
                (notice.output.task, notice.output.attempt)
                if isinstance(notice, TaskSucceeded)
                else (notice.task, notice.attempt)
            )
            if stage != sequence or not scheduler.is_running(task, attempt):
                if isinstance(notice, TaskSucceeded):
                    self._log.event("late_answer_dropped", worker_task=_describe(task), attempt=attempt)
                return []
        return scheduler.handle(notice, time.monotonic())

    def _execute(self, command: Command, order: StageOrder, members: Membership) -> None:
        match command:
            case RunTask():
                self._threads.submit(self._run_task, command, order, members)
            case Suspect(worker):
                self._log.event("worker_suspected", worker=node_name(worker.role, worker.index))
                members.tell_when_heard(worker)

    def _run_task(self, command: RunTask, order: StageOrder, members: Membership) -> None:
        """Make an attempt's calls and report how it went; runs in a thread of its own."""
        task, attempt = command.task, command.attempt
        notice: Notice
        try:
            run = self._map if task.role is Role.MAPPER else self._reduce
            content = run(command, order, members)
            notice = TaskSucceeded(Output(task, attempt, command.worker, content))
        except MapReduceError as error:
            notice = TaskFailed(task, attempt, error, isinstance(error, UnreachableError))
        except Exception as error:
            self._log.event("internal_error", error=repr(error))
            notice = TaskFailed(task, attempt, RunFailedError(f"internal error: {error!r}"))
        self._notices.put((order.stage.sequence, notice))

    def _map(self, command: RunTask, order: StageOrder, members: Membership) -> MapFiles:
        mapper = members.mapper(command.worker)
        split = next(split for split in order.splits if split.index == command.task.index)
        request = pb.MapRequest(
            attempt=pack_attempt(Attempt(order.stage, split.index, command.attempt)),
            job=pack_job(order.job, order.state),
            input=pack_input(order.source),
            split=pack_split(split),
            partitions=order.partitions,
            options=pack_options(self._options),
        )
        response = self._call(
            "Map",
            command,
            order.stage,
            lambda: mapper.Map(request, timeout=TASK_TIMEOUT_S),
            lambda answer: {"records": answer.map_output.records},
            rows=split,
        )
        return MapFiles(unpack_file(response.map_output), [unpack_file(file) for file in response.partitions])

    def _reduce(self, command: RunTask, order: StageOrder, members: Membership) -> bytes:
        reducer = members.reducer(command.worker)
        attempt = pack_attempt(Attempt(order.stage, command.task.index, command.attempt))
        request = pb.ReduceRequest(
            attempt=attempt,
            job=pack_job(order.job, {}),
            sources=[_source(output, command.task.index, members) for output in command.sources],
            options=pack_options(self._options),
        )
        response = self._call(
            "Reduce",
            command,
            order.stage,
            lambda: reducer.Reduce(request, timeout=TASK_TIMEOUT_S),
            lambda answer: {"records": answer.output.records},
        )
        file = unpack_file(response.output)
        read = pb.ReadReduceOutputRequest(attempt=attempt)
        return self._call(
            "ReadReduceOutput",
            command,
            order.stage,
            lambda: read_stream(reducer.ReadReduceOutput(read, timeout=STREAM_TIMEOUT_S), file),
            lambda data: {"bytes": len(data)},
        )

    def _call(
        self,
        method: str,
        command: RunTask,
        stage: Stage,
        call: Callable[[], _Answer],
        summary: Callable[[_Answer], dict[str, Any]],
        **details: object,
    ) -> _Answer:
        """Make a call, logging it before and its answer after."""
        worker, identity = self._log_call(method, command, stage, **details)
        began_s = time.monotonic()
        try:
            answer = call()
        except (grpc.RpcError, TaskError) as failed:
            error = error_of(failed)
            self._log_answer(worker, identity, began_s, "FAILURE", {"reason": str(error)})
            raise error from failed
        self._log_answer(worker, identity, began_s, "SUCCESS", summary(answer))
        return answer

    def _log_call(
        self, method: str, command: RunTask, stage: Stage, **details: object
    ) -> tuple[str, dict[str, object]]:
        """Log a call; return the worker's name and what its answer is to be logged with."""
        worker = node_name(command.worker.role, command.worker.index)
        identity: dict[str, object] = {"method": method, **stage_fields(stage.job, stage.iteration)}
        identity |= {"task": command.task.index + 1, "attempt": command.attempt}
        self._log.event("rpc_call", to=worker, **identity, **details)
        return worker, identity

    def _log_answer(
        self, worker: str, identity: dict[str, object], began_s: float, status: str, more: dict[str, object]
    ) -> None:
        if self._closing:
            return
        duration_ms = round((time.monotonic() - began_s) * 1000, 3)
        fields = {"from": worker, **identity, "status": status, "duration_ms": duration_ms, **more}
        self._log.event("rpc_response", **fields)


def _source(output: Output, partition: int, members: Membership) -> pb.MapOutput:
    """Say where a map task's partition is."""
    assert isinstance(output.content, MapFiles)
    try:
        address = members.address(output.worker)
    except UnreachableError as error:
        raise FetchFailedError(output.task.index, output.attempt, True, str(error)) from error
    name = node_name(output.worker.role, output.worker.index)
    return pack_map_output(
        MapOutput(output.task.index, output.attempt, name, address, output.content.partitions[partition])
    )


def _describe(task: TaskId) -> str:
    return f"{task.role}/{task.index + 1}"


def _final(task: TaskId, error: MapReduceError) -> MapReduceError:
    """Turn what ended a stage into an error for the user."""
    if not isinstance(error, TaskError):
        return error
    phase = "map" if task.role is Role.MAPPER else "reduce"
    return RunFailedError(f"{phase} task {task.index + 1} cannot be done: {error}")
