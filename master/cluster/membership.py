"""Who belongs to the cluster: workers join, show signs of life, and are declared dead here alone."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import grpc

from common.errors import StaleAttemptError
from common.events.event import RunLog
from common.model import Role
from common.rpc.channels import Server, UnreachableError, connect
from common.rpc.credentials import Credentials, Party
from common.rpc.messages import unpack_address, unpack_index, unpack_lines, unpack_role
from common.store.names import node_name
from master.scheduling.liveness import DEAD_AFTER_S, HUNG_AFTER_S, Health, Heartbeats
from master.scheduling.messages import (
    WorkerBack,
    WorkerGone,
    WorkerId,
    WorkerNotice,
    WorkerQuiet,
    WorkerReady,
)
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import (
    MapperStub,
    MasterServicer,
    ReducerStub,
    WorkerStub,
    add_MasterServicer_to_server,
)

JOIN_TIMEOUT_S = 60.0
"""For a process that this master started."""
_LOOK_EVERY_S = 0.5
_LAST_WORDS_S = 1.0
"""For answers that are on their way as the master ends."""

Place = tuple[Role, int]


@dataclass
class _Member:
    """A worker that has joined. `instance` is empty for a process that this master started."""

    worker: WorkerId
    address: str
    instance: str
    channel: grpc.Channel
    stub: MapperStub | ReducerStub
    heartbeats: Heartbeats
    told: threading.Event
    """It knows that the run is over."""
    watched: bool = False
    """Somebody wants to know when it is heard from again."""

    @property
    def name(self) -> str:
        return node_name(self.worker.role, self.worker.index)


class Membership(MasterServicer):
    """The Master service, and what it knows of the workers.

    Parameters
    ----------
    server
        To serve on; started by `open`.
    credentials
        For calls to the workers.
    epoch
        This master's life.
    log
        For the workers' own lines, and for the master's events about them.
    notify
        Told, from other threads, what happens to them.
    kill
        Makes sure that a process which this master started is dead.
    """

    def __init__(
        self,
        server: Server,
        credentials: Credentials,
        epoch: int,
        log: RunLog,
        notify: Callable[[WorkerNotice], None],
        kill: Callable[[Place, int], None],
    ) -> None:
        self._server = server
        self._credentials = credentials
        self._epoch = epoch
        self._log = log
        self._notify = notify
        self._kill = kill
        self._lock = threading.RLock()
        self._started: dict[Place, tuple[int, float]] = {}
        self._members: dict[Place, _Member] = {}
        self._instances: dict[str, WorkerId] = {}
        self._closing = threading.Event()
        add_MasterServicer_to_server(self, server.grpc)

    def open(self) -> None:
        """Let workers join."""
        self._server.start()
        threading.Thread(target=self._watch, name="membership", daemon=True).start()

    def close(self) -> None:
        """Tell workers from elsewhere that the run is over, and stop listening.

        They are called, and their heartbeats are answered so: one of both ways may be broken.
        """
        self._closing.set()
        with self._lock:
            members = list(self._members.values())
        visitors = [member for member in members if member.instance]
        for member in visitors:
            threading.Thread(target=_tell_the_end, args=(member,), daemon=True).start()
        for member in visitors:
            while not member.told.wait(_LOOK_EVERY_S):
                if member.heartbeats.health(time.monotonic()) is Health.DEAD:
                    break
        self._server.stop(_LAST_WORDS_S)
        for member in members:
            member.channel.close()

    def expect(self, place: Place, incarnation: int) -> None:
        """Let a process that this master has started join, and none before it in its place."""
        with self._lock:
            self._started[place] = incarnation, time.monotonic()

    def mapper(self, worker: WorkerId) -> MapperStub:
        """Return a mapper that joined; UnreachableError if it is lost."""
        return cast("MapperStub", self._member(worker).stub)

    def reducer(self, worker: WorkerId) -> ReducerStub:
        """Return a reducer that joined; UnreachableError if it is lost."""
        return cast("ReducerStub", self._member(worker).stub)

    def address(self, worker: WorkerId) -> str:
        """Return where a worker serves; UnreachableError if it is lost."""
        return self._member(worker).address

    def tell_when_heard(self, worker: WorkerId) -> None:
        """Notify WorkerBack at the worker's next heartbeat."""
        with suppress(UnreachableError):
            self._member(worker).watched = True

    def lose(
        self, worker: WorkerId, reason: str, *, returns: bool, left: bool = False, **details: object
    ) -> None:
        """Declare that a worker is gone, whether it joined or not; details are for the log."""
        with self._lock:
            place = worker.role, worker.index
            member = self._find(worker)
            if member is not None:
                del self._members[place]
            if self._started.get(place, (0,))[0] == worker.incarnation:
                del self._started[place]
            name = node_name(*place)
            self._log.event("worker_lost", worker=name, **details, reason=reason, returns=returns)
            self._notify(WorkerGone(worker, returns, reason, left))
            if member is not None:
                member.channel.close()  # now, for the calls that it ends are not to be heard of first

    # The service

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        """Take a worker in."""
        role = unpack_role(request.role)
        with self._lock:
            if request.index:
                index = unpack_index(request.index, "the index")
                worker = WorkerId(role, index, unpack_index(request.incarnation, "the incarnation"))
                if self._started.get((role, worker.index), (0,))[0] != worker.incarnation:
                    raise StaleAttemptError("this master did not start that worker, or has replaced it")
            else:
                worker = self._seat_visitor(role, request.instance)
            self._enter(
                worker, unpack_address(request.address), request.instance if not request.index else ""
            )
        return pb.JoinResponse(index=worker.index, incarnation=worker.incarnation, epoch=self._epoch)

    def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: grpc.ServicerContext
    ) -> pb.HeartbeatResponse:
        """Take in that a worker is alive."""
        with self._lock:
            member = self._known(request)
            if self._closing.is_set():
                member.told.set()
                return pb.HeartbeatResponse(over=True)
            member.heartbeats.beat(time.monotonic(), request.tasks, request.progress)
            if member.watched:
                member.watched = False
                self._log.event("worker_heard", worker=member.name)
                self._notify(WorkerBack(member.worker))
        return pb.HeartbeatResponse()

    def Leave(self, request: pb.LeaveRequest, context: grpc.ServicerContext) -> pb.LeaveResponse:  # noqa: N802
        """Do without a worker from now on."""
        with self._lock:
            member = self._known(request)
            self.lose(member.worker, f"{member.name} has left", returns=False, left=True)
        member.told.set()
        return pb.LeaveResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        """Put workers' own lines into the dump."""
        self._log.add_lines(*unpack_lines(request.lines))
        return pb.LogResponse()

    def _known(self, request: pb.HeartbeatRequest | pb.LeaveRequest) -> _Member:
        """Return who calls; StaleAttemptError if it is nobody of this run."""
        worker = WorkerId(unpack_role(request.role), request.index, request.incarnation)
        member = self._find(worker)
        if member is None:
            raise StaleAttemptError("that worker is not, or no longer, one of this run")
        return member

    def _seat_visitor(self, role: Role, instance: str) -> WorkerId:
        """Give a worker from elsewhere a place: its old one, or the first that is free."""
        if not instance:
            raise StaleAttemptError("a worker from elsewhere names its instance")
        known = self._instances.get(instance)
        if known is not None:
            if (member := self._members.get((role, known.index))) is not None and member.worker == known:
                self.lose(known, f"{member.name} has joined again", returns=False)
            worker = WorkerId(role, known.index, known.incarnation + 1)
        else:
            taken = {worker.index for worker in self._instances.values() if worker.role is role}
            taken |= {index for place_role, index in self._started if place_role is role}
            index = next(index for index in range(1, len(taken) + 2) if index not in taken)
            worker = WorkerId(role, index, 1)
        self._instances[instance] = worker
        return worker

    def _enter(self, worker: WorkerId, address: str, instance: str) -> None:
        party = Party(worker.role)
        channel = connect(address, self._credentials, party)
        stub = MapperStub(channel) if worker.role is Role.MAPPER else ReducerStub(channel)
        place = worker.role, worker.index
        heartbeats = Heartbeats(time.monotonic())
        self._members[place] = _Member(
            worker, address, instance, channel, stub, heartbeats, threading.Event()
        )
        self._log.event("worker_joined", worker=node_name(*place), address=address)
        self._notify(WorkerReady(worker))

    # Life and death

    def _watch(self) -> None:
        """Look at everyone's heartbeats, until the end."""
        looked_s = time.monotonic()
        while not self._closing.wait(_LOOK_EVERY_S):
            now_s = time.monotonic()
            gap_s = now_s - looked_s - _LOOK_EVERY_S
            looked_s = now_s
            with self._lock:
                for place, (incarnation, since_s) in self._started.items():
                    if place not in self._members and now_s - since_s > JOIN_TIMEOUT_S:
                        self._kill(place, incarnation)
                for member in list(self._members.values()):
                    if gap_s > _LOOK_EVERY_S:  # this process itself was stopped, or had no time
                        member.heartbeats.forgive(gap_s)
                    self._look_at(member, now_s)

    def _look_at(self, member: _Member, now_s: float) -> None:
        match member.heartbeats.health(now_s):
            case Health.DEAD:
                self._declare_dead(member, f"{member.name} was silent for {DEAD_AFTER_S:g} s")
            case Health.HUNG:
                self._declare_dead(member, f"{member.name} hangs: no progress for {HUNG_AFTER_S:g} s")
            case Health.SILENT if not member.watched:
                member.watched = True
                self._log.event("worker_silent", worker=member.name)
                self._notify(WorkerQuiet(member.worker))

    def _declare_dead(self, member: _Member, reason: str) -> None:
        if member.instance:
            self.lose(member.worker, reason, returns=False)
        else:
            member.heartbeats = Heartbeats(time.monotonic())  # its end is on its way
            self._log.event("worker_killed", worker=member.name, reason=reason)
            self._kill((member.worker.role, member.worker.index), member.worker.incarnation)

    def _member(self, worker: WorkerId) -> _Member:
        with self._lock:
            member = self._find(worker)
            if member is None:
                raise UnreachableError(f"{node_name(worker.role, worker.index)} is lost")
            return member

    def _find(self, worker: WorkerId) -> _Member | None:
        member = self._members.get((worker.role, worker.index))
        return member if member is not None and member.worker == worker else None


def _tell_the_end(member: _Member) -> None:
    # One that has just joined does not serve yet. If it does not hear, it ends when its patience does.
    with suppress(grpc.RpcError, ValueError):  # closed meanwhile: it was told another way
        WorkerStub(member.channel).End(pb.EndRequest(), timeout=DEAD_AFTER_S, wait_for_ready=True)
        member.told.set()
