"""The calls that make up an attempt of a task.

Protobuf stops here: the dispatcher and the engine see our own types.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from common.errors import FetchFailedError, TaskError
from common.events.catalogue.tasks import attempt_fields
from common.events.log import Log
from common.jobs.base import Job
from common.model import Attempt, CommittedFile, Input, MapOutput, Split, Stage, State, TaskOptions
from common.rpc.channels import STREAM_TIMEOUT_S, TASK_TIMEOUT_S, CallLog, read_stream
from common.rpc.job_messages import pack_job
from common.rpc.messages import pack, unpack
from common.rpc.statuses import UnreachableError
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
    """The content of a reduce task's Output: its file, and the counts that the file leaves out."""

    data: bytes
    counts: Sequence[float]


class WorkerCalls:
    """Calls workers, sends the options along with each task, and logs every call and answer."""

    def __init__(self, membership: Membership, options: TaskOptions, log: Log) -> None:
        self._membership = membership
        self._options = pack(options)
        self._call_log = CallLog(log)
        self.close = self._call_log.close

    def map(self, command: RunTask, order: StageOrder) -> MapFiles:
        """Run a map attempt; MapReduceError if that fails."""
        mapper = self._membership.link(command.worker).mapper
        split = next(split for split in order.splits if split.index == command.task.index)
        request = pb.MapRequest(
            attempt=pack(_attempt(command, order.stage)),
            job=pack_job(order.job, order.state),
            input=pack(order.source),
            split=pack(split),
            partitions=order.partitions,
            options=self._options,
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
        attempt = pack(_attempt(command, order.stage))
        request = pb.ReduceRequest(
            attempt=attempt,
            job=pack_job(order.job, {}),
            sources=[pack(self._source(output, command.task.index)) for output in command.sources],
            options=self._options,
        )
        with self._logged("Reduce", command, order.stage) as answer:
            response = reducer.Reduce(request, timeout=TASK_TIMEOUT_S)
            answer |= {"records": response.output.records, "bytes": response.ByteSize()}
            _check_counts(response, order.job)
        with self._logged("ReadReduceOutput", command, order.stage) as answer:
            read = pb.ReadReduceOutputRequest(attempt=attempt)
            chunks = reducer.ReadReduceOutput(read, timeout=STREAM_TIMEOUT_S)
            data = read_stream(chunks, unpack(CommittedFile, response.output))
            answer["bytes"] = len(data)
        return ReduceOutput(data, response.counts)

    def read_map_output(self, output: Output, stage: Stage, offset: int) -> Iterator[bytes]:
        """Stream a map output's bytes from `offset` on; TaskError if its map task must run again."""
        mapper = self._membership.link(output.worker).mapper
        command = RunTask(output.task, output.attempt, output.worker)
        request = pb.ReadMapOutputRequest(attempt=pack(_attempt(command, stage)), offset=offset)
        with self._logged("ReadMapOutput", command, stage, offset=offset) as answer:
            answer["bytes"] = 0
            for response in mapper.ReadMapOutput(request, timeout=STREAM_TIMEOUT_S):
                data = response.data
                answer["bytes"] += len(data)
                yield data

    def _source(self, output: Output, partition: int) -> MapOutput:
        """Return where a map task's partition is."""
        assert isinstance(output.content, MapFiles)
        try:
            address = self._membership.link(output.worker).address
        except UnreachableError as error:
            raise FetchFailedError(output.task.index, output.attempt, True, str(error)) from error
        file = output.content.partitions[partition]
        name = slot_of(output.worker)
        return MapOutput(output.task.index, output.attempt, name, address, file)

    def _logged(
        self, method: str, command: RunTask, stage: Stage, **details: Any
    ) -> AbstractContextManager[dict[str, Any]]:
        call = {"method": method, **attempt_fields(_attempt(command, stage))}
        return self._call_log.call(slot_of(command.worker), call, backup=command.backup, **details)


def _check_counts(response: pb.ReduceResponse, job: Job) -> None:
    """Raise TaskError unless a job that counts has one count for each record, and another job none."""
    expected = response.output.records if job.counts else 0
    if len(response.counts) != expected:
        raise TaskError(f"the reducer answered {len(response.counts)} counts instead of {expected}")


def _attempt(command: RunTask, stage: Stage) -> Attempt:
    return Attempt(stage, command.task.index, command.attempt)
