"""What the services of mappers and reducers have in common."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import grpc

from common.errors import InjectedFailureError
from common.events.log import Log
from common.model import Attempt, Role, TaskOptions
from common.rpc.credentials import Certificates
from common.store.node import NodeStore
from common.worker.attempts import Attempts


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
