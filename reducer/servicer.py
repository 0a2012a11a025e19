"""The Reducer service: requests in, work done by `reducer.task`, responses out; and its calls to mappers."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from common.errors import FetchFailedError, MapReduceError
from common.events.catalogue.tasks import ReduceFinished, ReduceStarted, attempt_fields
from common.model import Attempt, MapOutput, Role, TaskOptions
from common.rpc.channels import STREAM_TIMEOUT_S, CallLog, connect, read_stream
from common.rpc.credentials import PeerRole
from common.rpc.job_messages import unpack_job
from common.rpc.messages import pack, unpack
from common.rpc.statuses import UnreachableError, may_fetch_again
from common.store.attempt import CHUNK_BYTES
from common.store.names import REDUCE_OUTPUT
from common.worker.service import WorkerContext, apply_task_delay, inject_failure
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub, ReducerServicer, add_ReducerServicer_to_server
from reducer.task import ReduceTask, run_reduce_task

_PARALLEL_FETCHES = 8
_PAUSES_S = (0.05, 0.2)
"""Before the second and the third try; soon over, for the mapper may be dead."""


class Reducer(ReducerServicer):
    """Serves one reducer process, and fetches its partitions in several threads."""

    def __init__(self, worker: WorkerContext) -> None:
        self._worker = worker
        self._call_log = CallLog(worker.log)
        self._mappers: dict[str, MapperStub] = {}
        self._lock = threading.Lock()
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
        result = run_reduce_task(task, self.fetch, self._worker.store, self._pool)
        inject_failure(Role.REDUCER, task.attempt, task.options)
        self._worker.log.event(ReduceFinished(**identity, records=result.output.records))
        answer = pb.ReduceResponse(output=pack(result.output), counts=result.counts)
        if result.output.size_bytes <= CHUNK_BYTES:
            answer.data = b"".join(self._worker.store.read(task.attempt, REDUCE_OUTPUT))
        return answer

    def ReadReduceOutput(  # noqa: N802
        self, request: pb.ReadReduceOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadReduceOutputResponse]:
        """Stream a reduce output to the master."""
        for chunk in self._worker.store.read(unpack(Attempt, request.attempt), REDUCE_OUTPUT):
            yield pb.ReadReduceOutputResponse(data=chunk)

    def fetch(self, attempt: Attempt, source: MapOutput) -> bytes:
        """Fetch the partition of a map output that a reduce attempt needs.

        From the second try on the mapper checks its file first. So damage on its disk makes it say that the
        output is lost, and after damage on the way the next try gets the file. FetchFailedError if the map
        task must run again.
        """
        for pause_s in (0.0, *_PAUSES_S):
            time.sleep(pause_s)
            try:
                return self._fetch_once(attempt, source, verify=pause_s > 0)
            except MapReduceError as error:
                failed = error
                if not may_fetch_again(error):
                    break
        unreachable = isinstance(failed, UnreachableError)
        reason = f"{source.worker}: {failed}"
        raise FetchFailedError(source.task, source.attempt, unreachable, reason) from failed

    def _fetch_once(self, attempt: Attempt, source: MapOutput, *, verify: bool) -> bytes:
        made = Attempt(attempt.stage, source.task, source.attempt)
        call = {"method": "FetchPartition", **attempt_fields(made), "reduce_task": attempt.task + 1}
        request = pb.FetchPartitionRequest(attempt=pack(made), partition=attempt.task, verify=verify)
        with self._call_log.call(source.worker, call) as answer:
            chunks = self._mapper(source.address).FetchPartition(request, timeout=STREAM_TIMEOUT_S)
            data = read_stream(self._worker.attempts.counted(chunks), source.partition)
            answer["bytes"] = len(data)
        return data

    def _mapper(self, address: str) -> MapperStub:
        """Keep one channel for each address; a restarted mapper has a new one."""
        with self._lock:
            if address not in self._mappers:
                channel = connect(address, self._worker.certificates, PeerRole.MAPPER)
                self._mappers[address] = MapperStub(channel)
            return self._mappers[address]


def add_reducer(server: grpc.Server, worker: WorkerContext) -> None:
    """Serve a reducer."""
    add_ReducerServicer_to_server(Reducer(worker), server)
