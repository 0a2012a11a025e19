"""The gRPC server of every process: where it may listen, and its limits."""

import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

from common.errors import UsageError
from common.rpc.address import SOCKET
from common.rpc.channels import COMMON_OPTIONS, LARGEST_REPORT_BYTES
from common.rpc.credentials import HOW_TO_MAKE, Certificates
from common.rpc.guard import ServerGuard

_CALL_THREADS = 64
_MOST_CALLS = 1024
"""More at a time, running or waiting for a thread, are refused."""

SERVER_OPTIONS = (
    *COMMON_OPTIONS,
    ("grpc.so_reuseport", 0),  # else a second server binds the same port without an error
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_concurrent_streams", 128),
    # Half of the descriptors are for files, whoever connects.
    ("grpc.max_allowed_incoming_connections", resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
)


class Server:
    """A gRPC server at a socket or, with certificates, at an address where it answers only the right roles.

    `on_error` gets every error that is not ours, with the id that the peer got instead of its text. `listen`
    is a socket's address, or ADDRESS:PORT with port 0 for any free one. UsageError if the server must not, or
    cannot, listen there.
    """

    def __init__(
        self,
        certificates: Certificates | None,
        on_error: Callable[[str, BaseException], None],
        listen: str,
        *,
        largest_request_bytes: int = LARGEST_REPORT_BYTES,
    ) -> None:
        if certificates is None and not listen.startswith(SOCKET):
            raise UsageError(f"{listen} can be reached by other users, so it needs --certs; {HOW_TO_MAKE}")
        self.grpc = grpc.server(
            ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="rpc"),
            interceptors=[ServerGuard(certificates is None, on_error)],
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
