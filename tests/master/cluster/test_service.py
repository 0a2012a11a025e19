"""What workers tell the master over the wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from common.errors import StaleAttemptError
from common.events.catalogue.workers import WorkerUsage
from common.events.dump import Dump
from common.rpc.channels import connect
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.statuses import error_of
from common.worker.lifeline import new_token
from master.cli.authority import make_folders
from master.run.recorder import Recorder
from master.views.terminal import Screen
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub
from tests.programs import PATIENCE_S
from tests.servers import listening, serve_master
from tests.story import ListView

ADDRESS = "unix:/nowhere"
A, B = new_token(), new_token()


@contextmanager
def serving_master(
    certificates: Certificates | None = None,
    caller: Certificates | None = None,
    log: Recorder | None = None,
    *,
    takes_strangers: bool = True,
) -> Iterator[MasterStub]:
    with listening(certificates) as server:
        membership = serve_master(
            server, certificates, log or Recorder(None, Screen()), takes_strangers=takes_strangers
        )
        server.start()
        channel = connect(server.address, caller, PeerRole.MASTER)
        yield MasterStub(channel)
        channel.close()
        membership.close()


@pytest.fixture
def master() -> Iterator[MasterStub]:
    with serving_master() as stub:
        yield stub


def join(token: str = A, address: str = ADDRESS, epoch: int = 0) -> pb.JoinRequest:
    return pb.JoinRequest(role=pb.ROLE_MAPPER, address=address, token=token, epoch=epoch)


def refusal(call: grpc.UnaryUnaryMultiCallable, request: object) -> Exception:  # type: ignore[type-arg]
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=PATIENCE_S)
    return error_of(caught.value)


def test_a_worker_joins_lives_and_leaves(master: MasterStub) -> None:
    assert master.Join(join(), timeout=PATIENCE_S) == pb.JoinResponse(index=1, epoch=1)
    beat, leave = pb.HeartbeatRequest(token=A), pb.LeaveRequest(token=A)
    assert master.Heartbeat(beat, timeout=PATIENCE_S) == pb.HeartbeatResponse()
    assert master.Leave(leave, timeout=PATIENCE_S) == pb.LeaveResponse()
    assert isinstance(refusal(master.Heartbeat, beat), StaleAttemptError)
    assert isinstance(refusal(master.Leave, leave), StaleAttemptError)


def test_what_a_worker_has_used_is_logged() -> None:
    """One of an older version tells nothing; what a newer one tells beyond that is not read."""
    seen = ListView()
    log = Recorder(None, seen)
    used = pb.Usage(cpu_s=1.5, resident_bytes=5, anonymous_bytes=4, read_bytes=3, sent_bytes=2)
    newer = pb.HeartbeatRequest.FromString(
        pb.HeartbeatRequest(token=A, usage=used).SerializeToString() + b"\xfa\x01\x01x"
    )
    with serving_master(log=log) as master:
        master.Join(join(), timeout=PATIENCE_S)
        for beat in (pb.HeartbeatRequest(token=A), newer):
            assert master.Heartbeat(beat, timeout=PATIENCE_S) == pb.HeartbeatResponse()
        for wrong in (pb.Usage(cpu_s=float("nan")), pb.Usage(read_bytes=-1)):
            beat = pb.HeartbeatRequest(token=A, usage=wrong)
            assert str(refusal(master.Heartbeat, beat)).startswith("INVALID_ARGUMENT")
    log.close()
    told = [entry.event for entry in seen.entries if isinstance(entry.event, WorkerUsage)]
    assert told == [
        WorkerUsage(
            worker="M1",
            cpu_s=1.5,
            resident_bytes=5,
            anonymous_bytes=4,
            read_bytes=3,
            sent_bytes=2,
            received_bytes=0,
        )
    ]


def test_one_that_joins_again_has_its_slot(master: MasterStub) -> None:
    first = master.Join(join(), timeout=PATIENCE_S)
    assert master.Join(join(epoch=1), timeout=PATIENCE_S) == first
    assert master.Join(join(B), timeout=PATIENCE_S).index == 2


def test_nobody_speaks_for_another(master: MasterStub) -> None:
    master.Join(join(), timeout=PATIENCE_S)
    for forged in ("", B, A.upper(), A[:-1], "M1"):
        assert isinstance(refusal(master.Heartbeat, pb.HeartbeatRequest(token=forged)), StaleAttemptError)
        assert isinstance(refusal(master.Leave, pb.LeaveRequest(token=forged)), StaleAttemptError)
        assert isinstance(refusal(master.Log, pb.LogRequest(token=forged)), StaleAttemptError)
    assert master.Heartbeat(pb.HeartbeatRequest(token=A), timeout=PATIENCE_S) == pb.HeartbeatResponse()


def test_a_worker_of_another_master(master: MasterStub) -> None:
    assert isinstance(refusal(master.Join, join(epoch=2)), StaleAttemptError)


def test_a_master_that_takes_only_its_own_processes() -> None:
    with serving_master(takes_strangers=False) as master:
        assert isinstance(refusal(master.Join, join()), StaleAttemptError)


@pytest.mark.parametrize(
    "address", ["", "unix:x", "unix:", "host", "dns:///host:1", "unix-abstract:x", "a:7"]
)
def test_an_address_that_is_no_socket(master: MasterStub, address: str) -> None:
    assert str(refusal(master.Join, join(address=address))).startswith("INVALID_ARGUMENT: a")


@pytest.mark.parametrize("token", ["", "a", "é" * 64, "0" * 65, "0" * 63 + "\n"])
def test_a_token_that_is_none(master: MasterStub, token: str) -> None:
    assert "a token is 64 hexadecimal digits" in str(refusal(master.Join, join(token)))


def test_a_certificate_is_for_its_role_alone(tmp_path: Path) -> None:
    make_folders(tmp_path / "certs", datetime.now(UTC) + timedelta(days=1))
    certs = {role: Certificates.load(tmp_path / "certs", role) for role in PeerRole}
    for role, may in ((PeerRole.MAPPER, True), (PeerRole.REDUCER, False)):
        with serving_master(certs[PeerRole.MASTER], certs[role]) as master:
            if may:
                assert master.Join(join(address="10.0.0.1:7"), timeout=PATIENCE_S).index == 1
                assert "any other one HOST:PORT" in str(refusal(master.Join, join(B)))  # a socket
            else:
                refused = refusal(master.Join, join(address="10.0.0.1:7"))
                assert isinstance(refused, StaleAttemptError)
                assert str(refused) == "its certificate is not a mapper's"


def test_a_line_has_the_name_of_who_sent_it(tmp_path: Path) -> None:
    dump = Dump(tmp_path / "dump.txt")
    log = Recorder(dump, Screen())
    at = "2026-01-31T12:00:00.123456Z"
    lines = [
        f"{at} master event=run_finished seconds=1",
        f"{at} R1 event=x text=a\nb",
        f"{at} M1 no_event",
        "anything",
        f"x {at} M1 event=y",
    ]
    with serving_master(log=log) as master:
        master.Join(join(), timeout=PATIENCE_S)
        master.Log(pb.LogRequest(token=A, lines=lines), timeout=PATIENCE_S)
    log.close()
    dump.close()
    written = [
        line for line in (tmp_path / "dump.txt").read_text().splitlines() if "worker_joined" not in line
    ]
    assert written == [f"{at} M1 event=run_finished seconds=1", f"{at} M1 event=x text=a\\nb"]
