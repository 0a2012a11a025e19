"""Who may call which method of a server, and what callers learn of an error."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from common.errors import BadRequestError
from common.rpc.credentials import PeerRole
from common.rpc.statuses import answer_with

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
"""Who may call a method. One that is not listed is not served."""


class ServerGuard(grpc.ServerInterceptor):
    """Refuses callers without permission, and turns exceptions into statuses.

    gRPC hands over bytes: a message is not parsed before its caller is known. `local` says that callers come
    over a socket, which only this user can open; else each has a certificate, which TLS has checked.
    """

    def __init__(self, local: bool, on_error: Callable[[str, BaseException], None]) -> None:
        self._local = local
        self._on_error = on_error
        self._streams = ThreadPoolExecutor(_STREAM_THREADS, thread_name_prefix="stream")
        self._handlers: dict[str, Any] = {}

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Choose what answers a call."""
        method = details.method
        if method not in self._handlers and (served := continuation(details)) is not None:
            self._handlers[method] = self._guard(served, CALLERS[method])
        return self._handlers.get(method)

    def _guard(self, served: Any, callers: set[PeerRole]) -> Any:
        """Return what serves a method to its callers alone."""
        parse, serialize = served.request_deserializer, served.response_serializer

        def answer(data: bytes, context: grpc.ServicerContext) -> Any:
            with self._guarded(callers, context):
                return served.unary_unary(_parsed(data, parse), context)

        def stream(data: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._guarded(callers, context):
                yield from served.unary_stream(_parsed(data, parse), context)

        if served.response_streaming:
            stream.experimental_thread_pool = self._streams  # type: ignore[attr-defined]
            return grpc.unary_stream_rpc_method_handler(stream, None, serialize)
        return grpc.unary_unary_rpc_method_handler(answer, None, serialize)

    @contextmanager
    def _guarded(self, callers: set[PeerRole], context: grpc.ServicerContext) -> Iterator[None]:
        """Refuse a peer of another role; end failed calls."""
        if not self._local and not has_role(context, callers):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "")
        try:
            yield
        except Exception as error:
            answer_with(error, context)
            number = secrets.token_hex(4)
            self._on_error(number, error)
            context.abort(grpc.StatusCode.INTERNAL, f"internal error {number}; dump.txt has the details")


def has_role(context: grpc.ServicerContext, roles: Collection[PeerRole]) -> bool:
    """Tell whether the certificate of a caller names one of these roles."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return any(role.dns_name.encode() in names for role in roles)


def _parsed(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(data)
    except DecodeError:
        raise BadRequestError("the request is not a message of its method") from None
