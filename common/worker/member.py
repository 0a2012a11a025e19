"""A worker joins the master, sends heartbeats and its log, and ends when the run is over."""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import grpc

from common.errors import RunFailedError, StaleAttemptError, printable
from common.events.batches import Batches
from common.events.line import Entry
from common.events.log import EventLog, Log
from common.machine import used
from common.model import Role
from common.rpc.channels import CONTROL_TIMEOUT_S, LARGEST_ORDER_BYTES, connect
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.messages import pack
from common.rpc.server import Server
from common.rpc.statuses import error_of, may_join_later
from common.store.names import node_name
from common.store.node import NodeStore
from common.worker.service import AddServicer, Attempts, WorkerContext
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, WorkerServicer, add_WorkerServicer_to_server

_HEARTBEAT_S = 1.0
_HEARTBEAT_TIMEOUT_S = 5.0
_LEAVE_TIMEOUT_S = 2.0
_LAST_ANSWER_S = 1.0
"""For the answer to `End`, which is on its way as the worker ends."""
_LOG_PAUSE_S = 0.5
"""A reader may wait; a short iteration would notice more calls."""
_LAST_WORDS_TIMEOUT_S = 0.4
_BUSY_BEATS, _IDLE_BEATS = 2, 10
"""Every so many heartbeats the master is told what this process has used."""
_JOIN_PAUSE_S = 1.0
"""Before a worker from elsewhere asks the master again; it does so as long as it takes."""
_PATIENCE_S = 300.0
"""How long a worker from elsewhere goes on without hearing from its master."""


@dataclass(frozen=True)
class Settings:
    """How a worker was started."""

    role: Role
    master: str
    """The master's address."""
    certificates: Certificates | None
    """None: it speaks over sockets."""
    listen: str
    """Where to serve; ADDRESS:0 for any free port."""
    address: str
    """What to tell the others; port 0 stands for the one where it serves."""
    folder: Path
    data_root: Path | None
    """Outside of it no input is read; None: anywhere."""
    token: str = field(repr=False)
    """Says to the master who this worker is."""
    own: bool = False
    """The master started it; else a person did."""


class RemoteLog:
    """Sends this process's events to the master, for dump.txt; a worker never waits for it."""

    def __init__(self, process: str, token: str, master: MasterStub) -> None:
        self._token = token
        self._master = master
        self._timeout_s = CONTROL_TIMEOUT_S
        # Events come in bursts; one call for each of them would keep the master busy.
        self._entries: Batches[Entry] = Batches(self._send, _LOG_PAUSE_S)
        self.event = EventLog(process, self._entries.put).event

    def flush(self) -> None:
        """Send what is left, before the process ends; if the master is gone, that fails at once."""
        self._timeout_s = _LAST_WORDS_TIMEOUT_S
        self._entries.flush(_LAST_WORDS_TIMEOUT_S)

    def _send(self, entries: list[Entry]) -> None:
        with suppress(grpc.RpcError):  # a lost line is lost
            lines = [entry.line() for entry in entries]
            self._master.Log(pb.LogRequest(token=self._token, lines=lines), timeout=self._timeout_s)


class Ending(WorkerServicer):
    """The Worker service: lets the process end when the run is over, after its last words."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.last_words: Callable[[], object] = lambda: None

    def End(self, request: pb.EndRequest, context: grpc.ServicerContext) -> pb.EndResponse:  # noqa: N802
        """Let the process end once this is answered; then the master may be gone."""
        self.last_words()
        self.over.set()
        return pb.EndResponse()


class Member:
    """A worker's side of its membership."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._attempts = Attempts()
        self._ending = Ending()
        self._log: Log
        self._server = Server(
            settings.certificates,
            lambda error: self._log.event(error),
            settings.listen,
            largest_request_bytes=LARGEST_ORDER_BYTES,
        )
        self.master = MasterStub(connect(settings.master, settings.certificates, PeerRole.MASTER))
        self._identity = pb.JoinResponse()
        """Who the master says that this worker is."""
        self._beats, self._told_progress = 0, 0
        """Heartbeats since the master was told what this process has used, and its progress then."""

    @property
    def name(self) -> str:
        """The name of its slot: M1."""
        return node_name(self._settings.role, self._identity.index)

    def join(self) -> bool:
        """Tell the master that this worker is here; one that a person started waits for a master.

        Return False if the run is over meanwhile.
        """
        shown = ""
        while not self._ending.over.is_set():  # as it may be: it joined, the answer got lost, the run ended
            try:
                answer = self._join()
                if answer.over:
                    break
                self._identity = answer
                return True
            except grpc.RpcError as failed:
                error = error_of(failed)
            master = self._settings.master
            if isinstance(error, StaleAttemptError) and self._identity.epoch and not self._settings.own:
                # Another run: a new process of the same command serves it.
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
            if self._settings.own or not may_join_later(error):
                raise RunFailedError(f"the master at {master} rejected this worker: {error}") from None
            reason = str(error).rsplit(": ", 1)[-1]
            if reason != shown:
                click.echo(printable(f"waiting for the master at {master} ({reason})"), err=True)
                shown = reason
            self._ending.over.wait(_JOIN_PAUSE_S)
        self._ending.over.set()
        return False

    def serve(
        self, add_servicer: AddServicer, log: Log, last_words: Callable[[], object] = lambda: None
    ) -> None:
        """Begin to answer calls; `last_words` is called before the master may be gone."""
        self._log, self._ending.last_words = log, last_words
        settings, identity = self._settings, self._identity
        store = NodeStore(settings.folder, identity.index, identity.epoch)
        context = WorkerContext(store, settings.certificates, settings.data_root, self._attempts, log)
        add_servicer(self._server.grpc, context)
        add_WorkerServicer_to_server(self._ending, self._server.grpc)
        self._server.start()
        if not settings.own:
            click.echo(f"joined {settings.master} as {self.name}, serving at {self._address}", err=True)

    def send_heartbeats(self) -> None:
        """Send a heartbeat every second until the run is over."""
        heard_s = time.monotonic()
        while not self._ending.over.wait(_HEARTBEAT_S):
            try:
                if self._beat().over:
                    return
                heard_s = time.monotonic()
            except grpc.RpcError as failed:
                if isinstance(error_of(failed), StaleAttemptError):
                    if self._settings.own:
                        os._exit(0)  # it was declared dead and has been replaced
                    self.join()
                    heard_s = time.monotonic()
                elif not self._settings.own and time.monotonic() - heard_s > _PATIENCE_S:
                    raise RunFailedError(
                        f"no answer from the master at {self._settings.master} for {_PATIENCE_S:g} s"
                    ) from None

    def tell_usage(self) -> None:
        """Tell the master, if it answers, what this process has used until its end."""
        with suppress(grpc.RpcError):
            self._send(self._usage(), _LAST_WORDS_TIMEOUT_S)

    def leave(self) -> None:
        """Tell the master, if it answers, that this worker goes: others do its work at once."""
        with suppress(grpc.RpcError):
            self.master.Leave(pb.LeaveRequest(token=self._settings.token), timeout=_LEAVE_TIMEOUT_S)

    def stop(self) -> None:
        """Answer no more calls, and cancel those that are going on."""
        self._server.stop(_LAST_ANSWER_S)

    @property
    def _address(self) -> str:
        """Where the others find this worker."""
        host, _, port = self._settings.address.rpartition(":")
        return f"{host}:{self._server.address.rpartition(':')[2] if port == '0' else port}"

    def _join(self) -> pb.JoinResponse:
        settings = self._settings
        request = pb.JoinRequest(
            role=pack(settings.role),
            address=self._address,
            token=settings.token,
            epoch=self._identity.epoch,
        )
        return self.master.Join(request, timeout=CONTROL_TIMEOUT_S, wait_for_ready=settings.own)

    def _beat(self) -> pb.HeartbeatResponse:
        self._beats += 1
        progress = self._attempts.progress()
        works = progress != self._told_progress or self._attempts.in_progress() > 0
        if self._beats < (_BUSY_BEATS if works else _IDLE_BEATS):
            return self._send(None, _HEARTBEAT_TIMEOUT_S)
        self._beats, self._told_progress = 0, progress
        return self._send(self._usage(), _HEARTBEAT_TIMEOUT_S)

    def _send(self, usage: pb.Usage | None, timeout_s: float) -> pb.HeartbeatResponse:
        request = pb.HeartbeatRequest(
            token=self._settings.token,
            tasks=self._attempts.in_progress(),
            progress=self._attempts.progress(),
            usage=usage,
        )
        return self.master.Heartbeat(request, timeout=timeout_s)

    def _usage(self) -> pb.Usage:
        traffic = self._server.traffic
        return pb.Usage(
            **used()._asdict(),
            sent_bytes=traffic.sent_bytes,
            received_bytes=traffic.received_bytes + self._attempts.fetched_bytes,
        )
