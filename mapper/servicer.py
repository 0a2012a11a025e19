"""The Mapper service: requests in, work done by `mapper.task`, responses out."""

from collections.abc import Iterator

import grpc

from common.events import Log
from common.jobs.base import Memory
from common.model import Role
from common.store import MAP_OUTPUT, NodeStore, partition_name
from common.wire import pack_file, unpack_attempt, unpack_input, unpack_job, unpack_options, unpack_split
from common.worker import fail_if_asked, wait_for_person
from mapper.task import MapTask, run_map_task
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperServicer, add_MapperServicer_to_server


class Mapper(MapperServicer):
    """Serves one mapper process."""

    def __init__(self, store: NodeStore, log: Log) -> None:
        self._store = store
        self._log = log
        self._memories: dict[int, Memory] = {}

    def Map(self, request: pb.MapRequest, context: grpc.ServicerContext) -> pb.MapResponse:  # noqa: N802
        """Run a map task."""
        job, state = unpack_job(request.job)
        task = MapTask(
            unpack_attempt(request.attempt),
            job,
            state,
            unpack_input(request.input),
            unpack_split(request.split),
            request.partitions,
            unpack_options(request.options),
        )
        identity = {"job": job.name, "task": task.attempt.task + 1, "attempt": task.attempt.number}
        self._log.event("map_started", **identity, rows=task.split)
        wait_for_person(task.options)
        memory = self._memories.setdefault(task.split.index, {})
        result = run_map_task(task, self._store, memory)
        fail_if_asked(Role.MAPPER, task.attempt, task.options)
        self._log.event(
            "map_finished",
            **identity,
            records=result.map_output.records,
            partition_records=[file.records for file in result.partitions],
        )
        return pb.MapResponse(
            map_output=pack_file(result.map_output),
            partitions=[pack_file(file) for file in result.partitions],
        )

    def FetchPartition(  # noqa: N802
        self, request: pb.FetchPartitionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FetchPartitionResponse]:
        """Stream a partition to a reducer."""
        name = partition_name(request.partition)
        for chunk in self._store.read(unpack_attempt(request.attempt), name, verify=request.verify):
            yield pb.FetchPartitionResponse(data=chunk)

    def ReadMapOutput(  # noqa: N802
        self, request: pb.ReadMapOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadMapOutputResponse]:
        """Stream a map output to the master."""
        attempt = unpack_attempt(request.attempt)
        # What the master has taken in it cannot give back.
        for chunk in self._store.read(attempt, MAP_OUTPUT, request.offset, verify=True):
            yield pb.ReadMapOutputResponse(data=chunk)


def add_mapper(server: grpc.Server, store: NodeStore, secret: str, log: Log) -> None:
    """Serve a mapper. It calls nobody, so it needs no secret."""
    add_MapperServicer_to_server(Mapper(store, log), server)
