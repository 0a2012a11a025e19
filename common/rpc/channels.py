"""gRPC as this project uses it: channels and servers. See also `guard` and `statuses`."""

import ipaddress
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import grpc

from common.errors import OutputLostError, UsageError
from common.model import CommittedFile
from common.records import checksum
from common.rpc.address import LOOPBACK
from common.rpc.credentials import HOW_TO_MAKE, Certificates, Credentials, Party
from common.rpc.guard import SECRET_METADATA, ServerGuard
from common.rpc.seal import Chunk, seal, unseal
from common.rpc.statuses import DamagedMessageError, UnreachableError, error_of

__all__ = [
    "CONTROL_TIMEOUT_S",
    "LARGEST_ORDER_BYTES",
    "STREAM_TIMEOUT_S",
    "TASK_TIMEOUT_S",
    "Server",
    "UnreachableError",
    "connect",
    "error_of",
    "read_stream",
]

CONTROL_TIMEOUT_S = 10.0
"""For calls that only tell something."""
STREAM_TIMEOUT_S = 600.0
"""For reading one file."""
TASK_TIMEOUT_S = 3600.0
"""For one map or reduce call, the work included."""

_CALL_THREADS = 64
_MOST_CALLS = 1024
"""More at a time, running or waiting for a thread, are refused."""

LARGEST_ORDER_BYTES = 1 << 30
"""What a worker takes in one message: all centroids of all starts, in float64, are part of an order."""
_LARGEST_REPORT_BYTES = 16 << 20
"""What else is received: chunks of a stream, lines of a log, one committed file for each partition."""

_COMMON_OPTIONS = (
    ("grpc.max_send_message_length", -1),  # the receiver decides
    # A peer that is stopped or cut off is found by pings. Without http2.ping_timeout_ms that takes a minute,
    # whatever keepalive_timeout_ms says.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)
_CHANNEL_OPTIONS = (
    *_COMMON_OPTIONS,
    ("grpc.max_receive_message_length", _LARGEST_REPORT_BYTES),
    ("grpc.enable_http_proxy", 0),  # http_proxy in the environment would hijack loopback
    ("grpc.enable_retries", 0),  # one owner of retries: the scheduler
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),  # a host that was cut off is back soon after the network is
    ("grpc.use_local_subchannel_pool", 1),
    ("SingleThreadedUnaryStream", 1),  # read streams in the caller's thread; another one for each costs more
)
_SERVER_OPTIONS = (
    *_COMMON_OPTIONS,
    ("grpc.so_reuseport", 0),  # else a second server binds the same port without an error
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_concurrent_streams", 128),
)


class _SealedChannel:
    """A channel as stubs use it: calls carry the secret, and messages their checksums.

    An interceptor would cost more with each call.
    """

    def __init__(self, channel: grpc.Channel, secret: str) -> None:
        self._channel = channel
        self._metadata = ((SECRET_METADATA, secret),)
        self.close = channel.close

    def unary_unary(
        self, method: str, request_serializer: Any, response_deserializer: Any, **kwargs: Any
    ) -> Any:
        def deserialize(data: bytes) -> Any:
            # gRPC takes None for an answer that can't be read: the call fails with INTERNAL.
            return unseal(data, response_deserializer)

        call: Any = self._channel.unary_unary(method, _sealing(request_serializer), deserialize, **kwargs)
        return partial(call, metadata=self._metadata)

    def unary_stream(
        self, method: str, request_serializer: Any, response_deserializer: object, **kwargs: Any
    ) -> Any:
        call: Any = self._channel.unary_stream(method, _sealing(request_serializer), None, **kwargs)

        def start(request: Any, **how: Any) -> _Chunks:
            return _Chunks(call(request, metadata=self._metadata, **how))

        return start


def _sealing(serialize: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return lambda message: seal(serialize(message))


class _Chunks:
    """The answers of a streaming call, each checked. They are the chunks of a file, whatever the call."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.cancel = call.cancel

    def __iter__(self) -> "_Chunks":
        return self

    def __next__(self) -> Chunk:
        data = next(self._call)
        chunk = Chunk.unseal(data)
        if chunk is None:
            self._call.cancel()
            raise DamagedMessageError("a message arrived damaged")
        return chunk


def connect(address: str, credentials: Credentials, party: str) -> grpc.Channel:
    """Open a channel whose calls carry the secret; with certificates, the peer must be of that party."""
    certificates = credentials.certificates
    if certificates is None:
        channel = grpc.insecure_channel(address, _CHANNEL_OPTIONS)
    else:
        # Certificates name roles, not hosts.
        options = (*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", Party(party).dns_name))
        channel = grpc.secure_channel(address, _client_side(certificates), options)
    return cast("grpc.Channel", _SealedChannel(channel, credentials.secret))


def _client_side(certificates: Certificates) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(certificates.authority, certificates.key, certificates.own)


def _server_side(certificates: Certificates) -> grpc.ServerCredentials:
    pair = (certificates.key, certificates.own)
    return grpc.ssl_server_credentials([pair], certificates.authority, require_client_auth=True)


class Server:
    """A gRPC server that answers only calls with the secret and, with certificates, from the right party.

    Parameters
    ----------
    credentials
        What calls must carry.
    on_error
        Told of every error that is not ours, with the id the peer got instead of its text.
    listen
        ADDRESS:PORT; port 0 for any that is free. Without certificates the address must be a loopback one.
    largest_request_bytes
        Larger messages are refused.

    Raises
    ------
    UsageError
        It must not, or can't, listen there.
    """

    def __init__(
        self,
        credentials: Credentials,
        on_error: Callable[[str, BaseException], None],
        listen: str = f"{LOOPBACK}:0",
        *,
        largest_request_bytes: int = _LARGEST_REPORT_BYTES,
    ) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise UsageError(f"{listen} is not ADDRESS:PORT")
        if credentials.certificates is None and not _is_loopback(host):
            raise UsageError(
                f"{listen} can be reached from other machines, so it needs --certs; {HOW_TO_MAKE}"
            )
        self.grpc = grpc.server(
            ThreadPoolExecutor(_CALL_THREADS, thread_name_prefix="rpc"),
            interceptors=[ServerGuard(credentials, on_error)],
            options=(*_SERVER_OPTIONS, ("grpc.max_receive_message_length", largest_request_bytes)),
            maximum_concurrent_rpcs=_MOST_CALLS,
        )
        self.address = f"{host}:{self._bind(listen, credentials.certificates)}"

    def _bind(self, listen: str, certificates: Certificates | None) -> int:
        try:
            if certificates is None:
                return self.grpc.add_insecure_port(listen)
            return self.grpc.add_secure_port(listen, _server_side(certificates))
        except RuntimeError:
            raise UsageError(
                f"cannot listen on {listen}: it is in use, or no address of this machine"
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
