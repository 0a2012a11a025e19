"""How a reducer gets a partition from the mapper that made it."""

import threading
import time

from common.errors import FetchFailedError, MapReduceError
from common.events.catalogue.tasks import attempt_fields
from common.model import Attempt, MapOutput
from common.rpc.call_log import CallLog
from common.rpc.channels import STREAM_TIMEOUT_S, connect, read_stream
from common.rpc.credentials import PeerRole
from common.rpc.messages import pack
from common.rpc.statuses import UnreachableError, may_fetch_again
from common.worker.service import WorkerContext
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub

_PAUSES_S = (0.05, 0.2)
"""Before the second and the third try; soon over, for the mapper may be dead."""


class Fetcher:
    """Fetches partitions and checks them; several threads may use it."""

    def __init__(self, worker: WorkerContext) -> None:
        self._worker = worker
        self._call_log = CallLog(worker.log)
        self._mappers: dict[str, MapperStub] = {}
        self._lock = threading.Lock()

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
        """Make one call; MapReduceError if it fails."""
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
