"""What stands between a server's callers and its methods: who may call what, and what they get to know."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from common.rpc.credentials import Credentials, Party
from common.rpc.seal import seal, unseal
from common.rpc.statuses import answer_with

SECRET_METADATA = "mapreduce-secret"  # noqa: S105 (the key of it)
_STREAM_THREADS = 32
"""Streams have threads of their own: those that nobody reads must not keep orders and heartbeats waiting."""

_MASTER, _MAPPER, _REDUCER = ({party} for party in Party)
CALLERS: Mapping[str, set[Party]] = {
    "/mapreduce.v1.Master/Join": _MAPPER | _REDUCER,
    "/mapreduce.v1.Master/Heartbeat": _MAPPER | _REDUCER,
    "/mapreduce.v1.Master/Leave": _MAPPER | _REDUCER,
    "/mapreduce.v1.Master/Log": _MAPPER | _REDUCER,
    "/mapreduce.v1.Worker/End": _MASTER,
    "/mapreduce.v1.Mapper/Map": _MASTER,
    "/mapreduce.v1.Mapper/ReadMapOutput": _MASTER,
    "/mapreduce.v1.Mapper/FetchPartition": _REDUCER,
    "/mapreduce.v1.Reducer/Reduce": _MASTER,
    "/mapreduce.v1.Reducer/ReadReduceOutput": _MASTER,
}
"""Who may call a method. What is not listed is refused, to everyone."""


class ServerGuard(grpc.ServerInterceptor):
    """Refuses callers without the right, opens and seals messages, and turns exceptions into statuses.

    gRPC hands over bytes, and a message is not parsed before its caller is known.
    """

    def __init__(self, credentials: Credentials, on_error: Callable[[str, BaseException], None]) -> None:
        self._credentials = credentials
        self._on_error = on_error
        self._streams = ThreadPoolExecutor(_STREAM_THREADS, thread_name_prefix="stream")

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Choose what answers a call."""
        given = next((value for key, value in details.invocation_metadata if key == SECRET_METADATA), "")
        if not self._credentials.admits(str(given)):
            return _refusal(grpc.StatusCode.UNAUTHENTICATED)
        if details.method not in CALLERS:
            return _refusal(grpc.StatusCode.PERMISSION_DENIED)
        handler = continuation(details)
        if handler is None:
            return None
        callers = CALLERS[details.method]
        if handler.response_streaming:
            guarded = self._guard_stream(handler, callers)
            guarded.experimental_thread_pool = self._streams
            return grpc.unary_stream_rpc_method_handler(guarded)
        return grpc.unary_unary_rpc_method_handler(self._guard(handler, callers))

    def _guard(self, handler: Any, callers: set[Party]) -> Any:
        def guarded(data: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                request = self._open(handler, data, context, callers)
                return seal(handler.response_serializer(handler.unary_unary(request, context)))
            except Exception as error:
                self._abort(context, error)

        return guarded

    def _guard_stream(self, handler: Any, callers: set[Party]) -> Any:
        def guarded(data: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            try:
                request = self._open(handler, data, context, callers)
                for chunk in handler.unary_stream(request, context):
                    yield chunk.seal()
            except Exception as error:
                self._abort(context, error)

        return guarded

    def _open(self, handler: Any, data: bytes, context: grpc.ServicerContext, callers: set[Party]) -> Any:
        if self._credentials.certificates is not None and not _is_one_of(callers, context):
            raise _RefusedError(grpc.StatusCode.PERMISSION_DENIED)
        request = unseal(data, handler.request_deserializer)
        if request is None:
            raise _RefusedError(grpc.StatusCode.DATA_LOSS)
        return request

    def _abort(self, context: grpc.ServicerContext, error: Exception) -> NoReturn:
        if isinstance(error, _RefusedError):
            context.abort(error.code, "")
        answer_with(error, context)
        number = secrets.token_hex(4)
        self._on_error(number, error)
        context.abort(grpc.StatusCode.INTERNAL, f"internal error {number}; dump.txt has the details")


class _RefusedError(Exception):
    """Answered with a status and nothing else."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = code


def _refusal(code: grpc.StatusCode) -> Any:
    """Make a handler that refuses a call without reading its message, however large that is."""

    def refuse(_requests: object, context: grpc.ServicerContext) -> None:
        context.abort(code, "")

    return grpc.stream_unary_rpc_method_handler(refuse)


def _is_one_of(parties: set[Party], context: grpc.ServicerContext) -> bool:
    """Tell whether the peer's certificate, which TLS has checked, is that of one of the parties."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return any(party.dns_name.encode() in names for party in parties)
