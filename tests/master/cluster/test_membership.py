"""The master's side of who belongs to the cluster."""

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.model import Role
from common.rpc.address import SOCKET, socket_beside
from common.rpc.channels import connect
from common.rpc.credentials import PeerRole
from common.rpc.server import Server
from common.worker.lifeline import new_token
from common.worker.member import Ending
from master.cluster.membership import Membership, unheard_s
from master.scheduling.messages import WorkerId
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, add_WorkerServicer_to_server
from tests.programs import PATIENCE_S, wait_until
from tests.servers import NO_LOG, listening, serve_master


def test_one_that_joins_as_the_run_ends_is_told_so_once_it_serves() -> None:
    """The first connection to it fails, as it does until it serves."""
    ending = Ending()
    with ExitStack() as stack:
        master = stack.enter_context(listening())
        membership = serve_master(master)
        master.start()
        address = socket_beside(master.address, "late")
        with socket.socket(socket.AF_UNIX) as not_yet:
            not_yet.bind(address.removeprefix(SOCKET))
            not_yet.listen()
            request = pb.JoinRequest(role=pb.ROLE_MAPPER, address=address, token=new_token())
            channel = connect(master.address, None, PeerRole.MASTER)
            MasterStub(channel).Join(request, timeout=PATIENCE_S)
            channel.close()
            closing = threading.Thread(target=membership.end)
            closing.start()
            not_yet.accept()[0].close()
            Path(address.removeprefix(SOCKET)).unlink()
        worker = Server(None, lambda *_: None, address)
        stack.callback(worker.stop)
        add_WorkerServicer_to_server(ending, worker.grpc)
        worker.start()
        told = ending.over.wait(PATIENCE_S)
        closing.join()
        membership.close()
    assert told


def test_one_whose_answer_was_lost_is_told_that_the_run_is_over_when_it_joins_again() -> None:
    """It has joined for the master, but not for itself: it does not serve and sends no heartbeat."""
    request = pb.JoinRequest(role=pb.ROLE_MAPPER, address="unix:/nowhere", token=new_token())
    with listening() as master:
        membership = serve_master(master)
        master.start()
        channel = connect(master.address, None, PeerRole.MASTER)
        stub = MasterStub(channel)
        assert not stub.Join(request, timeout=PATIENCE_S).over
        closing = threading.Thread(target=membership.end)
        closing.start()
        wait_until(lambda: stub.Join(request, timeout=PATIENCE_S).over, "the end")
        closing.join()
        channel.close()
        membership.close()


@pytest.mark.parametrize(("since_s", "expected"), [(0.5, 0.0), (1.0, 0.0), (1.5, 1.0), (300.0, 299.5)])
def test_time_in_which_nobody_listened(since_s: float, expected: float) -> None:
    assert unheard_s(since_s) == expected


def test_it_looks_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.cluster.registry.JOIN_TIMEOUT_S", 0.0)
    killed = threading.Event()
    membership = Membership(
        None, NO_LOG, lambda news: None, lambda worker: killed.set(), takes_strangers=False
    )
    membership.expect(WorkerId(Role.MAPPER, 1, 1), new_token())
    membership.watch(stop=killed)
    assert killed.is_set()
