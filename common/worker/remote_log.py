"""A worker's events, on their way to the master's dump.txt."""

from contextlib import suppress

import grpc

from common.events.batches import Batches
from common.events.dump import EventLog
from common.events.event import Event
from common.rpc.channels import CONTROL_TIMEOUT_S
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub

_PAUSE_S = 0.1
_LAST_WORDS_TIMEOUT_S = 0.4


class RemoteLog:
    """Sends this process's events to the master, for dump.txt; a worker never waits for it."""

    def __init__(self, process: str, master: MasterStub) -> None:
        self._master = master
        self._timeout_s = CONTROL_TIMEOUT_S
        # Events come in bursts; one call for each of them would keep the master busy.
        self._events: Batches[Event] = Batches(self._send, _PAUSE_S)
        self.event = EventLog(process, self._events.put).event

    def flush(self) -> None:
        """Send what is left, before the process ends; if the master is gone, that fails at once."""
        self._timeout_s = _LAST_WORDS_TIMEOUT_S
        self._events.flush(_LAST_WORDS_TIMEOUT_S)

    def _send(self, events: list[Event]) -> None:
        with suppress(grpc.RpcError):  # a lost line is lost
            lines = [event.line() for event in events]
            self._master.Log(pb.LogRequest(lines=lines), timeout=self._timeout_s)
