"""Nobody without the right gets an answer, on real servers, for every method, and nothing leaks."""

import dataclasses
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from common.errors import RunFailedError
from common.rpc.channels import connect
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.server import CALLERS
from common.rpc.statuses import UnreachableError, error_of
from common.worker.lifeline import new_token
from master.cli.authority import issue, make_authority, make_folders
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub
from tests.servers import Serving, listening, methods, serving

METHODS = methods()
TIMEOUT_S = 20.0


def days(count: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=count)


def call(channel: grpc.Channel, method: str) -> grpc.RpcError | None:
    """Call a method as its stub would, with an empty request; return how it failed."""
    _, request = METHODS[method]
    kind = channel.unary_stream if streams(method) else channel.unary_unary
    stub: Any = kind(method, request.SerializeToString, pb.JoinResponse.FromString)
    try:
        answer = stub(request(), timeout=TIMEOUT_S)
        if streams(method):
            list(answer)
    except grpc.RpcError as error:
        return error
    return None


def streams(method: str) -> bool:
    return "Read" in method or "Fetch" in method


def refusal(error: grpc.RpcError | None) -> tuple[grpc.StatusCode, str, tuple[Any, ...]]:
    """Return all that a refused caller gets to know."""
    assert isinstance(error, grpc.Call)
    assert isinstance(error_of(error), RunFailedError)
    return error.code(), error.details() or "", tuple(error.trailing_metadata() or ())


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs") / "certs"
    make_folders(folder, days(1))
    return folder


@pytest.fixture(scope="module")
def remote(certs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    loaded: dict[PeerRole, Certificates | None] = {
        role: Certificates.load(certs / role, role) for role in PeerRole
    }
    with serving(loaded, tmp_path_factory.mktemp("remote")) as found:
        yield found


@pytest.mark.parametrize("caller", PeerRole)
@pytest.mark.parametrize("method", METHODS)
def test_a_certificate_gives_the_rights_of_its_role(remote: Serving, method: str, caller: PeerRole) -> None:
    error = call(remote.channel(METHODS[method][0], remote.certificates[caller]), method)
    if caller in CALLERS[method]:
        assert error is None or error.code() is not grpc.StatusCode.PERMISSION_DENIED
    else:
        assert refusal(error) == (grpc.StatusCode.PERMISSION_DENIED, "", ())


@pytest.mark.parametrize("method", METHODS)
def test_without_tls(remote: Serving, method: str) -> None:
    channel = grpc.insecure_channel(remote.addresses[METHODS[method][0]])
    assert isinstance(error_of(cast("Any", call(channel, method))), UnreachableError)
    channel.close()


def test_unknown_methods_and_reflection_are_refused(remote: Serving) -> None:
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    channel: Any = remote.channel(PeerRole.MAPPER, remote.certificates[PeerRole.MASTER])
    for method in (reflection, "/mapreduce.v1.Mapper/Sort", "/"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method, bytes, bytes)(b"", timeout=TIMEOUT_S)
        assert refusal(caught.value) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", ())


def strangers(mine: Certificates) -> dict[str, Certificates]:
    """Return certificates that won't do."""
    other = make_authority(days(1))
    forged = issue(other, PeerRole.MASTER, days(1))
    return {
        "own authority": dataclasses.replace(mine, own=forged.pem, key=forged.key_pem),
        "own authority, trusts it": Certificates(other.pem, forged.pem, forged.key_pem),
        "no own certificate": dataclasses.replace(mine, own=b"", key=b""),
    }


@pytest.mark.parametrize("who", ["own authority", "own authority, trusts it", "no own certificate"])
def test_without_a_certificate_of_our_authority(remote: Serving, who: str) -> None:
    mine = remote.certificates[PeerRole.MASTER]
    assert mine is not None
    caller = strangers(mine)[who]
    error = no_connection(remote.addresses[PeerRole.MAPPER], caller)
    assert "mapper" not in str(error)


def no_connection(address: str, caller: Certificates) -> UnreachableError:
    """Try to call a mapper that TLS keeps away."""
    if not caller.own:
        bare = grpc.ssl_channel_credentials(caller.authority)
        name = (("grpc.ssl_target_name_override", PeerRole.MAPPER.dns_name),)
        channel = grpc.secure_channel(address, bare, name)
    else:
        channel = connect(address, caller, PeerRole.MAPPER)
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/mapreduce.v1.Mapper/Map", bytes, bytes)(b"", timeout=TIMEOUT_S)
    channel.close()
    error = error_of(caught.value)
    assert isinstance(error, UnreachableError)
    return error


def test_an_expired_certificate() -> None:
    authority = make_authority(days(1))

    def role(which: PeerRole, stop: datetime) -> Certificates:
        own = issue(authority, which, stop)
        return Certificates(authority.pem, own.pem, own.key_pem)

    with listening(role(PeerRole.MAPPER, days(1))) as server:
        server.start()
        no_connection(server.address, role(PeerRole.MASTER, days(-1)))
        channel = connect(server.address, role(PeerRole.MASTER, days(1)), PeerRole.MAPPER)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/mapreduce.v1.Mapper/Sort", bytes, bytes)(b"", timeout=TIMEOUT_S)
        assert refusal(caught.value)[0] is grpc.StatusCode.UNIMPLEMENTED
        channel.close()


def test_a_caller_reaches_only_the_role_it_means(remote: Serving) -> None:
    """A reducer that took over a mapper's address is not believed to be one."""
    channel = connect(
        remote.addresses[PeerRole.REDUCER], remote.certificates[PeerRole.MASTER], PeerRole.MAPPER
    )
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/mapreduce.v1.Mapper/Map", bytes, bytes)(b"", timeout=TIMEOUT_S)
    assert isinstance(error_of(caught.value), UnreachableError)
    channel.close()


def test_many_messages_go_over_one_channel(remote: Serving) -> None:
    stub = MasterStub(remote.channel(PeerRole.MASTER, remote.certificates[PeerRole.REDUCER]))
    join = pb.JoinRequest(role=pb.ROLE_REDUCER, address="10.0.0.1:7", token=new_token())
    stub.Join(join, timeout=TIMEOUT_S)
    for _ in range(20):
        log = pb.LogRequest(token=join.token, lines=["x" * 1000])
        assert stub.Log(log, timeout=TIMEOUT_S) == pb.LogResponse()


def test_umask_does_not_matter_for_private_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_folders(tmp_path / "certs", days(1))
    finally:
        os.umask(before)
    made = [tmp_path / "certs", *(tmp_path / "certs").rglob("*")]
    private = [path for path in made if path.suffix == ".key"]
    assert len(private) == 4
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
