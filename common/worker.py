"""What a mapper and a reducer process have in common: join the master, serve, show signs of life, end.

A worker that the master starts hangs by its standard input: the first line says where the master is and
gives the run's secret; see `common.lifeline`. A worker that somebody starts elsewhere, with `--join`,
proves itself by certificates, and ends when the master says that the run is over.
"""

import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import click
import grpc

from common.address import LOOPBACK, WILDCARDS, split_address
from common.attempts import Attempts
from common.batches import Batches
from common.credentials import Credentials, Party
from common.dump import EventLog
from common.errors import (
    InjectedFailureError,
    MapReduceError,
    RunFailedError,
    StaleAttemptError,
    TaskError,
    UsageError,
    printable,
)
from common.events import Event, Log
from common.lifeline import Lifeline
from common.model import Attempt, Role, TaskOptions
from common.rpc import (
    CONTROL_TIMEOUT_S,
    LARGEST_ORDER_BYTES,
    Server,
    UnreachableError,
    connect,
    error_of,
)
from common.store import NodeStore, held_folder, node_name
from common.wire import pack_role
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, WorkerServicer, add_WorkerServicer_to_server

HEARTBEAT_S = 1.0
_HEARTBEAT_TIMEOUT_S = 5.0
_JOIN_PAUSE_S = 1.0
_PATIENCE_S = 300.0
"""How long a worker from elsewhere goes on without hearing from its master."""
_LOG_PAUSE_S = 0.1
_LAST_WORDS_TIMEOUT_S = 0.4


@dataclass(frozen=True)
class Node:
    """What a worker's service works with."""

    store: NodeStore
    credentials: Credentials
    data_root: Path | None
    attempts: Attempts
    log: Log


AddServicer = Callable[[grpc.Server, Node], None]
"""Adds a role's service to a server."""


@dataclass(frozen=True)
class _Settings:
    """How a worker was started. `index` is 0 for one from elsewhere, which gets one when it joins."""

    role: Role
    index: int
    incarnation: int
    master: str
    credentials: Credentials
    listen: str
    advertise: str | None
    host: str
    folder: Path
    data_root: Path | None

    @property
    def from_elsewhere(self) -> bool:
        return self.index == 0


@dataclass(frozen=True)
class _Identity:
    """Who the master says that this worker is."""

    index: int
    incarnation: int
    epoch: int


def worker_command(role: Role, add_servicer: AddServicer, lifeline: Lifeline | None) -> click.Command:
    """Make the command line of a worker process; `lifeline` if its master started it."""

    @click.command(
        name=role, help=f"One {role}: joins a master, on this host or another, and works until it is done."
    )
    @click.option("--join", metavar="HOST:PORT", help="Where the master listens.")
    @click.option(
        "--certs",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help=f"Certificates and secret of a {role}, made by: python -m scripts.certs",
    )
    @click.option(
        "--data-root",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        default=".",
        show_default=True,
        help="Where the input is on this host; nothing outside is read.",
    )
    @click.option(
        "--folder",
        type=click.Path(path_type=Path),
        default=f"data/{role}s/joined",
        show_default=True,
        help="Its own folder, for what it writes.",
    )
    @click.option(
        "--listen",
        metavar="ADDRESS[:PORT]",
        help="Where to serve the other workers.  [default: the address that leads to the master, any port]",
    )
    @click.option("--advertise", metavar="HOST:PORT", help="What to tell the others, if that is different.")
    @click.option("--index", type=click.IntRange(1), hidden=True)
    @click.option("--incarnation", default=0, hidden=True)
    @click.option("--debug", is_flag=True, help="On an error, print the whole traceback.")
    def command(debug: bool, **options: Any) -> None:
        try:
            settings = (
                _started_by_hand(role, **options)
                if lifeline is None
                else _started_by_master(role, lifeline, **options)
            )
            _work(settings, add_servicer, lifeline)
        except MapReduceError as error:
            if debug:
                raise
            click.echo(f"Error: {printable(str(error))}", err=True)
            sys.exit(error.exit_code)

    return command


def _started_by_hand(
    role: Role,
    join: str | None,
    certs: Path | None,
    data_root: Path,
    folder: Path,
    listen: str | None,
    advertise: str | None,
    **_: object,
) -> _Settings:
    if join is None or certs is None:
        raise UsageError("--join and --certs are needed: where the master is, and what proves who we are")
    host, port = split_address(join, "--join")
    if not port:
        raise UsageError(f"--join {join}: the port is missing, as in 10.0.0.1:7000")
    credentials = Credentials.load(certs, role)
    reachable = _address_towards(host, port)
    own, own_port = split_address(listen, "--listen") if listen else (reachable, 0)
    if not data_root.is_dir():
        raise UsageError(f"--data-root {data_root}: there is no such folder")
    if advertise is not None:
        split_address(advertise, "--advertise")
    return _Settings(
        *(role, 0, 0, join, credentials, f"{own}:{own_port}"),
        *(advertise, reachable if own in WILDCARDS else own),
        *(folder.absolute(), data_root.resolve()),
    )


def _started_by_master(
    role: Role,
    lifeline: Lifeline,
    index: int,
    incarnation: int,
    folder: Path,
    listen: str | None,
    certs: Path | None,
    data_root: Path,
    **_: object,
) -> _Settings:
    master, secret = lifeline.introduction()
    credentials = Credentials(secret) if certs is None else Credentials.load(certs, role)
    root = None if certs is None else data_root
    listen = listen or f"{LOOPBACK}:0"
    host, _port = split_address(listen, "--listen")
    return _Settings(role, index, incarnation, master, credentials, listen, None, host, folder, root)


def _address_towards(host: str, port: int) -> str:
    """Return the address of this host that others see, if they are where the master is."""
    try:
        (family, kind, protocol, _, address), *_rest = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # sends nothing
            own: str = probe.getsockname()[0]
    except OSError as error:
        raise UsageError(f"--join {host}:{port}: {error.strerror}") from None
    return f"[{own}]" if ":" in own else own


def _work(settings: _Settings, add_servicer: AddServicer, lifeline: Lifeline | None) -> None:
    """Join, serve until the run is over, and leave the folder tidy."""
    with ExitStack() as stack:
        if settings.from_elsewhere:
            stack.enter_context(held_folder(settings.folder))
        worker = _Worker(settings)
        worker.join()
        log = _RemoteLog(node_name(settings.role, worker.identity.index), worker.master)
        if lifeline is not None:
            lifeline.at_end = log.flush
        worker.serve(add_servicer, log)
        worker.beat_until_the_end()
        log.flush()


class Ending(WorkerServicer):
    """The Worker service: lets the process end when the run is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def End(self, request: pb.EndRequest, context: grpc.ServicerContext) -> pb.EndResponse:  # noqa: N802
        """Let the process end once this is answered."""
        self.over.set()
        return pb.EndResponse()


class _Worker:
    """A worker's side of its membership."""

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._instance = secrets.token_hex(8) if settings.from_elsewhere else ""
        self._attempts = Attempts()
        self._ending = Ending()
        self._log: Log | None = None
        self._server = Server(
            settings.credentials,
            self._log_internal_error,
            settings.listen,
            largest_request_bytes=LARGEST_ORDER_BYTES,
        )
        self._channel = connect(settings.master, settings.credentials, Party.MASTER)
        self.master = MasterStub(self._channel)
        self.identity = _Identity(settings.index, settings.incarnation, 0)

    def join(self) -> None:
        """Tell the master that this worker is here; one from elsewhere waits until there is a master."""
        said = ""
        while True:
            try:
                self.identity = self._join()
                return
            except grpc.RpcError as failed:
                error = error_of(failed)
            # Neither no answer nor one that came late or damaged is a refusal.
            again = isinstance(error, UnreachableError) or type(error) is TaskError
            if not (self._settings.from_elsewhere and again):
                raise RunFailedError(f"the master at {self._settings.master} refused: {error}") from None
            if str(error) != said:
                said = str(error)
                reason = said.rsplit(": ", 1)[-1]
                click.echo(f"waiting for the master at {self._settings.master} ({reason})", err=True)
            if self._ending.over.wait(_JOIN_PAUSE_S):
                return  # it was in, though it was not told so, and by now that run is over

    def serve(self, add_servicer: AddServicer, log: Log) -> None:
        """Begin to answer calls."""
        self._log = log
        settings, identity = self._settings, self.identity
        store = NodeStore(settings.folder, identity.index, identity.epoch)
        node = Node(store, settings.credentials, settings.data_root, self._attempts, log)
        add_servicer(self._server.grpc, node)
        add_WorkerServicer_to_server(self._ending, self._server.grpc)
        self._server.start()
        if settings.from_elsewhere:
            name = node_name(settings.role, identity.index)
            click.echo(f"joined {settings.master} as {name}, serving at {self._address}", err=True)

    def beat_until_the_end(self) -> None:
        """Show signs of life every second until the run is over."""
        heard_s = time.monotonic()
        while not self._ending.over.wait(HEARTBEAT_S):
            try:
                self.master.Heartbeat(self._heartbeat(), timeout=_HEARTBEAT_TIMEOUT_S)
                heard_s = time.monotonic()
            except grpc.RpcError as failed:
                if isinstance(error_of(failed), StaleAttemptError):
                    self._join_again()
                    heard_s = time.monotonic()
                elif self._settings.from_elsewhere and time.monotonic() - heard_s > _PATIENCE_S:
                    raise RunFailedError(
                        f"nothing heard from the master at {self._settings.master} for {_PATIENCE_S:g} s"
                    ) from None
        self._server.stop()

    @property
    def _address(self) -> str:
        """Where the others find this worker."""
        port = self._server.address.rpartition(":")[2]
        return self._settings.advertise or f"{self._settings.host}:{port}"

    def _join(self) -> _Identity:
        request = pb.JoinRequest(
            role=pack_role(self._settings.role),
            index=self._settings.index,
            incarnation=self._settings.incarnation,
            address=self._address,
            instance=self._instance,
        )
        wait = not self._settings.from_elsewhere
        response = self.master.Join(request, timeout=CONTROL_TIMEOUT_S, wait_for_ready=wait)
        return _Identity(response.index, response.incarnation, response.epoch)

    def _join_again(self) -> None:
        """Come back after having been taken for dead; if the master is another one by now, begin anew."""
        if not self._settings.from_elsewhere:
            os._exit(0)  # it has been replaced
        before = self.identity
        self.join()
        if (before.index, before.epoch) != (self.identity.index, self.identity.epoch):
            _begin_anew()

    def _heartbeat(self) -> pb.HeartbeatRequest:
        return pb.HeartbeatRequest(
            role=pack_role(self._settings.role),
            index=self.identity.index,
            incarnation=self.identity.incarnation,
            tasks=self._attempts.in_progress(),
            progress=self._attempts.progress(),
        )

    def _log_internal_error(self, number: str, error: BaseException) -> None:
        if self._log is not None:
            self._log.event("internal_error", id=number, error=repr(error))


def _begin_anew() -> Never:
    """Replace this process by a new one of the same command, for another run: nothing is kept."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


class _RemoteLog:
    """Sends this process's events to the master, for dump.txt; a worker never waits for it."""

    def __init__(self, process: str, master: MasterStub) -> None:
        self._master = master
        self._timeout_s = CONTROL_TIMEOUT_S
        # Events come in bursts; one call for each of them would keep the master busy.
        self._events: Batches[Event] = Batches(self._send, _LOG_PAUSE_S)
        self.event = EventLog(process, self._events.put).event

    def flush(self) -> None:
        """Send what is left, before the process ends; if the master is gone, that fails at once."""
        self._timeout_s = _LAST_WORDS_TIMEOUT_S
        self._events.flush(_LAST_WORDS_TIMEOUT_S)

    def _send(self, events: list[Event]) -> None:
        with suppress(grpc.RpcError):  # a lost line is lost
            lines = [event.line() for event in events]
            self._master.Log(pb.LogRequest(lines=lines), timeout=self._timeout_s)


def wait_for_person(options: TaskOptions, attempts: Attempts) -> None:
    """Sleep for `--task-delay`, which is no hanging."""
    end_s = time.monotonic() + options.delay_s
    pause = threading.Event()
    while (left_s := end_s - time.monotonic()) > 0:
        pause.wait(min(left_s, 1.0))
        attempts.step()


def fail_if_asked(role: Role, attempt: Attempt, options: TaskOptions) -> None:
    """Raise InjectedFailureError with the probability of `--fail-rate`.

    The draw depends on the seed and on which attempt this is, not on when or where it runs.
    """
    if not options.fail_rate:
        return
    import hashlib

    name = f"{options.seed}/{role}/{attempt.stage.sequence}/{attempt.task}/{attempt.number}"
    draw = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64
    if draw < options.fail_rate:
        raise InjectedFailureError("injected by --fail-rate")
