"""What a mapper and a reducer process have in common: start, join the master, log, end.

The master starts a worker and writes its own address and the run's secret as the first line to the
worker's standard input, which it keeps open; see `common.lifeline`.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import grpc

from common.credentials import Credentials, Party
from common.dump import EventLog
from common.errors import InjectedFailureError
from common.events import Event, Log
from common.lifeline import Lifeline
from common.model import Attempt, Role, TaskOptions
from common.rpc import CONTROL_TIMEOUT_S, LARGEST_ORDER_BYTES, Server, UnreachableError, connect, error_of
from common.store import NodeStore, node_name
from common.wire import pack_role
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub

_LOG_DELAY_S = 0.1

AddServicer = Callable[[grpc.Server, NodeStore, Credentials, Log], None]
"""Adds a role's service to a server, given the store, the credentials and the log."""


def worker_command(role: Role, add_servicer: AddServicer, lifeline: Lifeline) -> click.Command:
    """Make the command line of a worker process."""

    @click.command(name=role, help=f"One {role} process. The master starts it; you need not.")
    @click.option("--index", required=True, type=click.IntRange(1), help="Which one it is, from 1.")
    @click.option("--incarnation", default=1, type=click.IntRange(1), help="How often it was started.")
    @click.option("--folder", required=True, type=click.Path(path_type=Path), help="Its own folder.")
    def command(index: int, incarnation: int, folder: Path) -> None:
        join, secret = lifeline.introduction()
        credentials = Credentials(secret)
        channel = connect(join, credentials, Party.MASTER)
        log = _RemoteLog(node_name(role, index), MasterStub(channel))
        lifeline.at_end = log.flush
        server = Server(
            credentials,
            lambda number, error: log.event("internal_error", id=number, error=repr(error)),
            largest_request_bytes=LARGEST_ORDER_BYTES,
        )
        add_servicer(server.grpc, NodeStore(folder, index), credentials, log)
        server.start()
        request = pb.JoinRequest(
            role=pack_role(role), index=index, incarnation=incarnation, address=server.address
        )
        MasterStub(channel).Join(request, timeout=CONTROL_TIMEOUT_S, wait_for_ready=True)
        threading.Event().wait()  # until the lifeline ends this process

    return command


class _RemoteLog:
    """Sends this process's events to the master, for dump.txt; a worker never waits for it."""

    def __init__(self, process: str, master: MasterStub) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._pause = threading.Event()
        self._master = master
        self.event = EventLog(process, self._receive).event
        threading.Thread(target=self._send, name="log", daemon=True).start()

    def _receive(self, event: Event) -> None:
        self._lines.put(event.line())

    def flush(self) -> None:
        """Send what is left, before the process ends; if the master is gone, that fails at once."""
        with suppress(grpc.RpcError):
            self._send_waiting([], timeout_s=0.5)

    def _send(self) -> None:
        while True:
            first = self._lines.get()
            # Lines come in bursts; one call for each of them would keep the master busy.
            self._pause.wait(_LOG_DELAY_S)
            try:
                self._send_waiting([first], timeout_s=CONTROL_TIMEOUT_S)
            except grpc.RpcError as error:
                if isinstance(error_of(error), UnreachableError):
                    return  # the master is gone, and soon this process is

    def _send_waiting(self, lines: list[str], timeout_s: float) -> None:
        while not self._lines.empty():
            lines.append(self._lines.get())
        if lines:
            self._master.Log(pb.LogRequest(lines=lines), timeout=timeout_s)


def wait_for_person(options: TaskOptions) -> None:
    """Sleep for `--task-delay`."""
    if options.delay_s:
        threading.Event().wait(options.delay_s)


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
