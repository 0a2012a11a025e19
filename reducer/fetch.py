"""How a reducer gets a partition from the mapper that made it."""

import threading
import time
from typing import Any

import grpc

from common.errors import FetchFailedError, MapReduceError, TaskError
from common.events.catalogue.tasks import FAILURE, SUCCESS, RpcCall, RpcResponse, attempt_fields
from common.model import Attempt, MapOutput
from common.rpc.channels import STREAM_TIMEOUT_S, connect, read_stream
from common.rpc.credentials import PeerRole
from common.rpc.messages import pack
from common.rpc.retries import FETCH_PAUSES_S, may_fetch_again
from common.rpc.statuses import UnreachableError, error_of
from common.worker.service import WorkerContext
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub


class Fetcher:
    """Fetches partitions and checks them; several threads may use it."""

    def __init__(self, worker: WorkerContext) -> None:
        self._worker = worker
        self._mappers: dict[str, MapperStub] = {}
        self._lock = threading.Lock()

    def fetch(self, attempt: Attempt, source: MapOutput) -> bytes:
        """Fetch the partition of a map output that a reduce attempt needs.

        From the second try on the mapper checks its file first. So damage on its disk makes it say that the
        output is lost, and after damage on the way the next try gets the file.

        Raises
        ------
        FetchFailedError
            The partition can't be had; the map task must run again.
        """
        pauses_s, verify = iter(FETCH_PAUSES_S), False
        while True:
            try:
                return self._fetch_once(attempt, source, verify=verify)
            except MapReduceError as error:
                pause_s = next(pauses_s, None)
                if pause_s is None or not may_fetch_again(error):
                    unreachable = isinstance(error, UnreachableError)
                    reason = f"{source.worker}: {error}"
                    raise FetchFailedError(source.task, source.attempt, unreachable, reason) from error
            time.sleep(pause_s)
            verify = True

    def _fetch_once(self, attempt: Attempt, source: MapOutput, *, verify: bool) -> bytes:
        """Make one call, logging it before and its answer after; MapReduceError if it fails."""
        made = Attempt(attempt.stage, source.task, source.attempt)
        call = {"method": "FetchPartition", **attempt_fields(made), "reduce_task": attempt.task + 1}
        self._worker.log.event(RpcCall(to=source.worker, **call))
        answer = {"from_": source.worker, **call}
        began_s = time.monotonic()
        try:
            data = self._read(made, attempt.task, source, verify=verify)
        except (grpc.RpcError, TaskError) as failed:
            error = error_of(failed)
            self._log_answer(answer, began_s, status=FAILURE, reason=f"{source.worker}: {error}")
            raise error from failed
        self._log_answer(answer, began_s, status=SUCCESS, bytes=len(data))
        return data

    def _read(self, made: Attempt, partition: int, source: MapOutput, *, verify: bool) -> bytes:
        request = pb.FetchPartitionRequest(attempt=pack(made), partition=partition, verify=verify)
        chunks = self._mapper(source.address).FetchPartition(request, timeout=STREAM_TIMEOUT_S)
        return read_stream(self._worker.attempts.counted(chunks), source.partition)

    def _log_answer(self, answer: dict[str, Any], began_s: float, **outcome: Any) -> None:
        duration_ms = round((time.monotonic() - began_s) * 1000, 3)
        self._worker.log.event(RpcResponse(**answer, duration_ms=duration_ms, **outcome))

    def _mapper(self, address: str) -> MapperStub:
        """Keep one channel for each address; a restarted mapper has a new one."""
        with self._lock:
            if address not in self._mappers:
                channel = connect(address, self._worker.credentials, PeerRole.MAPPER)
                self._mappers[address] = MapperStub(channel)
            return self._mappers[address]
