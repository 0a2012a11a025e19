"""The workers: let them join, watch them, start them again, end them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import grpc

from common.credentials import Credentials
from common.dump import Dump
from common.errors import StaleAttemptError
from common.events import Log
from common.model import Role
from common.rpc import Server, UnreachableError, connect
from common.store import DataDir, node_name
from common.wire import unpack_address, unpack_index, unpack_lines, unpack_role
from master.processes import WorkerProcess
from master.scheduler import WorkerId, WorkerJoined, WorkerLost
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import (
    MapperStub,
    MasterServicer,
    ReducerStub,
    add_MasterServicer_to_server,
)

JOIN_TIMEOUT_S = 60.0
_RESTARTS = 3
_RESTART_WINDOW_S = 60.0
_RESTART_BACKOFF_S = (0.0, 0.5, 2.0)
_END_TIMEOUT_S = 2.0

Notify = Callable[[WorkerJoined | WorkerLost], None]


@dataclass
class _Place:
    """Where a worker lives: one process after another."""

    role: Role
    index: int
    process: WorkerProcess
    stub: MapperStub | ReducerStub | None = None
    address: str = ""
    ended: bool = False
    join_timer: threading.Timer | None = None
    ends_s: deque[float] = field(default_factory=deque)

    @property
    def name(self) -> str:
        return node_name(self.role, self.index)

    @property
    def worker(self) -> WorkerId:
        return WorkerId(self.role, self.index, self.process.incarnation)


class Cluster:
    """M mappers and R reducers as processes of this machine, on loopback.

    Parameters
    ----------
    processes
        The workers, started but not introduced.
    data_dir
        Where their folders are.
    dump
        Gets the workers' own lines.
    log
        Gets the master's events about them.
    notify
        Told, from other threads, who joins and who is lost.
    """

    def __init__(
        self, processes: Sequence[WorkerProcess], data_dir: DataDir, dump: Dump, log: Log, notify: Notify
    ) -> None:
        self._data_dir = data_dir
        self._dump = dump
        self._log = log
        self._notify = notify
        self._credentials = Credentials.fresh()
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._channels: list[grpc.Channel] = []
        self._places = {
            (process.role, process.index): _Place(process.role, process.index, process)
            for process in processes
        }
        self._server = Server(self._credentials, self._log_internal_error)
        add_MasterServicer_to_server(_Membership(self), self._server.grpc)

    def start(self) -> None:
        """Let the workers join; each does when it is ready."""
        self._server.start()
        for place in self._places.values():
            self._introduce(place)

    def mapper(self, worker: WorkerId) -> MapperStub:
        """Return a mapper that joined; UnreachableError if it has ended."""
        return cast("MapperStub", self._joined(worker).stub)

    def reducer(self, worker: WorkerId) -> ReducerStub:
        """Return a reducer that joined; UnreachableError if it has ended."""
        return cast("ReducerStub", self._joined(worker).stub)

    def address(self, worker: WorkerId) -> str:
        """Return where a worker serves; UnreachableError if it has ended."""
        return self._joined(worker).address

    def _joined(self, worker: WorkerId) -> _Place:
        with self._lock:
            place = self._places[worker.role, worker.index]
            if place.worker != worker or place.stub is None:
                raise UnreachableError(f"{place.name} has ended")
            return place

    def kill(self, worker: WorkerId) -> None:
        """Make sure that a worker process is dead; its end is notified as any other."""
        with self._lock:
            place = self._places[worker.role, worker.index]
            if place.worker == worker:
                place.process.kill()

    def close(self) -> None:
        """End every worker and stop listening."""
        self._closing.set()
        with self._lock:
            for place in self._places.values():
                place.process.let_go()
                if place.join_timer is not None:
                    place.join_timer.cancel()
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        for place in self._places.values():
            place.process.end(max(0.0, deadline_s - time.monotonic()))
        self._server.stop()
        for channel in self._channels:
            channel.close()

    def joined(self, worker: WorkerId, address: str) -> None:
        """Take a worker in.

        Raises
        ------
        StaleAttemptError
            It is not one that this master has started, or it has been replaced.
        """
        with self._lock:
            place = self._places.get((worker.role, worker.index))
            if place is None or place.worker != worker or place.ended:
                raise StaleAttemptError("this master did not start that worker, or it has ended")
            if place.join_timer is not None:
                place.join_timer.cancel()
            channel = connect(address, self._credentials, place.role)
            self._channels.append(channel)
            place.stub = MapperStub(channel) if place.role is Role.MAPPER else ReducerStub(channel)
            place.address = address
            self._log.event("worker_joined", worker=place.name, address=address)
            self._notify(WorkerJoined(worker))

    def write_lines(self, lines: Sequence[str]) -> None:
        """Put workers' own lines into the dump."""
        for line in lines:
            self._dump.write(line)

    def _introduce(self, place: _Place) -> None:
        process = place.process
        self._log.event("worker_started", worker=place.name, pid=process.pid, incarnation=process.incarnation)
        place.join_timer = threading.Timer(JOIN_TIMEOUT_S, process.kill)
        place.join_timer.daemon = True
        place.join_timer.start()
        threading.Thread(target=self._watch, args=(place, process), daemon=True).start()
        process.introduce(self._server.address, self._credentials.secret)

    def _watch(self, place: _Place, process: WorkerProcess) -> None:
        """Wait for a process's end, and start another in its place."""
        worker = place.worker
        said, ending = process.watch()
        if self._closing.is_set():
            return
        for line in said:
            self._log.event("worker_said", worker=place.name, text=line)
        returns = self._may_restart(place)
        last_words = f": {said[-1]}" if said else ""
        reason = f"{place.name} (process {process.pid}) {ending}{last_words}"
        with self._lock:
            place.ended = True
            self._log.event("worker_lost", worker=place.name, pid=process.pid, reason=reason, returns=returns)
            self._notify(WorkerLost(worker, returns, reason))
        if not returns or self._closing.wait(_RESTART_BACKOFF_S[len(place.ends_s) - 1]):
            return
        with self._lock:
            if not self._closing.is_set():
                self._restart(place)

    def _restart(self, place: _Place) -> None:
        folder = self._data_dir.node(place.role, place.index)
        try:
            process = WorkerProcess(place.role, place.index, place.worker.incarnation + 1, folder)
        except OSError as error:
            reason = f"{place.name} cannot be started again: {error.strerror}"
            self._log.event("worker_lost", worker=place.name, reason=reason, returns=False)
            self._notify(WorkerLost(place.worker, False, reason))
            return
        place.process, place.stub, place.ended = process, None, False
        self._introduce(place)

    def _may_restart(self, place: _Place) -> bool:
        """Count an end; tell whether there were few of late."""
        now_s = time.monotonic()
        place.ends_s.append(now_s)
        while now_s - place.ends_s[0] > _RESTART_WINDOW_S:
            place.ends_s.popleft()
        return len(place.ends_s) <= _RESTARTS

    def _log_internal_error(self, number: str, error: BaseException) -> None:
        self._log.event("internal_error", id=number, error=repr(error))


class _Membership(MasterServicer):
    """The Master service."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        """Take a worker in."""
        worker = WorkerId(
            unpack_role(request.role),
            unpack_index(request.index, "the index"),
            unpack_index(request.incarnation, "the incarnation"),
        )
        self._cluster.joined(worker, unpack_address(request.address))
        return pb.JoinResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        """Put workers' own lines into the dump."""
        self._cluster.write_lines(unpack_lines(request.lines))
        return pb.LogResponse()
