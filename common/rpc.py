"""gRPC as this project uses it: channels, servers, the secret, and errors across the wire."""

import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, cast

import grpc

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
from common.model import CommittedFile
from common.records import checksum
from protos import mapreduce_pb2 as pb

LOOPBACK = "127.0.0.1"
CONTROL_TIMEOUT_S = 10.0
"""For calls that only tell something."""
STREAM_TIMEOUT_S = 600.0
"""For reading one file."""
TASK_TIMEOUT_S = 3600.0
"""For one map or reduce call, the work included."""

_SECRET_METADATA = "mapreduce-secret"  # noqa: S105 (the key of it)
_ERROR_METADATA = "mapreduce-error-bin"
_MAX_CONCURRENT_CALLS = 64

_COMMON_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # centroids are one message, however many
    ("grpc.max_send_message_length", -1),
)
_CHANNEL_OPTIONS = (
    *_COMMON_OPTIONS,
    ("grpc.enable_http_proxy", 0),  # http_proxy in the environment would hijack loopback
    ("grpc.enable_retries", 0),  # one owner of retries: the scheduler
    ("grpc.use_local_subchannel_pool", 1),
    ("SingleThreadedUnaryStream", 1),  # read streams in the caller's thread; another one for each costs more
)
_SERVER_OPTIONS = (
    *_COMMON_OPTIONS,
    ("grpc.so_reuseport", 0),  # else a second server binds the same port without an error
)


class _Fault(NamedTuple):
    """How an error of ours crosses the wire."""

    code: grpc.StatusCode
    kind: pb.ErrorDetail.Kind.ValueType


_FAULTS: dict[type[MapReduceError], _Fault] = {
    InputError: _Fault(grpc.StatusCode.INVALID_ARGUMENT, pb.ErrorDetail.KIND_INPUT),
    InjectedFailureError: _Fault(grpc.StatusCode.ABORTED, pb.ErrorDetail.KIND_INJECTED),
    StaleAttemptError: _Fault(grpc.StatusCode.FAILED_PRECONDITION, pb.ErrorDetail.KIND_STALE),
    OutputLostError: _Fault(grpc.StatusCode.NOT_FOUND, pb.ErrorDetail.KIND_OUTPUT_LOST),
    FetchFailedError: _Fault(grpc.StatusCode.ABORTED, pb.ErrorDetail.KIND_FETCH_FAILED),
}


class UnreachableError(TaskError):
    """The peer did not answer."""


def new_secret() -> str:
    """Make the 256-bit secret of a run."""
    return secrets.token_hex(32)


class _SecretChannel:
    """A channel as stubs use it, whose calls carry the secret; an interceptor costs more with each call."""

    def __init__(self, channel: grpc.Channel, secret: str) -> None:
        self._channel = channel
        self._metadata = ((_SECRET_METADATA, secret),)
        self.close = channel.close

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return partial(self._channel.unary_unary(*args, **kwargs), metadata=self._metadata)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return partial(self._channel.unary_stream(*args, **kwargs), metadata=self._metadata)


def connect(address: str, secret: str) -> grpc.Channel:
    """Open a channel whose calls carry the secret."""
    return cast("grpc.Channel", _SecretChannel(grpc.insecure_channel(address, _CHANNEL_OPTIONS), secret))


class Server:
    """A gRPC server on a free loopback port that answers only calls with the secret.

    Parameters
    ----------
    secret
        What calls must carry.
    on_error
        Told of every error that is not ours, with the id the peer got instead of its text.
    """

    def __init__(self, secret: str, on_error: Callable[[str, BaseException], None]) -> None:
        self.grpc = grpc.server(
            ThreadPoolExecutor(_MAX_CONCURRENT_CALLS, thread_name_prefix="rpc"),
            interceptors=[_ServerGuard(secret, on_error)],
            options=_SERVER_OPTIONS,
        )
        self.address = f"{LOOPBACK}:{self.grpc.add_insecure_port(f'{LOOPBACK}:0')}"

    def start(self) -> None:
        """Begin to serve."""
        self.grpc.start()

    def stop(self) -> None:
        """Cancel what is going on and stop."""
        self.grpc.stop(None).wait()


class _ServerGuard(grpc.ServerInterceptor):
    """Refuses calls without the secret and turns exceptions into statuses."""

    def __init__(self, secret: str, on_error: Callable[[str, BaseException], None]) -> None:
        self._secret = secret.encode()
        self._on_error = on_error

    def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        given = dict(details.invocation_metadata).get(_SECRET_METADATA, "")
        if not hmac.compare_digest(str(given).encode(), self._secret):
            return grpc.unary_unary_rpc_method_handler(_refuse)
        handler = continuation(details)
        if handler is None:
            return None
        codec = handler.request_deserializer, handler.response_serializer
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._guard_stream(handler.unary_stream), *codec)
        return grpc.unary_unary_rpc_method_handler(self._guard(handler.unary_unary), *codec)

    def _guard(self, behaviour: Any) -> Any:
        def guarded(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return behaviour(request, context)
            except Exception as error:
                self._abort(context, error)

        return guarded

    def _guard_stream(self, behaviour: Any) -> Any:
        def guarded(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from behaviour(request, context)
            except Exception as error:
                self._abort(context, error)

        return guarded

    def _abort(self, context: grpc.ServicerContext, error: Exception) -> None:
        fault = _FAULTS.get(type(error))  # type: ignore[arg-type]
        if fault is None:
            number = secrets.token_hex(4)
            self._on_error(number, error)
            context.abort(grpc.StatusCode.INTERNAL, f"internal error {number}; dump.txt has the details")
        detail = pb.ErrorDetail(kind=fault.kind)
        if isinstance(error, FetchFailedError):
            detail.lost.task, detail.lost.attempt = error.task, error.attempt
            detail.lost.unreachable, detail.lost.reason = error.unreachable, error.reason
        context.set_trailing_metadata(((_ERROR_METADATA, detail.SerializeToString()),))
        context.abort(fault.code, str(error))


def _refuse(_request: object, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "")


def error_of(failed: grpc.RpcError) -> MapReduceError:
    """Turn a failed call back into the error that its server raised.

    Returns
    -------
    MapReduceError
        UnreachableError if the peer did not answer; RunFailedError if it refused us; a plain
        TaskError if it failed in a way that is worth another try.
    """
    assert isinstance(failed, grpc.Call)
    code, text = failed.code(), failed.details() or ""
    trailing = dict(failed.trailing_metadata() or ())
    if _ERROR_METADATA in trailing:
        detail = pb.ErrorDetail.FromString(trailing[_ERROR_METADATA])
        if detail.kind == pb.ErrorDetail.KIND_FETCH_FAILED:
            lost = detail.lost
            return FetchFailedError(lost.task, lost.attempt, lost.unreachable, lost.reason)
        for kind, fault in _FAULTS.items():
            if fault.kind == detail.kind:
                return kind(text)
    if code is grpc.StatusCode.UNAVAILABLE:
        return UnreachableError(f"{code.name}: {text}")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED):
        return RunFailedError(f"the worker refused the call: {code.name}")
    return TaskError(f"{code.name}: {text}")


def read_stream(responses: Iterable[Any], expected: CommittedFile) -> bytes:
    """Gather a streamed file and hold it against what its writer vouched for.

    Raises
    ------
    OutputLostError
        It is not the same file.
    """
    chunks, size_bytes = [], 0
    for response in responses:
        chunks.append(response.data)
        size_bytes += len(response.data)
        if size_bytes > expected.size_bytes:
            break
    data = b"".join(chunks)
    if len(data) != expected.size_bytes or checksum(data) != expected.crc32:
        raise OutputLostError("the file arrived damaged: its size or checksum is wrong")
    return data
