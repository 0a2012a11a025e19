"""The gRPC server of every process: where it may listen, its limits, and who may call which method."""

import resource
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from common.errors import BadRequestError, UsageError
from common.events.catalogue.run import InternalError
from common.rpc.address import SOCKET
from common.rpc.channels import COMMON_OPTIONS, LARGEST_REPORT_BYTES
from common.rpc.credentials import HOW_TO_MAKE, Certificates, PeerRole
from common.rpc.statuses import answer_with

_CALL_THREADS = 64
_MOST_CALLS = 1024
"""More at a time, running or waiting for a thread, are refused."""
_STREAM_THREADS = 32
"""Streams have threads of their own: those that nobody reads must not keep orders and heartbeats waiting."""

SERVER_OPTIONS = (
    *COMMON_OPTIONS,
    ("grpc.so_reuseport", 0),  # else a second server binds the same port without an error
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_concurrent_streams", 128),
    # Half of the descriptors are for files, whoever connects.
    ("grpc.max_allowed_incoming_connections", resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
)

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


class Traffic:
    """Counts the bytes of the messages that a server gets and sends, in all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received_bytes = self.sent_bytes = 0

    def receive(self, message: bytes) -> None:
        """Count a message that came."""
        with self._lock:
            self.received_bytes += len(message)

    def send(self, message: bytes) -> bytes:
        """Count a message that goes."""
        with self._lock:
            self.sent_bytes += len(message)
        return message


class Server(grpc.ServerInterceptor):
    """A gRPC server at a socket or, with certificates, at an address where it answers only the right roles.

    Only this user can open a socket; elsewhere each caller has a certificate, which TLS has checked. gRPC
    hands over bytes: a message is not parsed before its caller is known. Exceptions become statuses;
    `on_error` gets every error that is not ours, with the id that the peer got instead of its text. `listen`
    is a socket's address, or ADDRESS:PORT with port 0 for any free one. UsageError if the server must not, or
    cannot, listen there.
    """

    def __init__(
        self,
        certificates: Certificates | None,
        on_error: Callable[[InternalError], None],
        listen: str,
        *,
        largest_request_bytes: int = LARGEST_REPORT_BYTES,
    ) -> None:
        if certificates is None and not listen.startswith(SOCKET):
            raise UsageError(f"{listen} can be reached by other users, so it needs --certs; {HOW_TO_MAKE}")
        self.traffic = Traffic()
        self._local = certificates is None
        self._on_error = on_error
        self._streams = ThreadPoolExecutor(_STREAM_THREADS, thread_name_prefix="stream")
        self._handlers: dict[str, Any] = {}
        self.grpc = grpc.server(
            ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="rpc"),
            interceptors=[self],
            options=(*SERVER_OPTIONS, ("grpc.max_receive_message_length", largest_request_bytes)),
            maximum_concurrent_rpcs=_MOST_CALLS,
        )
        port = self._bind(listen, certificates)
        self.address = listen if certificates is None else f"{listen.rpartition(':')[0]}:{port}"

    def _bind(self, listen: str, certificates: Certificates | None) -> int:
        try:
            if certificates is None:
                return self.grpc.add_insecure_port(listen)
            pair = (certificates.key, certificates.own)
            ours = grpc.ssl_server_credentials([pair], certificates.authority, require_client_auth=True)
            return self.grpc.add_secure_port(listen, ours)
        except RuntimeError:
            raise UsageError(
                f"cannot listen on {listen}: it is in use, or the address is not one of this machine"
            ) from None

    def start(self) -> None:
        """Begin to serve."""
        self.grpc.start()

    def stop(self, grace_s: float | None = None) -> None:
        """Take no more calls, give those that are going on some time, and cancel them."""
        self.grpc.stop(grace_s).wait()

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Choose what answers a call."""
        method = details.method
        if method not in self._handlers and (served := continuation(details)) is not None:
            self._handlers[method] = self._guard(served, CALLERS[method])
        return self._handlers.get(method)

    def _guard(self, served: Any, callers: set[PeerRole]) -> Any:
        """Return what serves a method to its callers alone."""
        parse, traffic = served.request_deserializer, self.traffic

        def answer(data: bytes, context: grpc.ServicerContext) -> Any:
            traffic.receive(data)
            with self._guarded(callers, context):
                return served.unary_unary(parse(data), context)

        def stream(data: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
            traffic.receive(data)
            with self._guarded(callers, context):
                yield from served.unary_stream(parse(data), context)

        def serialize(message: Any) -> bytes:
            return traffic.send(served.response_serializer(message))

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
            if isinstance(error, DecodeError):
                error = BadRequestError("the request is not a message of its method")
            answer_with(error, context)
            number = secrets.token_hex(4)
            self._on_error(InternalError(id=number, error=repr(error)))
            context.abort(grpc.StatusCode.INTERNAL, f"internal error {number}; dump.txt has the details")


def has_role(context: grpc.ServicerContext, roles: Collection[PeerRole]) -> bool:
    """Tell whether the certificate of a caller names one of these roles."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return any(role.dns_name.encode() in names for role in roles)
