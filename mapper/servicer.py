"""The Mapper service: requests in, work done by `mapper.task`, responses out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc

from common.events.catalogue.tasks import MapFinished, MapStarted, attempt_fields
from common.formats.dataset import resolve_input
from common.jobs.base import Memory
from common.machine import cores
from common.model import Role, TaskOptions
from common.rpc.messages import (
    pack_file,
    unpack_attempt,
    unpack_input,
    unpack_job,
    unpack_offset,
    unpack_options,
    unpack_partition,
    unpack_partitions,
    unpack_split,
)
from common.rpc.seal import Chunk
from common.store.names import MAP_OUTPUT, partition_name
from common.worker.service import Node, fail_if_asked, wait_for_person
from mapper.task import MapTask, check_job, run_map_task
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperServicer, add_MapperServicer_to_server


class Mapper(MapperServicer):
    """Serves one mapper process, which reads no input outside the data root, if it has one."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = node.store
        self._log = node.log
        self._memories: dict[int, Memory] = {}

    def Map(self, request: pb.MapRequest, context: grpc.ServicerContext) -> pb.MapResponse:  # noqa: N802
        """Run a map task."""
        job, state = unpack_job(request.job)
        source = unpack_input(request.input)
        source = replace(source, path=resolve_input(source.path, self._node.data_root))
        check_job(job, state, source)
        task = MapTask(
            unpack_attempt(request.attempt),
            job,
            state,
            source,
            unpack_split(request.split),
            unpack_partitions(request.partitions),
            _with_threads(unpack_options(request.options)),
        )
        return self._node.attempts.run(task.attempt, lambda: self._map(task))

    def _map(self, task: MapTask) -> pb.MapResponse:
        identity = attempt_fields(task.attempt)
        self._log.event(MapStarted(**identity, rows=str(task.split)))
        wait_for_person(task.options, self._node.attempts)
        memory = self._memories.setdefault(task.split.index, {})
        result = run_map_task(task, self._store, memory)
        fail_if_asked(Role.MAPPER, task.attempt, task.options)
        self._log.event(
            MapFinished(
                **identity,
                records=result.map_output.records,
                partition_records=tuple(file.records for file in result.partitions),
            )
        )
        return pb.MapResponse(
            map_output=pack_file(result.map_output),
            partitions=[pack_file(file) for file in result.partitions],
        )

    def FetchPartition(  # noqa: N802
        self, request: pb.FetchPartitionRequest, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Stream a partition to a reducer."""
        attempt, name = unpack_attempt(request.attempt), partition_name(unpack_partition(request.partition))
        for chunk in self._store.read(attempt, name, verify=request.verify):
            yield Chunk(chunk)

    def ReadMapOutput(  # noqa: N802
        self, request: pb.ReadMapOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Stream a map output to the master."""
        attempt, offset = unpack_attempt(request.attempt), unpack_offset(request.offset)
        # What the master has taken in it cannot give back.
        for chunk in self._store.read(attempt, MAP_OUTPUT, offset, verify=True):
            yield Chunk(chunk)


def _with_threads(options: TaskOptions) -> TaskOptions:
    return options if options.threads else replace(options, threads=cores())


def add_mapper(server: grpc.Server, node: Node) -> None:
    """Serve a mapper."""
    add_MapperServicer_to_server(Mapper(node), server)
