"""The workers of a run: those that this master starts and restarts, and those that join from elsewhere."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc

from common.errors import BadRequestError, StaleAttemptError
from common.events.catalogue.workers import WorkerSaid, WorkerStarted
from common.events.log import RunLog
from common.model import Role
from common.rpc.address import SOCKET
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.messages import unpack, unpack_address, unpack_lines, unpack_token
from common.rpc.server import Server, has_role
from master.cluster.membership import Membership
from master.cluster.processes import END_TIMEOUT_S, WorkerProcess
from master.cluster.registry import slot_of
from master.scheduling.messages import WorkerId, WorkerNotice
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterServicer, add_MasterServicer_to_server

_RESTARTS = 3
_RESTART_WINDOW_S = 60.0
_RESTART_BACKOFF_S = (0.0, 0.5, 2.0)
_LAST_ANSWERS_S = 1.0
"""For answers that are on their way as the master ends."""


@dataclass
class _Supervised:
    """A slot of this machine: its process, and when the ones before it ended."""

    process: WorkerProcess
    ends_s: deque[float] = field(default_factory=deque)

    def may_restart(self, now_s: float) -> bool:
        """Count an end; tell whether there were few in the last minute."""
        self.ends_s.append(now_s)
        while now_s - self.ends_s[0] > _RESTART_WINDOW_S:
            self.ends_s.popleft()
        return len(self.ends_s) <= _RESTARTS


class Cluster:
    """Mappers and reducers: processes of this machine, workers that join from elsewhere, or both.

    `processes` are started but do not know the master yet. Workers join at `server`, which has those
    `certificates`. For the rest see `Membership`; the log gets the workers' own lines as well.
    """

    def __init__(
        self,
        processes: Sequence[WorkerProcess],
        server: Server,
        certificates: Certificates | None,
        log: RunLog,
        notify: Callable[[WorkerNotice], None],
        *,
        takes_strangers: bool,
    ) -> None:
        self._log = log
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._server = server
        self._slots = {slot_of(process.worker): _Supervised(process) for process in processes}
        self.epoch = time.time_ns()
        self.membership = Membership(certificates, log, notify, self._kill, takes_strangers=takes_strangers)
        service = MasterService(self.membership, self.epoch, log, local=certificates is None)
        add_MasterServicer_to_server(service, server.grpc)

    def start(self) -> None:
        """Let the workers join; each does when it is ready."""
        self._server.start()
        threading.Thread(target=self.membership.watch, args=(self._closing,), daemon=True).start()
        for slot in self._slots.values():
            self._introduce(slot)

    def close(self) -> None:
        """End every worker and stop listening."""
        self._closing.set()
        with self._lock:
            processes = [slot.process for slot in self._slots.values()]
        for process in processes:
            process.close_input()
        deadline_s = time.monotonic() + END_TIMEOUT_S
        for process in processes:
            process.end(max(0.0, deadline_s - time.monotonic()))
        self.membership.end()
        self._server.stop(_LAST_ANSWERS_S)
        self.membership.close()

    def _introduce(self, slot: _Supervised) -> None:
        """Tell a process where the master is, and watch it from now on."""
        process, worker = slot.process, slot.process.worker
        self._log.event(
            WorkerStarted(worker=slot_of(worker), pid=process.pid, incarnation=worker.incarnation)
        )
        self.membership.expect(worker, process.token)
        threading.Thread(target=self._supervise, args=(slot, process), daemon=True).start()
        process.introduce(self._server.address)

    def _kill(self, worker: WorkerId) -> None:
        process = self._slots[slot_of(worker)].process
        if process.worker == worker:
            process.kill()

    def _supervise(self, slot: _Supervised, process: WorkerProcess) -> None:
        """Wait for a process's end, and start the next one of its slot."""
        worker, name = process.worker, slot_of(process.worker)
        end = process.wait()
        if self._closing.is_set():
            return
        for line in end.errors:
            self._log.event(WorkerSaid(worker=name, text=line))
        returns = slot.may_restart(time.monotonic())
        last_words = f": {end.errors[-1]}" if end.errors else ""
        reason = f"{name} (process {process.pid}) {end.how}{last_words}"
        self.membership.lose(worker, reason, returns=returns, pid=process.pid)
        if not returns or self._closing.wait(_RESTART_BACKOFF_S[len(slot.ends_s) - 1]):
            return
        try:
            with self._lock:
                if self._closing.is_set():
                    return
                slot.process = process.successor()
        except OSError as error:
            reason = f"{name} cannot be started again: {error.strerror}"
            self.membership.lose(worker, reason, returns=False)
            return
        self._introduce(slot)


class MasterService(MasterServicer):
    """Serves the workers of one run; `epoch` names this master's life; if `local`, none has a certificate."""

    def __init__(self, membership: Membership, epoch: int, log: RunLog, *, local: bool) -> None:
        self._membership = membership
        self._epoch = epoch
        self._log = log
        self._local = local

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        """Add a worker."""
        role, address = unpack(Role, request.role), unpack_address(request.address)
        if address.startswith(SOCKET) != self._local:
            raise BadRequestError("a worker on this machine has a socket, any other one HOST:PORT")
        if not self._local and not has_role(context, {PeerRole(role)}):
            raise StaleAttemptError(f"its certificate is not a {role}'s")
        if request.epoch not in (0, self._epoch):
            raise StaleAttemptError("that worker is of another master's run")
        worker = self._membership.join(role, unpack_token(request.token), address)
        if worker is None:
            return pb.JoinResponse(over=True)
        return pb.JoinResponse(index=worker.index, epoch=self._epoch)

    def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: grpc.ServicerContext
    ) -> pb.HeartbeatResponse:
        """Note that a worker is alive."""
        over = self._membership.beat(request.token, request.tasks, request.progress)
        return pb.HeartbeatResponse(over=over)

    def Leave(self, request: pb.LeaveRequest, context: grpc.ServicerContext) -> pb.LeaveResponse:  # noqa: N802
        """Remove a worker that leaves."""
        self._membership.leave(request.token)
        return pb.LeaveResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        """Put a worker's own lines into the dump, under its name."""
        name = self._membership.name_of(request.token)
        self._log.add_lines(*unpack_lines(request.lines, name))
        return pb.LogResponse()
