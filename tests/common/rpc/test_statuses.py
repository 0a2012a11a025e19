"""An error of ours is the same error at the other end of a call."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest

from common.errors import (
    FetchFailedError,
    InjectedFailureError,
    InputError,
    MapReduceError,
    OutputLostError,
    RunFailedError,
    StaleAttemptError,
    TaskError,
)
from common.rpc.address import new_master_socket
from common.rpc.channels import connect
from common.rpc.credentials import PeerRole
from common.rpc.statuses import TimedOutError, UnreachableError, error_of
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import (
    MapperStub,
    WorkerServicer,
    WorkerStub,
    add_WorkerServicer_to_server,
)
from tests.programs import PATIENCE_S
from tests.servers import listening


def raised_by(error: BaseException) -> MapReduceError:
    """Call a server whose method raises this; return what the caller makes of it."""

    class Failing(WorkerServicer):
        def End(self, request: pb.EndRequest, context: grpc.ServicerContext) -> pb.EndResponse:  # noqa: N802
            raise error

    with listening() as server:
        add_WorkerServicer_to_server(Failing(), server.grpc)
        server.start()
        channel = connect(server.address, None, PeerRole.MAPPER)
        with pytest.raises(grpc.RpcError) as caught:
            WorkerStub(channel).End(pb.EndRequest(), timeout=PATIENCE_S)
        channel.close()
    return error_of(caught.value)


@contextmanager
def answering(reply: Any, stream: Any = None) -> Iterator[grpc.Channel]:
    """Serve bytes as they are, without a guard: to unary calls a reply, to others a stream."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if "Fetch" in details.method:
                return grpc.unary_stream_rpc_method_handler(stream)
            return grpc.unary_unary_rpc_method_handler(reply)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    stack = ExitStack()
    address = new_master_socket(stack)
    server.add_insecure_port(address)
    server.start()
    channel = connect(address, None, PeerRole.MAPPER)
    yield channel
    channel.close()
    server.stop(None).wait()
    stack.close()


def failure_of_map(reply: Any) -> MapReduceError:
    with answering(reply) as channel, pytest.raises(grpc.RpcError) as caught:
        MapperStub(channel).Map(pb.MapRequest(), timeout=PATIENCE_S)
    return error_of(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        InputError("a bad line"),
        InjectedFailureError("as asked"),
        StaleAttemptError("too late"),
        OutputLostError("gone"),
        FetchFailedError(3, 2, True, "M4: no answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_ours_arrive_as_what_they_are(error: MapReduceError) -> None:
    found = raised_by(error)
    assert type(found) is type(error)
    assert (str(found), vars(found)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, UnreachableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TimedOutError),
        (grpc.StatusCode.PERMISSION_DENIED, RunFailedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TaskError),
    ],
)
def test_statuses_without_an_error_of_ours(code: grpc.StatusCode, kind: type[MapReduceError]) -> None:
    def reply(request: object, context: grpc.ServicerContext) -> None:
        context.abort(code, "")

    assert type(failure_of_map(reply)) is kind


def test_a_detail_that_is_none_is_ignored() -> None:
    def reply(request: object, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("mapreduce-error-bin", b"\xff"),))
        context.abort(grpc.StatusCode.ABORTED, "why")

    assert type(failure_of_map(reply)) is TaskError


@pytest.mark.parametrize("answer", [b"\xff", b"\x0a\x09x"])
def test_answers_that_are_no_messages_are_worth_another_try(
    answer: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert type(failure_of_map(lambda request, context: answer)) is TaskError
    with answering(None, lambda request, context: iter([answer] * 3)) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            list(MapperStub(channel).FetchPartition(pb.FetchPartitionRequest(), timeout=PATIENCE_S))
        assert type(error_of(caught.value)) is TaskError
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "error",
    [InputError("ä" * 5000), FetchFailedError(1, 2, True, "\U0001f600" * 5000)],
    ids=["text", "reason"],
)
def test_long_texts_arrive_cut(error: MapReduceError) -> None:
    """What does not fit in a status would take the whole status with it."""
    found = raised_by(error)
    assert type(found) is type(error)
    assert 100 < len(str(found)) < 500
