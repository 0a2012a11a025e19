"""The master's side of who belongs to the cluster."""

import socket
import threading

import pytest

from common.model import Role
from common.rpc.channels import connect
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.server import Server
from common.worker.member import Ending
from master.cluster.membership import Membership, unheard_s
from master.scheduling.messages import WorkerId
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, add_WorkerServicer_to_server
from tests.servers import NO_LOG, serve_master


def serve(credentials: Credentials, address: str = "127.0.0.1:0") -> Server:
    return Server(credentials, lambda number, error: None, address)


def test_one_that_joins_as_the_run_ends_is_told_so_once_it_serves() -> None:
    """The first connection to it fails, as it does until it serves."""
    credentials, ending = Credentials.fresh(), Ending()
    master = serve(credentials)
    membership = serve_master(master, credentials)
    master.start()
    with socket.create_server(("127.0.0.1", 0)) as not_yet:
        address = f"127.0.0.1:{not_yet.getsockname()[1]}"
        request = pb.JoinRequest(role=pb.ROLE_MAPPER, address=address, instance="late")
        channel = connect(master.address, credentials, PeerRole.MASTER)
        MasterStub(channel).Join(request, timeout=10)
        channel.close()
        closing = threading.Thread(target=membership.end)
        closing.start()
        not_yet.accept()[0].close()
    worker = serve(credentials, address)
    add_WorkerServicer_to_server(ending, worker.grpc)
    worker.start()
    told = ending.over.wait(10)
    closing.join()
    membership.close()
    master.stop()
    worker.stop()
    assert told


@pytest.mark.parametrize(("since_s", "expected"), [(0.5, 0.0), (1.0, 0.0), (1.5, 1.0), (300.0, 299.5)])
def test_time_in_which_nobody_listened(since_s: float, expected: float) -> None:
    assert unheard_s(since_s) == expected


def test_it_looks_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.cluster.registry.JOIN_TIMEOUT_S", 0.0)
    killed = threading.Event()
    membership = Membership(Credentials.fresh(), NO_LOG, lambda news: None, lambda worker: killed.set())
    membership.expect(WorkerId(Role.MAPPER, 1, 1))
    membership.watch(stop=killed)
    assert killed.is_set()
