"""A network that delays, swallows, cuts or damages what goes over it changes nothing in the result."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from common.errors import StaleAttemptError
from common.events.catalogue.base import Event
from common.events.catalogue.run import IterationStarted, Result
from common.events.catalogue.tasks import (
    FAILURE,
    SUCCESS,
    MapFinished,
    MapStarted,
    RpcCall,
    RpcResponse,
)
from common.events.catalogue.workers import (
    WorkerHeard,
    WorkerJoined,
    WorkerLost,
    WorkerSilent,
    WorkerSuspected,
)
from common.model import Attempt, RecordFormat, Records, Stage
from common.records import encode
from common.rpc.channels import connect
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.messages import pack
from common.rpc.statuses import UnreachableError, error_of
from common.store.names import partition_name
from mapper.servicer import add_mapper
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import (
    MapperStub,
    MasterServicer,
    WorkerStub,
    add_MasterServicer_to_server,
)
from scripts.chaos.proxy import Direction, Fault, Proxy
from tests.moments import NO_STRAGGLERS, Gate, opens
from tests.programs import (
    PATIENCE_S,
    SAMPLE,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    environment_with_hook,
    free_port,
    make_certificates,
    options,
    remote_workers,
    run_master,
    wait_until,
)
from tests.servers import listening, worker_context
from tests.story import Fields, Story, containing

MAPPING, REDUCING = opens("/a/node/.map_output"), opens("/c/node/.output")
"""Where the mapper behind the proxies, and the reducer, stand in their first tasks of the iterations."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_master(folder, *options(n=2), "--engine", "inline").returncode == 0
    return centroids_of(folder)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certs"))


@dataclass
class Disturbed:
    """A run, one of whose two mappers is behind proxies."""

    run: BackgroundRun
    name: str
    """The mapper's."""
    orders: Proxy
    """On the way to it."""
    signs: Proxy
    """On its way to the master."""


Begin = Callable[[Disturbed], object]


@contextmanager
def disturbed(
    folder: Path, certs: Path, *more: object, hooks: Sequence[str] = (), begin: Begin = lambda found: None
) -> Iterator[Disturbed]:
    """Start a run and call `begin` when it has both mappers, but no reducer; see that all end well."""
    master, mapper = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    (folder / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(r=1, n=2, input_path=folder / "points.txt"),
        *remote_workers(master, certs, folder),
    ]
    env = environment_with_hook(folder, *hooks) if hooks else None
    with ExitStack() as stack:
        enter = stack.enter_context
        orders, signs = enter(Proxy(mapper)), enter(Proxy(master))
        workers = [
            JoinedWorker(
                *("mapper", signs.address, certs, folder / "a"),
                *("--listen", mapper, "--advertise", orders.address),
                env=env,
            ),
            JoinedWorker("mapper", master, certs, folder / "b"),
        ]
        for worker in workers:
            enter(worker)
        run = enter(BackgroundRun(folder, *arguments, *more, env=env))
        joined = run.wait_for(WorkerJoined, address=orders.address)
        run.wait_until(lambda story: len(story.of(WorkerJoined, worker=containing("M"))) == 2, "mappers")
        found = Disturbed(run, joined.worker, orders, signs)
        begin(found)
        workers.append(enter(JoinedWorker("reducer", master, certs, folder / "c", env=env)))
        yield found
        assert run.end() == (0, "")
        assert [worker.end()[0] for worker in workers] == [0, 0, 0]


@pytest.mark.parametrize(
    "fault", [Fault(latency_s=0.1), Fault(latency_s=0.005, piece_bytes=50)], ids=["late", "trickle"]
)
def test_a_slow_wire_is_no_fault(tmp_path: Path, certs: Path, undisturbed: str, fault: Fault) -> None:
    def begin(found: Disturbed) -> None:
        found.orders.set_fault(fault)
        found.signs.set_fault(fault)

    with disturbed(tmp_path, certs, begin=begin) as found:
        found.run.wait_for(Result)
        found.orders.clear_fault()
        found.signs.clear_fault()
    assert centroids_of(tmp_path) == undisturbed
    assert not found.run.story().of(WorkerLost)
    assert not found.run.story().of(RpcResponse, status=FAILURE)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (
            Fault(Direction.FROM_TARGET, cut_after=40),
            lambda story, name: story.of(WorkerSuspected, worker=name),
        ),
        (Fault(flip_at=20), lambda story, name: story.of(RpcResponse, from_=name, status=FAILURE)),
    ],
    ids=["cut", "bit flipped"],
)
def test_a_connection_breaks(
    tmp_path: Path, certs: Path, undisturbed: str, fault: Fault, named: Callable[[Story, str], list[Event]]
) -> None:
    gate = Gate(tmp_path, MAPPING)
    with disturbed(tmp_path, certs, hooks=[gate.hook, NO_STRAGGLERS]) as found:
        gate.wait()
        found.orders.set_fault(fault)
        gate.open()
        found.run.wait_until(lambda story: named(story, found.name), "word of the fault")
        found.orders.clear_fault()
    assert centroids_of(tmp_path) == undisturbed


def test_signs_of_life_vanish_in_a_hole(tmp_path: Path, certs: Path, undisturbed: str) -> None:
    """It gets nothing new until it is heard again; what it does meanwhile counts."""
    gate = Gate(tmp_path, REDUCING)
    with disturbed(tmp_path, certs, hooks=[gate.hook]) as found:
        gate.wait()
        found.signs.set_fault(Fault(Direction.TO_TARGET, blocked=True))
        found.run.wait_for(WorkerSilent, worker=found.name)
        found.signs.clear_fault()
        found.run.wait_for(WorkerHeard, worker=found.name)
        gate.open()
    assert centroids_of(tmp_path) == undisturbed


def test_refused_for_good(tmp_path: Path, certs: Path, undisturbed: str) -> None:
    """Its signs of life arrive, but no order does: its tasks move, and it hears of the end all the same."""

    def begin(found: Disturbed) -> None:
        found.orders.set_fault(Fault(cut_after=0))
        found.orders.reset()

    with disturbed(tmp_path, certs, begin=begin) as found:
        pass
    assert centroids_of(tmp_path) == undisturbed
    failed: Fields = {"from_": found.name, "method": "Map", "status": FAILURE}
    assert found.run.story().of(RpcResponse, **failed, reason=containing("UNAVAILABLE"))


def test_orders_vanish_in_a_hole(tmp_path: Path, certs: Path, undisturbed: str) -> None:
    """Another mapper makes backups, long before pings tell that nobody is there."""
    gate = Gate(tmp_path, MAPPING)
    with disturbed(tmp_path, certs, "--splits", 4, hooks=[gate.hook]) as found:
        gate.wait()
        found.orders.set_fault(Fault(Direction.TO_TARGET, blocked=True))
        gate.open()
        found.run.wait_for(RpcResponse, method="Map", job="lloyd", iteration=1, attempt=2, status=SUCCESS)
        found.orders.clear_fault()
    assert centroids_of(tmp_path) == undisturbed


@pytest.mark.parametrize("lost", [Direction.TO_TARGET, Direction.FROM_TARGET], ids=["request", "response"])
def test_lost_on_its_way(tmp_path: Path, certs: Path, undisturbed: str, lost: Direction) -> None:
    """The order is given again as the same attempt, and the mapper works on it once."""
    gate = Gate(tmp_path, MAPPING)
    with disturbed(tmp_path, certs, "--splits", 4, hooks=[gate.hook, NO_STRAGGLERS]) as found:
        run, name = found.run, found.name
        order: Fields = {"to": name, "method": "Map", "job": "lloyd", "iteration": 1, "attempt": 1}
        gate.wait()
        first = run.wait_for(RpcCall, **order)
        task = first.task
        found.orders.set_fault(Fault(lost, blocked=True))
        gate.open()
        if lost is Direction.TO_TARGET:  # the mapper's next order
            task = run.wait_for(RpcCall, after=first, **order).task
        else:
            run.wait_for(MapFinished, process=name, job="lloyd", task=task, attempt=1)
        found.orders.reset()
        found.orders.clear_fault()
    begun, next_begun = run.story().of(IterationStarted)[:2]
    story = run.story().after(begun).before(next_begun)
    suspected = story.of(WorkerSuspected, worker=name)[0]
    assert story.after(suspected).of(WorkerHeard, worker=name)
    assert len(story.of(RpcCall, **order, task=task)) == 2
    begun_here: Fields = {"process": name, "job": "lloyd", "iteration": 1, "task": task, "attempt": 1}
    assert len(run.story().of(MapStarted, **begun_here)) == 1  # a worker's own lines may come later
    assert story.of(RpcResponse, from_=name, method="Map", task=task, attempt=1, status=SUCCESS)
    assert centroids_of(tmp_path) == undisturbed


def test_joining_takes_as_long_as_the_wire_needs(tmp_path: Path, certs: Path, undisturbed: str) -> None:
    """A worker whose first words vanish goes on asking; the master waits."""
    master = f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(m=1, r=1, n=2, input_path=tmp_path / "points.txt"),
        *remote_workers(master, certs, tmp_path),
    ]
    with (
        Proxy(master) as wire,
        BackgroundRun(tmp_path, *arguments) as run,
        JoinedWorker("reducer", master, certs, tmp_path / "c") as reducer,
    ):
        run.wait_for(WorkerJoined, worker="R1")
        wire.set_fault(Fault(Direction.FROM_TARGET, blocked=True))
        with JoinedWorker("mapper", wire.address, certs, tmp_path / "a") as mapper:
            wait_until(lambda: "waiting for the master" in mapper.log.read_text(), "sign of waiting")
            wire.clear_fault()
            assert run.end() == (0, "")
            assert [worker.end()[0] for worker in (mapper, reducer)] == [0, 0]
    assert centroids_of(tmp_path) == undisturbed


class _Deaf(MasterServicer):
    """A master that understands only the second time that somebody wants to join."""

    def __init__(self) -> None:
        self.asked = 0
        self.heard = threading.Event()

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        self.asked += 1
        if self.asked == 1:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "")  # as when there are too many calls
        return pb.JoinResponse(index=1, epoch=1)

    def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: grpc.ServicerContext
    ) -> pb.HeartbeatResponse:
        self.heard.set()
        return pb.HeartbeatResponse()

    def Leave(self, request: pb.LeaveRequest, context: grpc.ServicerContext) -> pb.LeaveResponse:  # noqa: N802
        return pb.LeaveResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        return pb.LogResponse()


def test_who_is_not_understood_asks_again(tmp_path: Path, certs: Path) -> None:
    with listening(Certificates.load(certs, PeerRole.MASTER)) as server:
        master = _Deaf()
        add_MasterServicer_to_server(master, server.grpc)
        server.start()
        with JoinedWorker("mapper", server.address, certs, tmp_path / "a"):
            assert master.heard.wait(PATIENCE_S)


class _Forgetful(_Deaf):
    """A master that takes a worker in, takes it for dead, and is never heard when it takes it in again."""

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        self.asked += 1
        if self.asked > 1:
            self.heard.set()
            context.abort(grpc.StatusCode.UNAVAILABLE, "")
        self.worker = request.address
        return pb.JoinResponse(index=1, epoch=1)

    def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: grpc.ServicerContext
    ) -> pb.HeartbeatResponse:
        raise StaleAttemptError("that worker is not, or no longer, one of this run")


def test_who_is_told_the_end_while_it_joins_again_ends(tmp_path: Path, certs: Path) -> None:
    certificates = Certificates.load(certs, PeerRole.MASTER)
    with listening(certificates) as server:
        master = _Forgetful()
        add_MasterServicer_to_server(master, server.grpc)
        server.start()
        with JoinedWorker("mapper", server.address, certs, tmp_path / "a") as worker:
            assert master.heard.wait(PATIENCE_S)
            channel = connect(master.worker, certificates, PeerRole.MAPPER)
            WorkerStub(channel).End(pb.EndRequest(), timeout=PATIENCE_S)
            assert worker.end()[0] == 0
            channel.close()


@pytest.fixture
def serving_mapper(tmp_path: Path, certs: Path) -> Iterator[tuple[Proxy, MapperStub]]:
    """A mapper with a partition to fetch, and who fetches it, a proxy between them."""
    own, caller = (Certificates.load(certs, role) for role in (PeerRole.MAPPER, PeerRole.REDUCER))
    worker = worker_context(tmp_path / "M1", own)
    records = Records(np.zeros(100_000, np.int32), np.zeros((100_000, 4)))
    with worker.store.attempt(ATTEMPT, keep_iterations=False) as files:
        files.write(partition_name(0), encode(records, RecordFormat.ARROW))
    with listening(own) as server:
        add_mapper(server.grpc, worker)
        server.start()
        with Proxy(server.address) as proxy:
            channel = connect(proxy.address, caller, PeerRole.MAPPER)
            yield proxy, MapperStub(channel)
            channel.close()


ATTEMPT = Attempt(Stage(1, "label"), 0, 1)
FETCH = pb.FetchPartitionRequest(attempt=pack(ATTEMPT))


def fetch(stub: MapperStub) -> int:
    return sum(len(chunk.data) for chunk in stub.FetchPartition(FETCH, timeout=PATIENCE_S))


def failure(stub: MapperStub) -> Exception:
    with pytest.raises(grpc.RpcError) as caught:
        fetch(stub)
    return error_of(caught.value)


def fetched(stub: MapperStub) -> int | None:
    try:
        return fetch(stub)
    except grpc.RpcError:  # the broken connection has not been replaced yet
        return None


@pytest.mark.parametrize("cut_after", [0, 1_000_000])
def test_a_stream_that_is_cut_may_be_had_again(
    serving_mapper: tuple[Proxy, MapperStub], cut_after: int
) -> None:
    proxy, stub = serving_mapper
    whole = fetch(stub)
    proxy.set_fault(Fault(Direction.FROM_TARGET, cut_after=cut_after))
    assert isinstance(failure(stub), UnreachableError)
    proxy.clear_fault()
    assert wait_until(lambda: fetched(stub), "connection") == whole


def test_connections_that_say_nothing_keep_nobody_out(serving_mapper: tuple[Proxy, MapperStub]) -> None:
    proxy, stub = serving_mapper
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(proxy.target))
        assert fetch(stub) > 3_000_000
