"""Worker processes of this machine: how one is started, told where its master is, and ended.

Nothing here needs gRPC, so that workers can start while the master still imports it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from common.worker.lifeline import new_token
from master.scheduling.messages import WorkerId

END_TIMEOUT_S = 2.0
_ROOT = Path(__file__).resolve().parents[2]
_WORKER_SETTINGS = {
    # The workers share the cores among themselves.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Every iteration needs the same large arrays again, and pages fresh from the system cost more
    # than what is computed in them: keep up to 256 MiB of freed memory.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


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

    def __init__(self, worker: WorkerId, folder: Path, options: Sequence[str] = ()) -> None:
        self.worker = worker
        self._folder, self._options = folder, options
        self.token = new_token()
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", worker.role, "--from-master", "--folder", str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | _WORKER_SETTINGS | {"PYTHONPATH": os.pathsep.join(_import_path())},
            process_group=0,  # Ctrl-C is for the master, which then ends its workers
        )
        self.pid = self._process.pid

    def successor(self) -> "WorkerProcess":
        """Start the next process of its slot; OSError if the system can't."""
        worker = replace(self.worker, incarnation=self.worker.incarnation + 1)
        return WorkerProcess(worker, self._folder, self._options)

    def introduce(self, master: str) -> None:
        """Tell it where the master listens, and its token."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):  # it has ended already, which `wait` returns, or did
            self._process.stdin.write(f"{master} {self.token}\n".encode())
            self._process.stdin.flush()

    def wait(self) -> ProcessEnd:
        """Wait for its end."""
        assert self._process.stderr is not None
        with self._process.stderr as stderr:
            errors = [line.decode("utf-8", "replace").rstrip() for line in stderr]
        code = self._process.wait()
        self.close_input()
        if code < 0:
            return ProcessEnd(errors, f"was ended by signal {-code} ({signal.Signals(-code).name})")
        return ProcessEnd(errors, f"ended with exit code {code}")

    def close_input(self) -> None:
        """Close its standard input, so that it ends."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self, timeout_s: float) -> None:
        """Let it end, and kill it if that takes too long."""
        self.close_input()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _import_path() -> list[str]:
    """Return where a worker finds our packages and what PYTHONPATH adds: never the working directory."""
    here = os.path.realpath(Path.cwd())
    given = filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return [str(_ROOT), *(path for path in given if os.path.realpath(path) != here)]
