"""gRPC channels as every process of a run opens them; the time limits and the log of the calls on them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from common.errors import TaskError
from common.events.catalogue.tasks import FAILURE, SUCCESS, RpcCall, RpcResponse
from common.events.log import Log
from common.model import CommittedFile
from common.records import checksum
from common.rpc.address import SOCKET
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.statuses import DamagedFileError, error_of

CONTROL_TIMEOUT_S = 10.0
"""For short calls: join, heartbeat, log."""
STREAM_TIMEOUT_S = 600.0
"""For reading one file."""
TASK_TIMEOUT_S = 3600.0
"""For one map or reduce call, the work included."""

LARGEST_ORDER_BYTES = 1 << 30
"""Largest message to a worker: an order has all centroids of all starts, in float64."""
LARGEST_REPORT_BYTES = 16 << 20
"""Largest other message: chunks of a stream, lines of a log, one committed file for each partition."""

COMMON_OPTIONS = (
    ("grpc.max_send_message_length", -1),  # the receiver decides
    # Pings find a peer that is stopped or cut off. Without http2.ping_timeout_ms that takes a minute,
    # whatever keepalive_timeout_ms says.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)
CHANNEL_OPTIONS = (
    *COMMON_OPTIONS,
    ("grpc.max_receive_message_length", LARGEST_REPORT_BYTES),
    ("grpc.enable_http_proxy", 0),  # http_proxy in the environment would hijack the calls
    ("grpc.enable_retries", 0),  # our own code decides: see `statuses`
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),  # a host that was cut off is back soon after the network is
    ("grpc.use_local_subchannel_pool", 1),
    ("SingleThreadedUnaryStream", 1),  # read streams in the caller's thread; another one for each costs more
)


def connect(address: str, certificates: Certificates | None, role: str) -> grpc.Channel:
    """Open a channel to a socket or, with certificates, to a peer whose certificate is of that role."""
    if certificates is None:
        assert address.startswith(SOCKET)
        return grpc.insecure_channel(address, CHANNEL_OPTIONS)
    # Certificates name roles, not hosts.
    options = (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", PeerRole(role).dns_name))
    ours = grpc.ssl_channel_credentials(certificates.authority, certificates.key, certificates.own)
    return grpc.secure_channel(address, ours, options)


def read_stream(chunks: Iterable[Any], expected: CommittedFile) -> bytes:
    """Read a streamed file; DamagedFileError if its size or checksum differs from the writer's."""
    parts, size_bytes = [], 0
    for chunk in chunks:
        parts.append(chunk.data)
        size_bytes += len(parts[-1])
        if size_bytes > expected.size_bytes:
            break
    return undamaged(b"".join(parts), expected)


def undamaged(data: bytes, expected: CommittedFile) -> bytes:
    """Return a file that has arrived; DamagedFileError if its size or checksum differs from the writer's."""
    if len(data) != expected.size_bytes or checksum(data) != expected.crc32:
        raise DamagedFileError("the file arrived damaged: its size or checksum is wrong")
    return data


class CallLog:
    """Logs the calls that a process makes, each before and after."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._closing = False

    def close(self) -> None:
        """Log no more answers: from now on calls end because the workers do."""
        self._closing = True

    @contextmanager
    def call(self, worker: str, call: Mapping[str, Any], **details: Any) -> Iterator[dict[str, Any]]:
        """Log a call, which the block makes, and its answer, which the block describes.

        The fields in `call` are part of both events, the details only of the first one. MapReduceError if the
        call fails.
        """
        self._log.event(RpcCall(to=worker, **call, **details))
        began_s, answer = time.monotonic(), dict[str, Any]()
        try:
            yield answer
        except (grpc.RpcError, TaskError) as failed:
            error = failed if isinstance(failed, TaskError) else error_of(failed)
            self._answered(worker, call, began_s, status=FAILURE, reason=str(error))
            raise error from failed
        self._answered(worker, call, began_s, status=SUCCESS, **answer)

    def _answered(self, worker: str, call: Mapping[str, Any], began_s: float, **outcome: Any) -> None:
        if not self._closing:
            duration_ms = round((time.monotonic() - began_s) * 1000, 3)
            self._log.event(RpcResponse(from_=worker, **call, **outcome, duration_ms=duration_ms))
