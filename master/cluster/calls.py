"""The calls that make up an attempt of a task, each logged before and after.

Protobuf stops here: the dispatcher and the engine see our own types.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from common.errors import FetchFailedError, TaskError
from common.events.catalogue.tasks import FAILURE, SUCCESS, RpcCall, RpcResponse, attempt_fields
from common.events.log import Log
from common.jobs.base import Job
from common.model import Attempt, CommittedFile, Input, MapOutput, Split, Stage, State, TaskOptions
from common.rpc.channels import STREAM_TIMEOUT_S, TASK_TIMEOUT_S, read_stream
from common.rpc.job_messages import pack_job
from common.rpc.messages import pack, unpack
from common.rpc.statuses import UnreachableError, error_of
from master.cluster.membership import Membership
from master.cluster.registry import slot_of
from master.scheduling.messages import Output, RunTask
from protos import mapreduce_pb2 as pb


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


@dataclass(frozen=True)
class ReduceOutput:
    """The content of a reduce task's Output: its file, and what the file leaves out."""

    data: bytes
    counts: Sequence[float]


class WorkerCalls:
    """Calls workers, sends the options along with each task, and logs every call and answer."""

    def __init__(self, membership: Membership, options: TaskOptions, log: Log) -> None:
        self._membership = membership
        self._options = options
        self._log = log
        self._closing = False

    def close(self) -> None:
        """Log no more answers: from now on calls end because their workers do."""
        self._closing = True

    def map(self, command: RunTask, order: StageOrder) -> MapFiles:
        """Run a map attempt; MapReduceError if that fails."""
        mapper = self._membership.link(command.worker).mapper
        split = next(split for split in order.splits if split.index == command.task.index)
        request = pb.MapRequest(
            attempt=_attempt(command, order.stage),
            job=pack_job(order.job, order.state),
            input=pack(order.source),
            split=pack(split),
            partitions=order.partitions,
            options=pack(self._options),
        )
        with self._logged("Map", command, order.stage, rows=str(split)) as answer:
            response = mapper.Map(request, timeout=TASK_TIMEOUT_S)
            answer |= {"records": response.map_output.records, "bytes": response.ByteSize()}
        return MapFiles(
            unpack(CommittedFile, response.map_output),
            [unpack(CommittedFile, file) for file in response.partitions],
        )

    def reduce(self, command: RunTask, order: StageOrder) -> ReduceOutput:
        """Run a reduce attempt and read its output; MapReduceError if that fails."""
        reducer = self._membership.link(command.worker).reducer
        attempt = _attempt(command, order.stage)
        request = pb.ReduceRequest(
            attempt=attempt,
            job=pack_job(order.job, {}),
            sources=[self._source(output, command.task.index) for output in command.sources],
            options=pack(self._options),
        )
        with self._logged("Reduce", command, order.stage) as answer:
            response = reducer.Reduce(request, timeout=TASK_TIMEOUT_S)
            answer |= {"records": response.output.records, "bytes": response.ByteSize()}
        with self._logged("ReadReduceOutput", command, order.stage) as answer:
            read = pb.ReadReduceOutputRequest(attempt=attempt)
            chunks = reducer.ReadReduceOutput(read, timeout=STREAM_TIMEOUT_S)
            data = read_stream(chunks, unpack(CommittedFile, response.output))
            answer["bytes"] = len(data)
        return ReduceOutput(data, response.counts)

    def read_map_output(self, output: Output, stage: Stage, offset: int) -> Iterator[bytes]:
        """Stream a map output's bytes from `offset` on, as they come.

        Raises
        ------
        TaskError
            The stream broke, or the output is gone: its map task must run again.
        """
        mapper = self._membership.link(output.worker).mapper
        command = RunTask(output.task, output.attempt, output.worker)
        request = pb.ReadMapOutputRequest(attempt=_attempt(command, stage), offset=offset)
        with self._logged("ReadMapOutput", command, stage, offset=offset) as answer:
            received = 0
            for response in mapper.ReadMapOutput(request, timeout=STREAM_TIMEOUT_S):
                data = response.data
                received += len(data)
                yield data
            answer["bytes"] = received

    def _source(self, output: Output, partition: int) -> pb.MapOutput:
        """Say where a map task's partition is."""
        assert isinstance(output.content, MapFiles)
        try:
            address = self._membership.link(output.worker).address
        except UnreachableError as error:
            raise FetchFailedError(output.task.index, output.attempt, True, str(error)) from error
        file = output.content.partitions[partition]
        name = slot_of(output.worker)
        return pack(MapOutput(output.task.index, output.attempt, name, address, file))

    @contextmanager
    def _logged(
        self, method: str, command: RunTask, stage: Stage, **details: Any
    ) -> Iterator[dict[str, Any]]:
        """Log a call, which the block makes, and its answer, which the block describes."""
        worker = slot_of(command.worker)
        attempt = Attempt(stage, command.task.index, command.attempt)
        call = {"method": method, **attempt_fields(attempt)}
        self._log.event(RpcCall(to=worker, **call, backup=command.backup, **details))
        began_s, answer = time.monotonic(), dict[str, Any]()
        try:
            yield answer
        except (grpc.RpcError, TaskError) as failed:
            error = error_of(failed)
            self._log_answer({"from_": worker, **call}, began_s, status=FAILURE, reason=str(error))
            raise error from failed
        self._log_answer({"from_": worker, **call}, began_s, status=SUCCESS, **answer)

    def _log_answer(self, call: dict[str, Any], began_s: float, **outcome: Any) -> None:
        if not self._closing:
            duration_ms = round((time.monotonic() - began_s) * 1000, 3)
            self._log.event(RpcResponse(**call, duration_ms=duration_ms, **outcome))


def _attempt(command: RunTask, stage: Stage) -> pb.Attempt:
    return pack(Attempt(stage, command.task.index, command.attempt))
