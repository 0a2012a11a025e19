"""Processes of this machine, as the master holds them: a fork server, and the workers that it forks.

See `common.worker.forkserver`, its program. Nothing here needs gRPC, so that workers can start while the
master still imports it.
"""

import errno
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from common.worker.forkserver import Ended, NotStarted, Order, Started

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = ("-P", "-m", "common.worker.forkserver")
_PRELOADS = ("common.worker.command", "mapper.servicer", "reducer.servicer")
"""What all workers need."""
_SETTINGS = {
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


class ForkedProcess:
    """A process that a fork server starts; `stdin` and `stderr` are our ends of its pipes.

    `started` becomes its process id, or OSError; `ended` its exit code, or None if nobody can tell any more.
    """

    def __init__(self, stdin: IO[bytes], stderr: IO[bytes]) -> None:
        self.stdin, self.stderr = stdin, stderr
        self.started, self.ended = Future[int](), Future[int | None]()

    def kill(self) -> None:
        """End it at once, or as soon as it has started; it must not be known to have ended."""
        self.started.add_done_callback(_kill)


class ForkServer:
    """Starts processes by forking, and says how they end. Whenever there is none, a fork starts one.

    `preloads` are what it imports and calls beside what all workers need; see `common.worker.forkserver`.
    """

    def __init__(self, preloads: Sequence[str] = ()) -> None:
        self._preloads = preloads
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._processes = dict[int, ForkedProcess]()
        self._server: subprocess.Popen[bytes] | None = None
        self._lives = False
        self._end = ExitStack()

    def fork(self, arguments: Sequence[str]) -> ForkedProcess:
        """Start a process, whose program is the first of the arguments; OSError if the system can't."""
        with self._lock:
            self._start()
            order = Order(next(self._numbers), list(map(str, arguments)))
            (stdin, to_it), (from_it, stderr) = _pipe(), _pipe()
            process = self._processes[order.number] = ForkedProcess(to_it, from_it)
            with stdin, stderr:
                self._send(order, stdin, stderr)
            return process

    def start(self) -> None:
        """Let it import what its processes need, which takes a while; nobody waits for it."""
        with self._lock:
            self._start()

    def kill(self) -> None:
        """End it at once, if there is one; its processes live on."""
        if self._server is not None:
            self._server.kill()

    def close(self) -> None:
        """End it, and nobody forks any more; its processes may live on."""
        self._end.close()

    def _send(self, order: Order, stdin: IO[bytes], stderr: IO[bytes]) -> None:
        try:
            self._connection.send(order)
            socket.send_fds(self._files, [b"\0"], [stdin.fileno(), stderr.fileno()])
        except ConnectionError:
            pass  # it has ended, as `_listen` notices, too
        except OSError:
            self.kill()  # an order without its files
            raise

    def _start(self) -> None:
        if self._lives:
            return
        self._end.close()
        said = self._end.enter_context(TemporaryFile())  # noqa: SIM115
        ours, theirs = socket.socketpair()
        with theirs:
            environment = os.environ | _SETTINGS | {"PYTHONPATH": os.pathsep.join(_import_path())}
            self._server = subprocess.Popen(  # noqa: S603
                [sys.executable, *_PROGRAM, *_PRELOADS, *self._preloads],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
                process_group=0,  # Ctrl-C is for the master
            )
        self._end.callback(_end, self._server)
        self._files = self._end.enter_context(ours)
        self._connection = self._end.enter_context(Connection(os.dup(ours.fileno())))
        listener = threading.Thread(target=self._listen, args=(self._connection, said), daemon=True)
        listener.start()
        self._lives = True
        self._end.callback(listener.join)
        self._end.callback(ours.shutdown, socket.SHUT_RDWR)

    def _listen(self, connection: Connection, said: IO[bytes]) -> None:
        """Note what it says, until its end."""
        with suppress(EOFError, OSError):
            while True:
                self._note(connection.recv())
        said.seek(0)
        last_words = [line.decode("utf-8", "replace").rstrip() for line in said][-1:]
        reason = ": ".join(["its fork server has ended", *last_words])
        with self._lock:
            self._lives = False
            for process in self._processes.values():
                if not process.started.done():
                    process.started.set_exception(OSError(errno.ECHILD, reason))
                process.ended.set_result(None)
            self._processes.clear()

    def _note(self, answer: Started | NotStarted | Ended) -> None:
        match answer:
            case Started(number, pid):
                self._processes[number].started.set_result(pid)
            case NotStarted(number, error):
                process = self._processes.pop(number)
                process.started.set_exception(error)
                process.ended.set_result(None)
            case Ended(number, exit_code):
                self._processes.pop(number).ended.set_result(exit_code)


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    """Return the end to read from and the end to write to."""
    reads, writes = os.pipe()
    return os.fdopen(reads, "rb"), os.fdopen(writes, "wb")


def _kill(started: Future[int]) -> None:
    with suppress(OSError):  # it has ended all the same, or never started
        os.kill(started.result(), signal.SIGKILL)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def _import_path() -> list[str]:
    """Return where a worker finds our packages and what PYTHONPATH adds: never the working directory."""
    here = os.path.realpath(Path.cwd())
    given = filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return [str(_ROOT), *(path for path in given if os.path.realpath(path) != here)]
