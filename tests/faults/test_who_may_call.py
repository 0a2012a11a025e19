"""Nobody without the right gets an answer, on real servers, for every method, and nothing leaks."""

import dataclasses
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from common.errors import FetchFailedError, InputError, MapReduceError, RunFailedError, TaskError, UsageError
from common.model import Attempt, RecordFormat, Records, Stage
from common.records import encode
from common.rpc import channels as rpc
from common.rpc.channels import Server, UnreachableError, connect, error_of
from common.rpc.credentials import Certificates, Credentials, Party, new_secret
from common.rpc.guard import CALLERS
from common.rpc.messages import pack_attempt
from common.rpc.seal import seal
from common.rpc.statuses import DamagedMessageError
from common.store.names import partition_name
from mapper.servicer import add_mapper
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import (
    MapperStub,
    MasterStub,
    WorkerServicer,
    WorkerStub,
    add_WorkerServicer_to_server,
)
from scripts.certs import issue, make_authority, make_folders
from tests.programs import wait_until
from tests.servers import Serving, methods, node, serving

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
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(dict.fromkeys(Party, Credentials.fresh()), tmp_path_factory.mktemp("local")) as found:
        yield found


@pytest.fixture(scope="module")
def remote(certs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    credentials = {party: Credentials.load(certs / party, party) for party in Party}
    with serving(credentials, tmp_path_factory.mktemp("remote")) as found:
        yield found


def test_every_method_has_its_callers() -> None:
    assert CALLERS.keys() == METHODS.keys()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("secret", ["", "0" * 64], ids=["empty", "wrong"])
def test_without_the_secret(local: Serving, method: str, secret: str) -> None:
    party, _ = METHODS[method]
    error = call(local.channel(party, Credentials(secret)), method)
    assert refusal(error) == (grpc.StatusCode.UNAUTHENTICATED, "", ())


@pytest.mark.parametrize("method", METHODS)
def test_without_any_metadata(local: Serving, method: str) -> None:
    channel = grpc.insecure_channel(local.addresses[METHODS[method][0]])
    with pytest.raises(grpc.RpcError) as caught:
        cast("Any", channel.unary_unary(method))(seal(b""), timeout=TIMEOUT_S)
    channel.close()
    assert refusal(caught.value) == (grpc.StatusCode.UNAUTHENTICATED, "", ())


def test_a_message_without_the_secret_is_not_even_read(local: Serving) -> None:
    """It would be refused for its size if it were."""
    channel = grpc.insecure_channel(local.addresses[Party.MASTER], [("grpc.max_send_message_length", -1)])
    with pytest.raises(grpc.RpcError) as caught:
        cast("Any", channel.unary_unary("/mapreduce.v1.Master/Log"))(bytes(64 << 20), timeout=TIMEOUT_S)
    channel.close()
    assert refusal(caught.value) == (grpc.StatusCode.UNAUTHENTICATED, "", ())


@pytest.mark.parametrize("caller", Party)
@pytest.mark.parametrize("method", METHODS)
def test_a_certificate_gives_the_rights_of_its_role(remote: Serving, method: str, caller: Party) -> None:
    error = call(remote.channel(METHODS[method][0], remote.credentials[caller]), method)
    if caller in CALLERS[method]:
        assert error is None or error.code() is not grpc.StatusCode.PERMISSION_DENIED
    else:
        assert refusal(error) == (grpc.StatusCode.PERMISSION_DENIED, "", ())


@pytest.mark.parametrize(
    ("method", "caller"),
    [
        ("/mapreduce.v1.Mapper/Map", Party.MAPPER),
        ("/mapreduce.v1.Mapper/Map", Party.REDUCER),
        ("/mapreduce.v1.Mapper/FetchPartition", Party.MAPPER),
        ("/mapreduce.v1.Mapper/FetchPartition", Party.MASTER),
        ("/mapreduce.v1.Reducer/Reduce", Party.REDUCER),
    ],
)
def test_workers_give_each_other_no_orders(method: str, caller: Party) -> None:
    assert caller not in CALLERS[method]


def test_the_secret_is_needed_beside_a_certificate(remote: Serving) -> None:
    mine = dataclasses.replace(remote.credentials[Party.MASTER], secret=new_secret())
    error = call(remote.channel(Party.MAPPER, mine), "/mapreduce.v1.Mapper/Map")
    assert refusal(error) == (grpc.StatusCode.UNAUTHENTICATED, "", ())


def test_unknown_methods_and_reflection_are_refused(local: Serving) -> None:
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    channel: Any = local.channel(Party.MAPPER, local.credentials[Party.MASTER])
    for method in (reflection, "/mapreduce.v1.Mapper/Sort", "/"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method, bytes, bytes)(b"", timeout=TIMEOUT_S)
        assert refusal(caught.value) == (grpc.StatusCode.PERMISSION_DENIED, "", ())


def strangers(mine: Credentials) -> dict[str, Credentials]:
    """Return credentials with the right secret and certificates that won't do."""
    assert mine.certificates is not None
    other = make_authority(days(1))
    forged = issue(other, Party.MASTER, days(1))

    def having(**changes: bytes) -> Credentials:
        assert mine.certificates is not None
        return dataclasses.replace(mine, certificates=dataclasses.replace(mine.certificates, **changes))

    return {
        "no certificates": dataclasses.replace(mine, certificates=None),
        "own authority": having(own=forged.pem, key=forged.key_pem),
        "own authority, trusts it": having(authority=other.pem, own=forged.pem, key=forged.key_pem),
        "no own certificate": having(own=b"", key=b""),
    }


@pytest.mark.parametrize(
    "who", ["no certificates", "own authority", "own authority, trusts it", "no own certificate"]
)
def test_without_a_certificate_of_our_authority(remote: Serving, who: str) -> None:
    caller = strangers(remote.credentials[Party.MASTER])[who]
    error = no_connection(remote.addresses[Party.MAPPER], caller)
    assert "mapper" not in str(error)


def no_connection(address: str, caller: Credentials) -> UnreachableError:
    """Try to call a mapper that TLS keeps away."""
    certificates = caller.certificates
    if certificates is not None and not certificates.own:
        bare = grpc.ssl_channel_credentials(certificates.authority)
        name = (("grpc.ssl_target_name_override", Party.MAPPER.dns_name),)
        channel = grpc.secure_channel(address, bare, name)
    else:
        channel = connect(address, caller, Party.MAPPER)
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/mapreduce.v1.Mapper/Map", bytes, bytes)(b"", timeout=TIMEOUT_S)
    channel.close()
    error = error_of(caught.value)
    assert isinstance(error, UnreachableError)
    return error


def test_an_expired_certificate() -> None:
    authority = make_authority(days(1))
    secret = new_secret()

    def party(which: Party, stop: datetime) -> Credentials:
        own = issue(authority, which, stop)
        return Credentials(secret, Certificates(authority.pem, own.pem, own.key_pem))

    server = Server(party(Party.MAPPER, days(1)), lambda *_: None)
    server.start()
    try:
        no_connection(server.address, party(Party.MASTER, days(-1)))
        channel = connect(server.address, party(Party.MASTER, days(1)), Party.MAPPER)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/mapreduce.v1.Mapper/Sort", bytes, bytes)(b"", timeout=TIMEOUT_S)
        assert refusal(caught.value)[0] is grpc.StatusCode.PERMISSION_DENIED
        channel.close()
    finally:
        server.stop()


def test_a_caller_reaches_only_the_role_it_means(remote: Serving) -> None:
    """A reducer that took over a mapper's address is not believed to be one."""
    channel = connect(remote.addresses[Party.REDUCER], remote.credentials[Party.MASTER], Party.MAPPER)
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/mapreduce.v1.Mapper/Map", bytes, bytes)(b"", timeout=TIMEOUT_S)
    assert isinstance(error_of(caught.value), UnreachableError)
    channel.close()


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost:0", "example.org:0", "[::ffff:0.0.0.0]:0"]
)
def test_other_machines_need_certificates(listen: str) -> None:
    with pytest.raises(UsageError, match=r"needs --certs; make certificates with: python -m scripts\.certs"):
        Server(Credentials.fresh(), lambda *_: None, listen)


@pytest.mark.parametrize("listen", ["", "0", ":0", "127.0.0.1", "127.0.0.1:x", "unix:/tmp/x", "127.0.0.1:-1"])
def test_addresses_that_are_none(listen: str) -> None:
    with pytest.raises(UsageError, match=r"is not ADDRESS:PORT$"):
        Server(Credentials.fresh(), lambda *_: None, listen)


def test_a_port_in_use(local: Serving, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"^cannot listen on {listen}: it is in use"):
            Server(Credentials.fresh(), lambda *_: None, listen)


def test_with_certificates_other_machines_may_come(remote: Serving) -> None:
    server = Server(remote.credentials[Party.MASTER], lambda *_: None, "0.0.0.0:0")
    host, port = server.address.split(":")
    assert host == "0.0.0.0"
    assert int(port) > 0


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: data, None),
        (lambda data: data[:-5], grpc.StatusCode.DATA_LOSS),
        (lambda data: b"", grpc.StatusCode.DATA_LOSS),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], grpc.StatusCode.DATA_LOSS),
        (lambda data: data[:-1] + bytes([data[-1] ^ 128]), grpc.StatusCode.DATA_LOSS),
        (lambda data: seal(b"\xff" * 9), grpc.StatusCode.DATA_LOSS),
    ],
    ids=["whole", "no seal", "nothing", "first bit", "last bit", "no message"],
)
def test_damaged_requests(local: Serving, damage: Any, code: grpc.StatusCode | None) -> None:
    secret = local.credentials[Party.MASTER].secret
    channel = grpc.insecure_channel(local.addresses[Party.MASTER])
    request = damage(seal(pb.LogRequest(lines=["x"]).SerializeToString()))
    log: Any = channel.unary_unary("/mapreduce.v1.Master/Log")
    if code is None:
        assert log(request, metadata=(("mapreduce-secret", secret),), timeout=TIMEOUT_S) == seal(b"")
    else:
        with pytest.raises(grpc.RpcError) as caught:
            log(request, metadata=(("mapreduce-secret", secret),), timeout=TIMEOUT_S)
        assert isinstance(caught.value, grpc.Call)
        assert (caught.value.code(), caught.value.details()) == (code, "")
        assert type(error_of(caught.value)) is TaskError
    channel.close()
    assert local.errors == []


def test_many_messages_go_over_one_channel(remote: Serving) -> None:
    stub = MasterStub(remote.channel(Party.MASTER, remote.credentials[Party.REDUCER]))
    for _ in range(20):
        assert stub.Log(pb.LogRequest(lines=["x" * 1000]), timeout=TIMEOUT_S) == pb.LogResponse()


def test_umask_does_not_matter_for_private_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_folders(tmp_path / "certs", days(1))
    finally:
        os.umask(before)
    made = [tmp_path / "certs", *(tmp_path / "certs").rglob("*")]
    private = [path for path in made if path.suffix == ".key" or path.name == "secret"]
    assert len(private) == 7
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}


def test_grpc_knows_every_option() -> None:
    """It ignores one that it doesn't know, and then cuts long calls off, say, for their pings."""
    known = Path(cygrpc.__file__).read_bytes()
    options = [name for name, _ in rpc._CHANNEL_OPTIONS + rpc._SERVER_OPTIONS if name.startswith("grpc.")]
    assert [name for name in options if name.encode() not in known] == []


def threads(name: str) -> int:
    return sum(thread.name.startswith(f"{name}_") for thread in threading.enumerate())


def test_streams_that_nobody_reads_keep_no_order_waiting(tmp_path: Path) -> None:
    credentials = Credentials.fresh()
    worker = node(tmp_path / "M1", credentials)
    attempt = Attempt(Stage(1, "label"), 0, 1)
    records = Records(np.zeros(400_000, np.int32), np.zeros((400_000, 4)))
    with worker.store.attempt(attempt, RecordFormat.ARROW, keep_iterations=False) as files:
        files.write(partition_name(0), encode(records, RecordFormat.ARROW))
    server = Server(credentials, lambda *_: None)
    add_mapper(server.grpc, worker)
    server.start()
    channel = connect(server.address, credentials, Party.MAPPER)
    stub = MapperStub(channel)
    request = pb.FetchPartitionRequest(attempt=pack_attempt(attempt))
    unread = [stub.FetchPartition(request, timeout=10 * TIMEOUT_S) for _ in range(100)]
    wait_until(lambda: threads("stream") >= 32 or threads("rpc") >= 64, "threads of the streams")
    error = call(channel, "/mapreduce.v1.Mapper/Map")
    assert error is not None
    assert error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
    for stream in unread:
        stream.cancel()
    channel.close()
    server.stop()


@pytest.mark.parametrize("answer", [b"", b"\x0a\x01x", seal(b"\xff"), seal(b"\x0a\x01x")[:-1] + b"\x00"])
def test_damaged_answers_are_worth_another_try(answer: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    class Damaged(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if streams(details.method):
                return grpc.unary_stream_rpc_method_handler(lambda request, context: iter([answer] * 3))
            return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Damaged(),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    channel = connect(address, Credentials.fresh(), Party.MAPPER)
    try:
        with pytest.raises(DamagedMessageError):
            list(MapperStub(channel).FetchPartition(pb.FetchPartitionRequest(), timeout=TIMEOUT_S))
        with pytest.raises(grpc.RpcError) as caught:
            MapperStub(channel).Map(pb.MapRequest(), timeout=TIMEOUT_S)
        assert type(error_of(caught.value)) is TaskError
    finally:
        channel.close()
        server.stop(None).wait()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "error",
    [InputError("ä" * 5000), FetchFailedError(1, 2, True, "\U0001f600" * 5000)],
    ids=["text", "reason"],
)
def test_long_texts_arrive_cut(error: MapReduceError) -> None:
    """What does not fit in a status would take the whole status with it."""

    class Failing(WorkerServicer):
        def End(self, request: pb.EndRequest, context: grpc.ServicerContext) -> pb.EndResponse:  # noqa: N802
            raise error

    credentials = Credentials.fresh()
    server = Server(credentials, lambda *_: None)
    add_WorkerServicer_to_server(Failing(), server.grpc)
    server.start()
    channel = connect(server.address, credentials, Party.MAPPER)
    try:
        with pytest.raises(grpc.RpcError) as caught:
            WorkerStub(channel).End(pb.EndRequest(), timeout=TIMEOUT_S)
        found = error_of(caught.value)
        assert type(found) is type(error)
        assert 100 < len(str(found)) < 500
    finally:
        channel.close()
        server.stop()
