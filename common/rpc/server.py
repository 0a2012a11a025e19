"""The gRPC server of every process: where it may listen, and its limits."""

import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

from common.errors import UsageError
from common.rpc.address import LOOPBACK
from common.rpc.channels import COMMON_OPTIONS, LARGEST_REPORT_BYTES
from common.rpc.credentials import HOW_TO_MAKE, Certificates, Credentials
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
)


class Server:
    """A gRPC server that answers only calls with the secret and, with certificates, from the right role.

    `on_error` gets every error that is not ours, with the id that the peer got instead of its text. `listen`
    is ADDRESS:PORT, with port 0 for any free one; without certificates the address must be a loopback one.
    UsageError if the server must not, or cannot, listen there.
    """

    def __init__(
        self,
        credentials: Credentials,
        on_error: Callable[[str, BaseException], None],
        listen: str = f"{LOOPBACK}:0",
        *,
        largest_request_bytes: int = LARGEST_REPORT_BYTES,
    ) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise UsageError(f"--listen {listen}: write ADDRESS:PORT, as in 10.0.0.1:7000")
        if credentials.certificates is None and not _is_loopback(host):
            raise UsageError(
                f"{listen} can be reached from other machines, so it needs --certs; {HOW_TO_MAKE}"
            )
        self.grpc = grpc.server(
            ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="rpc"),
            interceptors=[ServerGuard(credentials, on_error)],
            options=(*SERVER_OPTIONS, ("grpc.max_receive_message_length", largest_request_bytes)),
            maximum_concurrent_rpcs=_MOST_CALLS,
        )
        self.address = f"{host}:{self._bind(listen, credentials.certificates)}"

    def _bind(self, listen: str, certificates: Certificates | None) -> int:
        try:
            if certificates is None:
                return self.grpc.add_insecure_port(listen)
            pair = (certificates.key, certificates.own)
            ours = grpc.ssl_server_credentials([pair], certificates.authority, require_client_auth=True)
            return self.grpc.add_secure_port(listen, ours)
        except RuntimeError:
            raise UsageError(
                f"cannot listen on {listen}: the port is in use, or the address is not one of this machine"
            ) from None

    def start(self) -> None:
        """Begin to serve."""
        self.grpc.start()

    def stop(self, grace_s: float | None = None) -> None:
        """Take no more calls, give those that are going on some time, and cancel them."""
        self.grpc.stop(grace_s).wait()


def _is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address; a name may mean anything."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
