"""The calls that a process makes, in the log: each before and after."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from common.errors import TaskError
from common.events.catalogue.tasks import FAILURE, SUCCESS, RpcCall, RpcResponse
from common.events.log import Log
from common.rpc.statuses import error_of


class CallLog:
    """Logs calls and their answers."""

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
            error = error_of(failed)
            self._answered(worker, call, began_s, status=FAILURE, reason=str(error))
            raise error from failed
        self._answered(worker, call, began_s, status=SUCCESS, **answer)

    def _answered(self, worker: str, call: Mapping[str, Any], began_s: float, **outcome: Any) -> None:
        if not self._closing:
            duration_ms = round((time.monotonic() - began_s) * 1000, 3)
            self._log.event(RpcResponse(from_=worker, **call, **outcome, duration_ms=duration_ms))
