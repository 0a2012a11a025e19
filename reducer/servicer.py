"""The Reducer service: requests in, work done by `reducer.task`, responses out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from common.events.catalogue.tasks import ReduceFinished, ReduceStarted, attempt_fields
from common.model import Attempt, MapOutput, Role, TaskOptions
from common.rpc.job_messages import unpack_job
from common.rpc.messages import pack, unpack
from common.store.names import REDUCE_OUTPUT
from common.worker.service import WorkerContext, apply_task_delay, inject_failure
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import ReducerServicer, add_ReducerServicer_to_server
from reducer.fetch import Fetcher
from reducer.task import ReduceTask, run_reduce_task

_PARALLEL_FETCHES = 8


class Reducer(ReducerServicer):
    """Serves one reducer process."""

    def __init__(self, worker: WorkerContext) -> None:
        self._worker = worker
        self._fetcher = Fetcher(worker)
        self._pool = ThreadPoolExecutor(_PARALLEL_FETCHES, thread_name_prefix="fetch")

    def Reduce(self, request: pb.ReduceRequest, context: grpc.ServicerContext) -> pb.ReduceResponse:  # noqa: N802
        """Run a reduce task."""
        task = ReduceTask(
            attempt=unpack(Attempt, request.attempt),
            job=unpack_job(request.job)[0],
            sources=[unpack(MapOutput, source) for source in request.sources],
            options=unpack(TaskOptions, request.options),
        )
        return self._worker.attempts.run(task.attempt, lambda: self._reduce(task))

    def _reduce(self, task: ReduceTask) -> pb.ReduceResponse:
        identity = attempt_fields(task.attempt)
        self._worker.log.event(ReduceStarted(**identity, sources=len(task.sources)))
        apply_task_delay(task.options, self._worker.attempts)
        result = run_reduce_task(task, self._fetcher.fetch, self._worker.store, self._pool)
        inject_failure(Role.REDUCER, task.attempt, task.options)
        self._worker.log.event(ReduceFinished(**identity, records=result.output.records))
        return pb.ReduceResponse(output=pack(result.output), counts=result.counts)

    def ReadReduceOutput(  # noqa: N802
        self, request: pb.ReadReduceOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadReduceOutputResponse]:
        """Stream a reduce output to the master."""
        for chunk in self._worker.store.read(unpack(Attempt, request.attempt), REDUCE_OUTPUT):
            yield pb.ReadReduceOutputResponse(data=chunk)


def add_reducer(server: grpc.Server, worker: WorkerContext) -> None:
    """Serve a reducer."""
    add_ReducerServicer_to_server(Reducer(worker), server)
