"""The Mapper service: requests in, work done by `mapper.task`, responses out."""

from collections.abc import Iterator
from dataclasses import replace

import grpc

from common.errors import BadRequestError
from common.events.catalogue.tasks import MapFinished, MapStarted, attempt_fields
from common.formats.dataset import resolve_input
from common.jobs.base import Job, Memory
from common.machine import cores
from common.model import Attempt, Input, InputFormat, Role, Split, State, TaskOptions
from common.rpc.job_messages import unpack_job
from common.rpc.messages import MOST_BYTES, MOST_PARTITIONS, pack, unpack, within
from common.store.names import MAP_OUTPUT, partition_name
from common.worker.service import WorkerContext, apply_task_delay, inject_failure
from mapper.task import MapTask, run_map_task
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperServicer, add_MapperServicer_to_server


class Mapper(MapperServicer):
    """Serves one mapper process, which reads no input outside the data root, if it has one."""

    def __init__(self, worker: WorkerContext) -> None:
        self._worker = worker
        self._memories: dict[int, Memory] = {}

    def Map(self, request: pb.MapRequest, context: grpc.ServicerContext) -> pb.MapResponse:  # noqa: N802
        """Run a map task."""
        options = unpack(TaskOptions, request.options)
        job, state = unpack_job(request.job)
        source = unpack(Input, request.input)
        check_job(job, state, source)
        task = MapTask(
            attempt=unpack(Attempt, request.attempt),
            job=job,
            state=state,
            source=replace(source, path=resolve_input(source.path, self._worker.data_root)),
            split=unpack(Split, request.split),
            partitions=within(request.partitions, 0, MOST_PARTITIONS, "the number of partitions"),
            options=replace(options, threads=options.threads or cores()),
        )
        return self._worker.attempts.run(task.attempt, lambda: self._map(task))

    def _map(self, task: MapTask) -> pb.MapResponse:
        identity = attempt_fields(task.attempt)
        self._worker.log.event(MapStarted(**identity, rows=str(task.split)))
        apply_task_delay(task.options, self._worker.attempts)
        memory = self._memories.setdefault(task.split.index, {})
        result = run_map_task(task, self._worker.store, memory)
        inject_failure(Role.MAPPER, task.attempt, task.options)
        self._worker.log.event(
            MapFinished(
                **identity,
                records=result.map_output.records,
                partition_records=tuple(file.records for file in result.partitions),
            )
        )
        return pb.MapResponse(
            map_output=pack(result.map_output), partitions=[pack(file) for file in result.partitions]
        )

    def FetchPartition(  # noqa: N802
        self, request: pb.FetchPartitionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FetchPartitionResponse]:
        """Stream a partition to a reducer."""
        attempt = unpack(Attempt, request.attempt)
        name = partition_name(within(request.partition, 0, MOST_PARTITIONS - 1, "the partition"))
        for chunk in self._worker.store.read(attempt, name, verify=request.verify):
            yield pb.FetchPartitionResponse(data=chunk)

    def ReadMapOutput(  # noqa: N802
        self, request: pb.ReadMapOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadMapOutputResponse]:
        """Stream a map output to the master."""
        attempt = unpack(Attempt, request.attempt)
        offset = within(request.offset, 0, MOST_BYTES, "the offset")
        # The master passes bytes on as they come and cannot take them back: check the whole file first.
        for chunk in self._worker.store.read(attempt, MAP_OUTPUT, offset, verify=True):
            yield pb.ReadMapOutputResponse(data=chunk)


def check_job(job: Job, state: State, source: Input) -> None:
    """Raise BadRequestError if a job cannot work with a state, or with an input."""
    if (job.reads_lines, job.reads_tables) != (source.format is InputFormat.LINES, source.is_table):
        raise BadRequestError(f"job {job.name!r} cannot read an input in format {source.format!r}")
    try:
        job.check(state, len(source.columns))
    except (ValueError, LookupError) as error:
        raise BadRequestError(f"job {job.name!r}: {error!r}") from None


def add_mapper(server: grpc.Server, worker: WorkerContext) -> None:
    """Serve a mapper."""
    add_MapperServicer_to_server(Mapper(worker), server)
