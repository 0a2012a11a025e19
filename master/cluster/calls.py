"""The calls that make up an attempt of a task.

Protobuf stops here: the dispatcher and the engine see our own types.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from common.errors import FetchFailedError, TaskError
from common.events.catalogue.tasks import attempt_fields
from common.events.log import Log
from common.jobs.base import Job
from common.kernels.grouping import partition_of
from common.model import (
    Attempt,
    CommittedFile,
    Input,
    MapOutput,
    RecordFormat,
    Records,
    Split,
    Stage,
    State,
    TaskOptions,
)
from common.records import decode
from common.rpc.channels import STREAM_TIMEOUT_S, TASK_TIMEOUT_S, CallLog, read_stream, undamaged
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
    sources: Sequence[Input]
    """The file of each split of the input, by the split's index."""
    splits: Sequence[Split]
    partitions: int

    @cached_property
    def of_maps(self) -> pb.MapRequest:
        """What the requests of all map tasks have in common."""
        job = pack_job(self.job, self.state)
        return pb.MapRequest(job=job, partitions=self.partitions)


_packed = lru_cache(maxsize=1024)(pack)
"""The files of the input, for each task the same."""


@dataclass(frozen=True)
class MapFiles:
    """The content of a map task's Output."""

    map_output: CommittedFile
    partitions: list[CommittedFile]


class WorkerCalls:
    """Calls workers, sends the options along with each task, and logs every call and answer."""

    def __init__(self, membership: Membership, options: TaskOptions, log: Log) -> None:
        self._membership = membership
        self._options = pack(options)
        self._intermediate = options.intermediate
        self._call_log = CallLog(log)
        self.close = self._call_log.close

    def map(self, command: RunTask, order: StageOrder) -> MapFiles:
        """Run a map attempt; MapReduceError if that fails."""
        mapper = self._membership.link(command.worker).mapper
        split = next(split for split in order.splits if split.index == command.task.index)
        request = pb.MapRequest(
            attempt=pack(_attempt(command, order.stage)),
            input=_packed(order.sources[split.index]),
            split=pack(split),
            options=self._options,
        )
        request.MergeFrom(order.of_maps)
        with self._logged("Map", command, order.stage, rows=str(split)) as answer:
            response = mapper.Map(request, timeout=TASK_TIMEOUT_S)
            answer |= {"records": response.map_output.records, "bytes": response.ByteSize()}
            if len(response.partitions) != order.partitions:
                raise TaskError(f"the mapper answered {len(response.partitions)} partitions")
            return MapFiles(
                unpack(CommittedFile, response.map_output),
                [unpack(CommittedFile, file) for file in response.partitions],
            )

    def reduce(self, command: RunTask, order: StageOrder) -> Records:
        """Run a reduce attempt and read its output; MapReduceError if that fails.

        What the reducer answers is checked as far as it can be without doing its work again.
        """
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
            file = unpack(CommittedFile, response.output)
            if response.data or not file.size_bytes:
                answer["output_bytes"] = len(response.data)
                return self._result(undamaged(response.data, file), response, order, command)
        with self._logged("ReadReduceOutput", command, order.stage) as answer:
            read = pb.ReadReduceOutputRequest(attempt=attempt)
            chunks = reducer.ReadReduceOutput(read, timeout=STREAM_TIMEOUT_S)
            data = read_stream(chunks, file)
            answer["bytes"] = len(data)
            return self._result(data, response, order, command)

    def _result(
        self, data: bytes, response: pb.ReduceResponse, order: StageOrder, command: RunTask
    ) -> Records:
        """Read a reduce task's output; TaskError if no reducer can have written it."""
        try:
            records = _records_of(data, response, order.job, self._intermediate)
            _check_result(records, order, command.task.index)
        except ValueError as error:
            raise TaskError(f"the reducer's answer makes no sense: {error}") from None
        return records

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


def _records_of(data: bytes, response: pb.ReduceResponse, job: Job, kind: RecordFormat) -> Records:
    """Put together what a reduce task wrote, and what it left out of its file; ValueError for other bytes."""
    parts = decode(data, kind, job.key_type)
    records = Records.concatenate([*parts, Records.empty(job.key_type)])
    if len(records) != response.output.records or len(response.counts) != len(records) * job.counts:
        raise ValueError(f"{len(records)} records and {len(response.counts)} counts")
    if not response.counts:
        return records
    return Records(records.keys, np.column_stack([records.values, response.counts]))


def _check_result(records: Records, order: StageOrder, partition: int) -> None:
    """Raise ValueError if a job's `reduce` cannot have returned that for the keys of a partition."""
    if not len(records):
        return
    if np.isnan(records.values).any():
        raise ValueError("a number is nan")
    keys = set(records.keys.tolist())
    if any(partition_of(key, order.partitions) != partition for key in keys):
        raise ValueError("a key is of another partition")
    shape = order.job.result_shape(order.state, len(order.sources[0].columns))
    if shape is not None and (not keys <= set(range(shape[0])) or records.values.shape[1] != shape[1]):
        raise ValueError("it is not the result of that job")


def _attempt(command: RunTask, stage: Stage) -> Attempt:
    return Attempt(stage, command.task.index, command.attempt)
