"""Worker processes of this machine: how one is started, told where its master is, and ended."""

import errno
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from common.worker.lifeline import new_token
from master.cluster.forks import ForkServer
from master.scheduling.messages import WorkerId

END_TIMEOUT_S = 2.0
_KILL_TIMEOUT_S = 1.0
_FORK_TIMEOUT_S = 60.0
_REPORT_TIMEOUT_S = 10.0
"""How long after its end a fork server may tell how it was."""


class ProcessEnd(NamedTuple):
    """What a process wrote to standard error, line by line, and how it ended, as the end of a sentence."""

    errors: list[str]
    how: str


class WorkerProcess:
    """One worker process, started at once.

    It lives as long as its standard input is open: the first line says where the master is and gives the
    worker's token, and when the pipe closes, whoever closes it, the worker ends. `folder` is its own;
    `options` are more arguments of its command line.
    """

    def __init__(
        self, worker: WorkerId, forks: ForkServer, folder: Path, options: Sequence[str] = ()
    ) -> None:
        self.worker = worker
        self._forks, self._folder, self._options = forks, folder, options
        self.token = new_token()
        self._gone = threading.Event()
        self._process = forks.fork([worker.role, "--from-master", "--folder", str(folder), *options])

    @property
    def pid(self) -> int:
        """Its process id, as soon as it has one; OSError if the system can't start it."""
        try:
            return self._process.started.result(_FORK_TIMEOUT_S)
        except TimeoutError:
            self._forks.kill()
            raise OSError(errno.ETIMEDOUT, "its fork server does not answer") from None

    def successor(self) -> "WorkerProcess":
        """Start the next process of its slot; OSError if the system can't."""
        worker = replace(self.worker, incarnation=self.worker.incarnation + 1)
        return WorkerProcess(worker, self._forks, self._folder, self._options)

    def introduce(self, master: str) -> None:
        """Tell it where the master listens, and its token."""
        with suppress(BrokenPipeError, ValueError):  # it has ended already, which `wait` returns, or did
            self._process.stdin.write(f"{master} {self.token}\n".encode())
            self._process.stdin.flush()

    def wait(self) -> ProcessEnd:
        """Wait for its end."""
        with self._process.stderr as stderr:
            errors = [line.decode("utf-8", "replace").rstrip() for line in stderr]
        self._gone.set()
        self.close_input()
        try:
            code = self._process.ended.result(_REPORT_TIMEOUT_S)
        except TimeoutError:  # a fork server that stands still would not start a successor either
            self._forks.kill()
            code = self._process.ended.result()
        return ProcessEnd(errors, _how_it_ended(code))

    def close_input(self) -> None:
        """Close its standard input, so that it ends."""
        with suppress(OSError):
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        if not self._gone.is_set():
            self._process.kill()

    def end(self, timeout_s: float) -> None:
        """Let it end, and kill it if that takes too long."""
        self.close_input()
        deadline_s = time.monotonic() + timeout_s
        with suppress(TimeoutError):
            if self._process.ended.result(timeout_s) is not None or self._gone.wait(
                deadline_s - time.monotonic()
            ):
                return
        self.kill()
        try:
            self._process.ended.result(_KILL_TIMEOUT_S)
        except TimeoutError:  # its fork server stands still
            self._forks.kill()


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "ended; its fork server could not tell how"
    if code < 0:
        names = {number.value: f" ({number.name})" for number in signal.Signals}
        return f"was ended by signal {-code}{names.get(-code, '')}"
    return f"ended with exit code {code}"
