"""What the services of mappers and reducers have in common: their attempts, and what they work with."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import grpc

from common.errors import InjectedFailureError
from common.events.log import Log
from common.model import Attempt, Role, TaskOptions
from common.rpc.credentials import Certificates
from common.store.node import NodeStore

_Result = TypeVar("_Result")


class Attempts:
    """The attempts of the newest stage: those in progress, and what came of the others; each is run once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Attempt, Future[Any]] = {}
        self._steps = 0
        self.fetched_bytes = 0
        """Of the messages that `counted` has passed on."""

    def run(self, attempt: Attempt, work: Callable[[], _Result]) -> _Result:
        """Do the work of an attempt; if it was ordered before, join it, or return what it returned.

        The master asks again when an answer got lost on its way. Errors count as results here.
        """
        with self._lock:
            if mine := attempt not in self._known:
                for known, future in list(self._known.items()):
                    if known.stage.sequence < attempt.stage.sequence and future.done():
                        del self._known[known]
            future = self._known.setdefault(attempt, Future())
        if mine:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        result: _Result = future.result()
        return result

    def step(self) -> None:
        """Note that work goes on, where it takes no processor time: in waiting for the wire, say."""
        self._steps += 1

    def counted(self, chunks: Iterable[Any]) -> Iterator[Any]:
        """Pass on what is fetched; each message is a step."""
        for chunk in chunks:
            with self._lock:
                self._steps += 1
                self.fetched_bytes += len(chunk.data)
            yield chunk

    def in_progress(self) -> int:
        """Return how many attempts run."""
        with self._lock:
            return sum(not future.done() for future in self._known.values())

    def progress(self) -> int:
        """Return a number that grows while work goes on: steps, and half seconds of processor time."""
        return self._steps + int(2 * time.process_time())


@dataclass(frozen=True)
class WorkerContext:
    """What a worker's service works with."""

    store: NodeStore
    certificates: Certificates | None
    data_root: Path | None
    attempts: Attempts
    log: Log


AddServicer = Callable[[grpc.Server, WorkerContext], None]
"""Adds a role's service to a server."""


def apply_task_delay(options: TaskOptions, attempts: Attempts) -> None:
    """Sleep for `--task-delay`; the worker shows progress meanwhile, for it does not hang."""
    end_s = time.monotonic() + options.delay_s
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, 1.0))
        attempts.step()


def inject_failure(role: Role, attempt: Attempt, options: TaskOptions) -> None:
    """Raise InjectedFailureError with the probability of `--fail-rate`.

    The draw depends on the seed and on which attempt this is, not on when or where it runs.
    """
    if not options.fail_rate:
        return
    name = f"{options.seed}/{role}/{attempt.stage.sequence}/{attempt.task}/{attempt.number}"
    draw = int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) / 2**64
    if draw < options.fail_rate:
        raise InjectedFailureError("injected by --fail-rate")
