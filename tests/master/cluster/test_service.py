"""What workers tell the master over the wire."""

from collections.abc import Iterator

import grpc
import pytest

from common.errors import StaleAttemptError
from common.rpc.channels import connect
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.server import Server
from common.rpc.statuses import error_of
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub
from tests.servers import serve_master

ADDRESS = "127.0.0.1:1"


@pytest.fixture
def master() -> Iterator[MasterStub]:
    credentials = Credentials.fresh()
    server = Server(credentials, lambda *_: None)
    membership = serve_master(server, credentials)
    server.start()
    channel = connect(server.address, credentials, PeerRole.MASTER)
    yield MasterStub(channel)
    channel.close()
    server.stop()
    membership.close()


def join(instance: str, index: int = 0, address: str = ADDRESS) -> pb.JoinRequest:
    return pb.JoinRequest(role=pb.ROLE_MAPPER, index=index, incarnation=1, address=address, instance=instance)


def refusal(call: grpc.UnaryUnaryMultiCallable, request: object) -> Exception:  # type: ignore[type-arg]
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=20)
    return error_of(caught.value)


def test_a_worker_joins_lives_and_leaves(master: MasterStub) -> None:
    assert master.Join(join("a"), timeout=20) == pb.JoinResponse(index=1, incarnation=1, epoch=1)
    beat = pb.HeartbeatRequest(role=pb.ROLE_MAPPER, index=1, incarnation=1)
    assert master.Heartbeat(beat, timeout=20) == pb.HeartbeatResponse()
    leave = pb.LeaveRequest(role=pb.ROLE_MAPPER, index=1, incarnation=1)
    assert master.Leave(leave, timeout=20) == pb.LeaveResponse()
    assert isinstance(refusal(master.Heartbeat, beat), StaleAttemptError)
    assert isinstance(refusal(master.Leave, leave), StaleAttemptError)


def test_one_that_joins_again_replaces_itself(master: MasterStub) -> None:
    master.Join(join("a"), timeout=20)
    assert master.Join(join("a"), timeout=20) == pb.JoinResponse(index=1, incarnation=2, epoch=1)
    before = pb.HeartbeatRequest(role=pb.ROLE_MAPPER, index=1, incarnation=1)
    assert isinstance(refusal(master.Heartbeat, before), StaleAttemptError)


def test_a_process_that_this_master_did_not_start(master: MasterStub) -> None:
    assert isinstance(refusal(master.Join, join("", index=1)), StaleAttemptError)


@pytest.mark.parametrize("address", ["", "unix:/run/x", "host"])
def test_an_address_that_is_none(master: MasterStub, address: str) -> None:
    assert "an address is not HOST:PORT" in str(refusal(master.Join, join("a", address=address)))
