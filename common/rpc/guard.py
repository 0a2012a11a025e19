"""Who may call which method of a server, and what callers learn of an error."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from common.errors import BadRequestError
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.statuses import answer_with

SECRET_METADATA = "mapreduce-secret"  # noqa: S105 (the key of it)
_STREAM_THREADS = 32
"""Streams have threads of their own: those that nobody reads must not keep orders and heartbeats waiting."""

_MASTER, _MAPPER, _REDUCER = ({role} for role in PeerRole)
CALLERS: Mapping[str, set[PeerRole]] = {
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
    """Refuses callers without permission, and turns exceptions into statuses.

    gRPC hands over bytes: a message is not parsed before its caller is known.
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
        parse, serialize = handler.request_deserializer, handler.response_serializer

        def answer(data: bytes, context: grpc.ServicerContext) -> Any:
            with self._guarded(CALLERS[details.method], context):
                return handler.unary_unary(_parsed(data, parse), context)

        def stream(data: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._guarded(CALLERS[details.method], context):
                yield from handler.unary_stream(_parsed(data, parse), context)

        if handler.response_streaming:
            stream.experimental_thread_pool = self._streams  # type: ignore[attr-defined]
            return grpc.unary_stream_rpc_method_handler(stream, None, serialize)
        return grpc.unary_unary_rpc_method_handler(answer, None, serialize)

    @contextmanager
    def _guarded(self, callers: set[PeerRole], context: grpc.ServicerContext) -> Iterator[None]:
        """Refuse a peer whose certificate, which TLS has checked, is of another role; end failed calls."""
        if self._credentials.certificates is not None:
            names = context.auth_context().get("x509_subject_alternative_name", ())
            if not any(role.dns_name.encode() in names for role in callers):
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "")
        try:
            yield
        except Exception as error:
            answer_with(error, context)
            number = secrets.token_hex(4)
            self._on_error(number, error)
            context.abort(grpc.StatusCode.INTERNAL, f"internal error {number}; dump.txt has the details")


def _parsed(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(data)
    except DecodeError:
        raise BadRequestError("the request is not a message of its method") from None


def _refusal(code: grpc.StatusCode) -> Any:
    """Make a handler that refuses a call without reading its message, however large that is."""

    def refuse(_requests: object, context: grpc.ServicerContext) -> None:
        context.abort(code, "")

    return grpc.stream_unary_rpc_method_handler(refuse)
