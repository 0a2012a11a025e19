"""A worker joins the master, sends heartbeats, and ends when the run is over."""

import os
import secrets
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import grpc

from common.errors import RunFailedError, StaleAttemptError
from common.events.catalogue.run import InternalError
from common.events.log import Log
from common.model import Role
from common.rpc.address import split_address
from common.rpc.channels import CONTROL_TIMEOUT_S, LARGEST_ORDER_BYTES, connect
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.messages import pack
from common.rpc.server import Server
from common.rpc.statuses import error_of, may_join_later
from common.store.names import node_name
from common.store.node import NodeStore
from common.worker.attempts import Attempts
from common.worker.service import AddServicer, WorkerContext
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, WorkerServicer, add_WorkerServicer_to_server

_HEARTBEAT_S = 1.0
_HEARTBEAT_TIMEOUT_S = 5.0
_LEAVE_TIMEOUT_S = 2.0
_JOIN_PAUSE_S = 1.0
"""Before a worker from elsewhere asks the master again; it does so as long as it takes."""
_INSTANCE = "MAPREDUCE_INSTANCE"
"""How a process that replaces another one knows who it is to their master."""
_PATIENCE_S = 300.0
"""How long a worker from elsewhere goes on without hearing from its master."""


@dataclass(frozen=True)
class Settings:
    """How a worker was started."""

    role: Role
    master: str
    """HOST:PORT."""
    credentials: Credentials
    listen: str
    """ADDRESS:PORT."""
    address: str
    """HOST:PORT to tell the others; port 0 stands for the one where it serves."""
    folder: Path
    data_root: Path | None
    """Outside of it no input is read; None: anywhere."""
    index: int = 0
    """0 for a worker from elsewhere, which is told its index when it joins."""
    incarnation: int = 0

    @property
    def from_elsewhere(self) -> bool:
        """Tell whether a person started it."""
        return self.index == 0


class Ending(WorkerServicer):
    """The Worker service: lets the process end when the run is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def End(self, request: pb.EndRequest, context: grpc.ServicerContext) -> pb.EndResponse:  # noqa: N802
        """Let the process end once this is answered."""
        self.over.set()
        return pb.EndResponse()


class Member:
    """A worker's side of its membership."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        known = os.environ.pop(_INSTANCE, None)
        self._instance = (known or secrets.token_hex(8)) if settings.from_elsewhere else ""
        self._attempts = Attempts()
        self._ending = Ending()
        self._log: Log | None = None
        self._server = Server(
            settings.credentials,
            self._log_internal_error,
            settings.listen,
            largest_request_bytes=LARGEST_ORDER_BYTES,
        )
        self._channel = connect(settings.master, settings.credentials, PeerRole.MASTER)
        self.master = MasterStub(self._channel)
        self.identity = pb.JoinResponse(index=settings.index, incarnation=settings.incarnation)
        """Who the master says that this worker is."""

    def join(self) -> None:
        """Tell the master that this worker is here; one from elsewhere waits until there is a master."""
        shown = ""
        while not self._ending.over.is_set():  # as it may be: it joined, the answer got lost, the run ended
            try:
                self.identity = self._join()
                return
            except grpc.RpcError as failed:
                error = error_of(failed)
            master = self._settings.master
            if not (self._settings.from_elsewhere and may_join_later(error)):
                raise RunFailedError(f"the master at {master} rejected this worker: {error}") from None
            reason = str(error).rsplit(": ", 1)[-1]
            if reason != shown:
                click.echo(f"waiting for the master at {master} ({reason})", err=True)
                shown = reason
            self._ending.over.wait(_JOIN_PAUSE_S)

    def serve(self, add_servicer: AddServicer, log: Log) -> None:
        """Begin to answer calls."""
        self._log = log
        settings, index = self._settings, self.identity.index
        store = NodeStore(settings.folder, index, self.identity.epoch)
        context = WorkerContext(store, settings.credentials, settings.data_root, self._attempts, log)
        add_servicer(self._server.grpc, context)
        add_WorkerServicer_to_server(self._ending, self._server.grpc)
        self._server.start()
        if settings.from_elsewhere:
            name = node_name(settings.role, index)
            click.echo(f"joined {settings.master} as {name}, serving at {self._address}", err=True)

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
                    self._join_again()
                    heard_s = time.monotonic()
                elif self._settings.from_elsewhere and time.monotonic() - heard_s > _PATIENCE_S:
                    raise RunFailedError(
                        f"no answer from the master at {self._settings.master} for {_PATIENCE_S:g} s"
                    ) from None

    def leave(self) -> None:
        """Tell the master, if it answers, that this worker goes: others do its work at once."""
        with suppress(grpc.RpcError):
            self.master.Leave(pb.LeaveRequest(**self._name()), timeout=_LEAVE_TIMEOUT_S)

    def stop(self) -> None:
        """Answer no more calls, and cancel those that are going on."""
        self._server.stop()

    @property
    def _address(self) -> str:
        """Where the others find this worker."""
        host, port = split_address(self._settings.address, "--advertise")
        return f"{host}:{port or self._server.address.rpartition(':')[2]}"

    def _join(self) -> pb.JoinResponse:
        settings = self._settings
        request = pb.JoinRequest(
            role=pack(settings.role),
            index=settings.index,
            incarnation=settings.incarnation,
            address=self._address,
            instance=self._instance,
        )
        wait = not settings.from_elsewhere
        return self.master.Join(request, timeout=CONTROL_TIMEOUT_S, wait_for_ready=wait)

    def _join_again(self) -> None:
        """Join again after the master declared this worker dead; if it is another master now, start anew."""
        if not self._settings.from_elsewhere:
            os._exit(0)  # it has been replaced
        before = self.identity
        self.join()
        if (before.index, before.epoch) != (self.identity.index, self.identity.epoch):
            # A new process of the same command, which keeps its instance, serves the other run.
            os.environ[_INSTANCE] = self._instance
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606

    def _beat(self) -> pb.HeartbeatResponse:
        attempts = self._attempts
        request = pb.HeartbeatRequest(
            **self._name(), tasks=attempts.in_progress(), progress=attempts.progress()
        )
        return self.master.Heartbeat(request, timeout=_HEARTBEAT_TIMEOUT_S)

    def _name(self) -> dict[str, Any]:
        """Return who this worker is, as the fields of a message."""
        role, identity = pack(self._settings.role), self.identity
        return {"role": role, "index": identity.index, "incarnation": identity.incarnation}

    def _log_internal_error(self, number: str, error: BaseException) -> None:
        if self._log is not None:
            self._log.event(InternalError(id=number, error=repr(error)))
