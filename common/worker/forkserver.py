"""A process that forks itself into workers: it imports what they need once, which takes longest of a start.

`python -m common.worker.forkserver MODULE[:FUNCTION]...` imports the modules and calls the functions.
Its standard input is a socket, over which the master sends an order for each worker: a number and the
arguments of its command line, and then two open files, which become the worker's standard input and standard
error. The answers are `Started`, `NotStarted` and `Ended`.
"""

import gc
import os
import runpy
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple


class Order(NamedTuple):
    """Start a worker; the first argument is its program."""

    number: int
    arguments: list[str]


class Started(NamedTuple):
    """The worker of this number is a process."""

    number: int
    pid: int


class NotStarted(NamedTuple):
    """The system refused to start it."""

    number: int
    error: OSError


class Ended(NamedTuple):
    """Its process has ended; the code is negative if a signal did it."""

    number: int
    exit_code: int


def main(preloads: Sequence[str]) -> None:
    """Import and call what is named, and fork for each order; in a worker, become its program."""
    for module, _, function in (preload.partition(":") for preload in preloads):
        with suppress(Exception):  # a worker will meet the same error, and can tell its master
            imported = import_module(module)
            if function:
                getattr(imported, function)()
    gc.freeze()  # else each worker's first collection would copy all pages
    with socket.socket(fileno=os.dup(0)) as files, Connection(os.dup(0)) as master, _woken_by_ends() as ends:
        arguments = _serve(master, files, ends)
    if arguments is None:
        os._exit(0)
    sys.argv, sys.orig_argv = arguments, [sys.executable, "-P", "-m", *arguments]
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


@contextmanager
def _woken_by_ends() -> Iterator[socket.socket]:
    """Give a socket at which bytes arrive when a child has ended."""
    woken, wakes = socket.socketpair()
    with woken, wakes:
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else no byte is written
        yield woken
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _serve(master: Connection, files: socket.socket, ends: socket.socket) -> list[str] | None:
    """Carry out orders until the master ends; return None then, and in a worker its command line."""
    numbers = dict[int, int]()
    with suppress(EOFError, ConnectionError):
        while True:
            ready = wait([ends, master])
            if ends in ready:
                ends.recv(1 << 12)
                _report_ends(master, numbers)
            if master in ready:
                order: Order = master.recv()
                stdin, stderr = socket.recv_fds(files, 1, 2)[1]
                if _fork(order, stdin, stderr, master, numbers):
                    return order.arguments
    return None


def _fork(order: Order, stdin: int, stderr: int, master: Connection, numbers: dict[int, int]) -> bool:
    """Fork, tell the master, and return whether this is the worker."""
    try:
        pid = os.fork()
    except OSError as error:
        master.send(NotStarted(order.number, error))
    else:
        if pid == 0:
            _take_over(order, stdin, stderr)
            return True
        numbers[pid] = order.number
        master.send(Started(order.number, pid))
    os.close(stdin)
    os.close(stderr)
    return False


def _take_over(order: Order, stdin: int, stderr: int) -> None:
    """Make this process the worker's own."""
    os.setpgid(0, 0)  # Ctrl-C is for the master, which then ends its workers
    for given, wanted in ((stdin, 0), (stderr, 2)):
        os.dup2(given, wanted)
        os.close(given)
    with suppress(OSError):  # where ps and pgrep find a name, if this system has it
        Path("/proc/self/comm").write_text(order.arguments[0])


def _report_ends(master: Connection, numbers: dict[int, int]) -> None:
    """Tell the master how workers ended."""
    with suppress(ChildProcessError):  # there is none any more
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            master.send(Ended(numbers.pop(ended[0]), os.waitstatus_to_exitcode(ended[1])))


if __name__ == "__main__":
    from common.worker.forkserver import main as run  # its messages have the names that the master knows

    run(sys.argv[1:])
