"""The Reducer service: requests in, work done by `reducer.task`, responses out."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from common.errors import FetchFailedError, OutputLostError, TaskError
from common.events.catalogue.tasks import (
    FAILURE,
    SUCCESS,
    ReduceFinished,
    ReduceStarted,
    RpcCall,
    RpcResponse,
    attempt_fields,
)
from common.model import Attempt, MapOutput, Role
from common.rpc.channels import STREAM_TIMEOUT_S, UnreachableError, connect, error_of, read_stream
from common.rpc.credentials import Party
from common.rpc.messages import (
    pack_attempt,
    pack_file,
    unpack_attempt,
    unpack_job,
    unpack_map_output,
    unpack_options,
)
from common.rpc.seal import Chunk
from common.rpc.statuses import DamagedMessageError
from common.store.names import REDUCE_OUTPUT
from common.worker.service import Node, fail_if_asked, wait_for_person
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub, ReducerServicer, add_ReducerServicer_to_server
from reducer.task import ReduceTask, run_reduce_task

_PARALLEL_FETCHES = 8
_FETCH_PAUSES_S = (0.05, 0.2)
"""Before the second and the third time; soon over, for the mapper may be dead."""


class _FetchError(Exception):
    """One try to fetch a partition failed."""

    def __init__(self, worker: str, error: Exception) -> None:
        failure = error_of(error) if isinstance(error, grpc.RpcError) else error
        super().__init__(f"{worker}: {failure}")
        self.unreachable = isinstance(failure, UnreachableError)
        if isinstance(error, grpc.Call):
            # Without a meaning of ours: the connection broke, or what it carried.
            meaningless = type(failure) is TaskError and error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
            self.passing: bool = self.unreachable or meaningless
        else:
            # It is there, but arrived damaged.
            self.passing = isinstance(failure, OutputLostError | DamagedMessageError)


class Reducer(ReducerServicer):
    """Serves one reducer process."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = node.store
        self._log = node.log
        self._mappers: dict[str, MapperStub] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_PARALLEL_FETCHES, thread_name_prefix="fetch")

    def Reduce(self, request: pb.ReduceRequest, context: grpc.ServicerContext) -> pb.ReduceResponse:  # noqa: N802
        """Run a reduce task."""
        job, _ = unpack_job(request.job)
        sources = [unpack_map_output(source) for source in request.sources]
        task = ReduceTask(unpack_attempt(request.attempt), job, sources, unpack_options(request.options))
        return self._node.attempts.run(task.attempt, lambda: self._reduce(task))

    def _reduce(self, task: ReduceTask) -> pb.ReduceResponse:
        identity = attempt_fields(task.attempt)
        self._log.event(ReduceStarted(**identity, sources=len(task.sources)))
        wait_for_person(task.options, self._node.attempts)
        output = run_reduce_task(task, self._fetch, self._store, self._pool)
        fail_if_asked(Role.REDUCER, task.attempt, task.options)
        self._log.event(ReduceFinished(**identity, records=output.records))
        return pb.ReduceResponse(output=pack_file(output))

    def ReadReduceOutput(  # noqa: N802
        self, request: pb.ReadReduceOutputRequest, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Stream a reduce output to the master."""
        for chunk in self._store.read(unpack_attempt(request.attempt), REDUCE_OUTPUT):
            yield Chunk(chunk)

    def _fetch(self, attempt: Attempt, source: MapOutput) -> bytes:
        """Fetch a partition; again, and checked by the mapper, if it is damaged or cut off on its way."""
        for failures, pause_s in enumerate((*_FETCH_PAUSES_S, None)):
            try:
                return self._fetch_once(attempt, source, verify=failures > 0)
            except _FetchError as error:
                if pause_s is None or not error.passing:
                    raise FetchFailedError(
                        source.task, source.attempt, error.unreachable, str(error)
                    ) from error
                threading.Event().wait(pause_s)
        raise AssertionError

    def _fetch_once(self, attempt: Attempt, source: MapOutput, *, verify: bool) -> bytes:
        wanted = Attempt(attempt.stage, source.task, source.attempt)
        call = {"method": "FetchPartition", **attempt_fields(wanted), "reduce_task": attempt.task + 1}
        self._log.event(RpcCall(to=source.worker, **call))
        began_s = time.monotonic()
        try:
            request = pb.FetchPartitionRequest(
                attempt=pack_attempt(wanted), partition=attempt.task, verify=verify
            )
            responses = self._mapper(source.address).FetchPartition(request, timeout=STREAM_TIMEOUT_S)
            data = read_stream(self._node.attempts.counted(responses), source.partition)
        except Exception as error:
            failed = _FetchError(source.worker, error)
            self._log_response(call, source, began_s, status=FAILURE, reason=str(failed))
            raise failed from error
        self._log_response(call, source, began_s, status=SUCCESS, bytes=len(data))
        return data

    def _log_response(self, call: dict[str, Any], source: MapOutput, began_s: float, **outcome: Any) -> None:
        duration_ms = round((time.monotonic() - began_s) * 1000, 3)
        self._log.event(RpcResponse(from_=source.worker, **call, duration_ms=duration_ms, **outcome))

    def _mapper(self, address: str) -> MapperStub:
        """Keep one channel for each address; a restarted mapper has a new one."""
        with self._lock:
            if address not in self._mappers:
                self._mappers[address] = MapperStub(connect(address, self._node.credentials, Party.MAPPER))
            return self._mappers[address]


def add_reducer(server: grpc.Server, node: Node) -> None:
    """Serve a reducer."""
    add_ReducerServicer_to_server(Reducer(node), server)
