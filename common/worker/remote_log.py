"""A worker's events, on their way to the master's dump.txt."""

from contextlib import suppress

import grpc

from common.events.batches import Batches
from common.events.line import Entry
from common.events.log import EventLog
from common.rpc.channels import CONTROL_TIMEOUT_S
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub

_PAUSE_S = 0.1
_LAST_WORDS_TIMEOUT_S = 0.4


class RemoteLog:
    """Sends this process's events to the master, for dump.txt; a worker never waits for it."""

    def __init__(self, process: str, token: str, master: MasterStub) -> None:
        self._token = token
        self._master = master
        self._timeout_s = CONTROL_TIMEOUT_S
        # Events come in bursts; one call for each of them would keep the master busy.
        self._entries: Batches[Entry] = Batches(self._send, _PAUSE_S)
        self.event = EventLog(process, self._entries.put).event

    def flush(self) -> None:
        """Send what is left, before the process ends; if the master is gone, that fails at once."""
        self._timeout_s = _LAST_WORDS_TIMEOUT_S
        self._entries.flush(_LAST_WORDS_TIMEOUT_S)

    def _send(self, entries: list[Entry]) -> None:
        with suppress(grpc.RpcError):  # a lost line is lost
            lines = [entry.line() for entry in entries]
            self._master.Log(pb.LogRequest(token=self._token, lines=lines), timeout=self._timeout_s)
