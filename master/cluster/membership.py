"""Who belongs to the cluster: changes happen one at a time and are reported in that order.

Workers join here, over the wire, and are declared dead here alone. `registry` has the rules.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import grpc

from common.errors import BadRequestError, StaleAttemptError
from common.events.catalogue import workers as events
from common.events.log import RunLog
from common.model import Role
from common.rpc.address import SOCKET
from common.rpc.channels import connect
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.messages import MOST_BYTES, unpack, unpack_address, unpack_lines, unpack_token, within
from common.rpc.server import has_role
from common.rpc.statuses import UnreachableError
from master.cluster.registry import Registered, Registry, slot_of
from master.scheduling.liveness import DEAD_AFTER_S, Heartbeats
from master.scheduling.messages import (
    WorkerBack,
    WorkerGone,
    WorkerId,
    WorkerNotice,
    WorkerQuiet,
    WorkerReady,
)
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub, MasterServicer, ReducerStub, WorkerStub

LOOK_EVERY_S = 0.5


class Link:
    """How to reach a worker; only the stub of its role has a service behind it."""

    def __init__(self, role: Role, address: str, certificates: Certificates | None) -> None:
        self.address = address
        channel = connect(address, certificates, role)
        self.mapper, self.reducer = MapperStub(channel), ReducerStub(channel)
        self.worker = WorkerStub(channel)
        self.close = channel.close


class Membership(MasterServicer):
    """The workers of a run, for all threads of the master, and the Master service, which they call.

    `log` and `notify` learn what happens to the workers, while the lock is held, so that news come in their
    order. `kill` ends a process that this master started. Others may join if it `takes_strangers`.
    """

    def __init__(
        self,
        certificates: Certificates | None,
        log: RunLog,
        notify: Callable[[WorkerNotice], None],
        kill: Callable[[WorkerId], None],
        *,
        takes_strangers: bool,
    ) -> None:
        self._certificates = certificates
        self._log = log
        self._notify = notify
        self._kill = kill
        self._lock = threading.RLock()
        self._registry = Registry(takes_strangers=takes_strangers)
        self._links: dict[WorkerId, Link] = {}
        self._over = False
        self.epoch = time.time_ns()
        """Names this master's life: workers of another one are refused."""

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        """Add a worker."""
        role, address = unpack(Role, request.role), unpack_address(request.address)
        local = self._certificates is None
        if address.startswith(SOCKET) != local:
            raise BadRequestError("a worker on this machine has a socket, any other one HOST:PORT")
        if not local and not has_role(context, {PeerRole(role)}):
            raise StaleAttemptError(f"its certificate is not a {role}'s")
        if request.epoch not in (0, self.epoch):
            raise StaleAttemptError("that worker is of another master's run")
        worker = self.join(role, unpack_token(request.token), address)
        if worker is None:
            return pb.JoinResponse(over=True)
        return pb.JoinResponse(index=worker.index, epoch=self.epoch)

    def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: grpc.ServicerContext
    ) -> pb.HeartbeatResponse:
        """Note that a worker is alive."""
        with self._lock:
            registered = self._registry.joined_with(request.token)
            if request.HasField("usage"):
                self._log.event(_usage_of(registered.worker, request.usage))
            if self._over:
                registered.told.set()
                return pb.HeartbeatResponse(over=True)
            registered.heartbeats.beat(time.monotonic(), request.tasks, request.progress)
            if registered.awaited:
                registered.awaited = False
                self._log.event(events.WorkerHeard(worker=slot_of(registered.worker)))
                self._notify(WorkerBack(registered.worker))
        return pb.HeartbeatResponse()

    def Leave(self, request: pb.LeaveRequest, context: grpc.ServicerContext) -> pb.LeaveResponse:  # noqa: N802
        """Remove a worker that leaves."""
        with self._lock:
            registered = self._registry.joined_with(request.token)
            worker = registered.worker
            self.lose(worker, f"{slot_of(worker)} has left", returns=False, left=True)
        registered.told.set()
        return pb.LeaveResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        """Put a worker's own lines into the dump, under its name."""
        with self._lock:
            name = slot_of(self._registry.holder(request.token))
        self._log.add_lines(*unpack_lines(request.lines, name))
        return pb.LogResponse()

    def expect(self, worker: WorkerId, token: str) -> None:
        """Let a process that this master has started join."""
        with self._lock:
            self._registry.expect(worker, token, time.monotonic())

    def join(self, role: Role, token: str, address: str) -> WorkerId | None:
        """Add a worker, perhaps again; return who it is now, or None if the run is over.

        StaleAttemptError if this run does not take it.
        """
        with self._lock:
            with suppress(StaleAttemptError):
                before = self._registry.joined_with(token)
                if self._over:
                    before.told.set()
                elif not before.own:
                    self.lose(before.worker, f"{slot_of(before.worker)} has joined again", returns=False)
            if self._over:
                return None
            worker = self._registry.join(role, token, time.monotonic())
            self._links[worker] = Link(role, address, self._certificates)
            self._log.event(events.WorkerJoined(worker=slot_of(worker), address=address))
            self._notify(WorkerReady(worker))
        return worker

    def lose(
        self, worker: WorkerId, reason: str, *, returns: bool, left: bool = False, pid: int | None = None
    ) -> None:
        """Declare that a worker is gone, whether it joined or not; `pid` is for the log."""
        with self._lock:
            self._registry.remove(worker)
            self._log.event(
                events.WorkerLost(worker=slot_of(worker), pid=pid, reason=reason, returns=returns)
            )
            self._notify(WorkerGone(worker, returns, reason, left))
            if worker in self._links:
                # Only now: the calls that this ends must not be heard of before the loss.
                self._links.pop(worker).close()

    def link(self, worker: WorkerId) -> Link:
        """Return how to reach a worker; UnreachableError if it is lost."""
        with self._lock:
            if worker not in self._links:
                raise UnreachableError(f"{slot_of(worker)} is lost")
            return self._links[worker]

    def tell_when_heard(self, worker: WorkerId) -> None:
        """Notify WorkerBack at the worker's next heartbeat."""
        with self._lock, suppress(StaleAttemptError):
            self._registry.get(worker).awaited = True

    def watch(self, stop: threading.Event) -> None:
        """Look at everyone's heartbeats twice a second, until it is to stop."""
        looked_s = time.monotonic()
        while not stop.wait(LOOK_EVERY_S):
            now_s = time.monotonic()
            with self._lock:
                for worker in self._registry.overdue(now_s):
                    self._kill(worker)
                for registered in self._registry.joined():
                    registered.heartbeats.forgive(unheard_s(now_s - looked_s))
                    self._look_at(registered, now_s)
            looked_s = now_s

    def _look_at(self, registered: Registered, now_s: float) -> None:
        worker, reason = registered.worker, registered.cause_of_death(now_s)
        if reason and not registered.own:
            self.lose(worker, reason, returns=False)
        elif reason:
            registered.heartbeats = Heartbeats(now_s)  # its process is about to end, and will be lost then
            self._log.event(events.WorkerKilled(worker=slot_of(worker), reason=reason))
            self._kill(worker)
        elif registered.falls_silent(now_s):
            self._log.event(events.WorkerSilent(worker=slot_of(worker)))
            self._notify(WorkerQuiet(worker))

    def end(self) -> None:
        """Tell workers from elsewhere that the run is over, and wait until each knows it, or is dead.

        Each is called, and the answer to its heartbeat says so, too: one of both ways may be broken.
        """
        with self._lock:
            self._over = True
            others = [
                (other, self._links[other.worker]) for other in self._registry.joined() if not other.own
            ]
        for other, link in others:
            threading.Thread(target=_tell_the_end, args=(other, link), daemon=True).start()
        for other, _ in others:
            while not other.told.wait(LOOK_EVERY_S):
                if reason := other.cause_of_death(time.monotonic()):
                    self.lose(other.worker, reason, returns=False)
                    break

    def close(self) -> None:
        """Close all channels."""
        with self._lock:
            for link in self._links.values():
                link.close()


def unheard_s(since_last_look_s: float) -> float:
    """Return for how long this process itself did not run since its last look."""
    late_s = since_last_look_s - LOOK_EVERY_S
    return late_s if late_s > LOOK_EVERY_S else 0.0


def _usage_of(worker: WorkerId, usage: pb.Usage) -> events.WorkerUsage:
    """Return what a worker says that it has used; BadRequestError for what no process can have used."""
    names = (field.name for field in usage.DESCRIPTOR.fields)
    numbers = {name: within(getattr(usage, name), 0, MOST_BYTES, name) for name in names}
    return events.WorkerUsage(worker=slot_of(worker), **numbers)


def _tell_the_end(registered: Registered, link: Link) -> None:
    # One that has just joined does not serve yet. If it does not hear, it ends when its patience does.
    with suppress(grpc.RpcError, ValueError):  # closed meanwhile: it was told another way
        link.worker.End(pb.EndRequest(), timeout=DEAD_AFTER_S, wait_for_ready=True)
        registered.told.set()
