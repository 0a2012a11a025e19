"""The worker processes: start them, let them join, watch them, start them again, end them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from common.dump import Dump
from common.errors import StaleAttemptError
from common.events import Log
from common.model import Role
from common.rpc import Server, UnreachableError, connect, new_secret
from common.store import DataDir, node_name
from common.wire import unpack_role
from master.scheduler import WorkerId, WorkerJoined, WorkerLost
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterServicer, add_MasterServicer_to_server

JOIN_TIMEOUT_S = 60.0
_RESTARTS = 3
_RESTART_WINDOW_S = 60.0
_RESTART_BACKOFF_S = (0.0, 0.5, 2.0)
_END_TIMEOUT_S = 2.0
_ROOT = Path(__file__).resolve().parent.parent

_WORKER_SETTINGS = {
    # The workers share the cores among themselves.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Every iteration needs the same large arrays again, and pages fresh from the system cost more
    # than what is computed in them: keep up to 256 MiB of freed memory.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}

Notify = Callable[[WorkerJoined | WorkerLost], None]


@dataclass
class _Place:
    """Where a worker lives: one process after another."""

    role: Role
    index: int
    process: subprocess.Popen[bytes] | None = None
    worker: WorkerId | None = None
    channel: grpc.Channel | None = None
    address: str = ""
    join_timer: threading.Timer | None = None
    ends_s: deque[float] = field(default_factory=deque)

    @property
    def name(self) -> str:
        return node_name(self.role, self.index)


class Cluster:
    """M mappers and R reducers as processes of this machine, on loopback.

    Parameters
    ----------
    mappers, reducers
        How many of each.
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
        self, mappers: int, reducers: int, data_dir: DataDir, dump: Dump, log: Log, notify: Notify
    ) -> None:
        self._data_dir = data_dir
        self._dump = dump
        self._log = log
        self._notify = notify
        self._secret = new_secret()
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._channels: list[grpc.Channel] = []
        counts = {Role.MAPPER: mappers, Role.REDUCER: reducers}
        self._places = {
            (role, index): _Place(role, index)
            for role, count in counts.items()
            for index in range(1, count + 1)
        }
        self._server = Server(self._secret, self._log_internal_error)
        add_MasterServicer_to_server(_Membership(self), self._server.grpc)

    def start(self) -> None:
        """Start every worker at once; each joins when it is ready."""
        self._server.start()
        for place in self._places.values():
            self._launch(place, 1)

    def channel(self, worker: WorkerId) -> tuple[grpc.Channel, str]:
        """Return the channel to a worker that joined, and its address.

        Raises
        ------
        UnreachableError
            It has ended; perhaps another was started in its place.
        """
        with self._lock:
            place = self._places[worker.role, worker.index]
            if place.worker != worker or place.channel is None:
                raise UnreachableError(f"{place.name} has ended")
            return place.channel, place.address

    def kill(self, worker: WorkerId) -> None:
        """Make sure that a worker process is dead; its end is notified as any other."""
        with self._lock:
            place = self._places[worker.role, worker.index]
            if place.worker == worker and place.process is not None:
                place.process.kill()

    def close(self) -> None:
        """End every worker and stop listening."""
        self._closing.set()
        with self._lock:
            processes = [place.process for place in self._places.values() if place.process is not None]
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        for process in processes:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._server.stop()
        for channel in self._channels:
            channel.close()
        for place in self._places.values():
            if place.join_timer is not None:
                place.join_timer.cancel()

    def _launch(self, place: _Place, incarnation: int) -> None:
        command = [
            *(sys.executable, "-m", place.role),
            *("--join", self._server.address),
            *("--index", str(place.index)),
            *("--incarnation", str(incarnation)),
            *("--folder", str(self._data_dir.node(place.role, place.index))),
        ]
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_worker_environment(),
            process_group=0,  # Ctrl-C is for the master, which then ends its workers
        )
        place.process, place.channel = process, None
        place.worker = WorkerId(place.role, place.index, incarnation)
        place.join_timer = threading.Timer(JOIN_TIMEOUT_S, process.kill)
        place.join_timer.daemon = True
        place.join_timer.start()
        self._log.event("worker_started", worker=place.name, pid=process.pid, incarnation=incarnation)
        threading.Thread(target=self._watch, args=(place, process, place.worker), daemon=True).start()
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended already, which the watcher reports
            process.stdin.write(f"{self._secret}\n".encode())
            process.stdin.flush()

    def _watch(self, place: _Place, process: subprocess.Popen[bytes], worker: WorkerId) -> None:
        """Pass on what a process says on standard error, until it ends; then start it again."""
        assert process.stderr is not None
        assert process.stdin is not None
        said = ""
        with process.stderr:
            for line in process.stderr:
                said = line.decode("utf-8", "replace").rstrip() or said
                self._log.event("worker_said", worker=place.name, text=said)
        code = process.wait()
        if self._closing.is_set():
            return
        with suppress(OSError):
            process.stdin.close()
        now_s = time.monotonic()
        place.ends_s.append(now_s)
        while now_s - place.ends_s[0] > _RESTART_WINDOW_S:
            place.ends_s.popleft()
        returns = len(place.ends_s) <= _RESTARTS
        reason = f"{place.name} (process {process.pid}) {_how_it_ended(code)}" + (f": {said}" if said else "")
        self._log.event("worker_lost", worker=place.name, pid=process.pid, reason=reason, returns=returns)
        self._notify(WorkerLost(worker, returns, reason))
        if returns and not self._closing.wait(_RESTART_BACKOFF_S[len(place.ends_s) - 1]):
            with self._lock:
                if not self._closing.is_set():
                    self._launch(place, worker.incarnation + 1)

    def joined(self, worker: WorkerId, address: str) -> bool:
        """Take a worker in; False if it is not one that this master has started."""
        with self._lock:
            place = self._places.get((worker.role, worker.index))
            if place is None or place.worker != worker:
                return False
            if place.join_timer is not None:
                place.join_timer.cancel()
            place.channel, place.address = connect(address, self._secret), address
            self._channels.append(place.channel)
        self._log.event("worker_joined", worker=place.name, address=address)
        self._notify(WorkerJoined(worker))
        return True

    def write_lines(self, lines: list[str]) -> None:
        """Put workers' own lines into the dump."""
        for line in lines:
            self._dump.write(line)

    def _log_internal_error(self, number: str, error: BaseException) -> None:
        self._log.event("internal_error", id=number, error=repr(error))


class _Membership(MasterServicer):
    """The Master service."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        """Take a worker in."""
        worker = WorkerId(unpack_role(request.role), request.index, request.incarnation)
        if not self._cluster.joined(worker, request.address):
            raise StaleAttemptError("this master did not start that worker")
        return pb.JoinResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        """Put workers' own lines into the dump."""
        self._cluster.write_lines(list(request.lines))
        return pb.LogResponse()


def _worker_environment() -> dict[str, str]:
    """Return the environment of a worker, which finds our packages wherever the master was started."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | _WORKER_SETTINGS | {"PYTHONPATH": os.pathsep.join(paths)}


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {-code} ({signal.Signals(-code).name})"
