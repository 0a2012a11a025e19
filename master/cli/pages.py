"""What people see of a run in a browser: the commands `report` and `ui`, and the same during a run."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from common.errors import InterruptedRunError, MapReduceError, RunFailedError, UsageError, refusal_of
from common.store.files import is_special, resolve, write_result
from master.run.places import check_writable

_PATH = click.Path(path_type=Path)
_DUMP = click.option("--dump", default="dump.txt", type=_PATH, help="Log file of a run.  [dump.txt]")
_LOWER_PRIORITY = 10
"""The page must not take a processor from the work."""


@click.command(
    help="Write the page of a run as one HTML file that needs no network, from the run's log file.",
    short_help="Write the page of a run as a file.",
)
@_DUMP
@click.option("--output", required=True, type=_PATH, metavar="FILE", help="The page, such as run.html.")
@click.option("--trace", type=_PATH, metavar="FILE", help="Write Chrome's trace format as well.")
def report(dump: Path, output: Path, trace: Path | None) -> None:
    """Write the page, and the trace if asked for; the run may be going on."""
    for name, path in (("--output", output), ("--trace", trace)):
        if path is None:
            continue
        check_writable(name, path)
        if path.exists() and dump.exists() and path.samefile(dump):
            raise UsageError(f"{name} {path} would overwrite the log file")
    if trace is not None and trace.resolve() == output.resolve():
        raise UsageError(f"--output and --trace are the same file, {trace}")
    _write_views(dump, output, trace, "--output")


@click.command(
    help="Serve the page of a run to browsers of this machine, while the run goes on or when it is over.",
    short_help="Serve the page of a run to browsers of this machine.",
)
@_DUMP
@click.option("--for-run", type=int, hidden=True, help="The socket to serve at, until standard input ends.")
def ui(dump: Path, for_run: int | None) -> None:
    """Print the page's address and serve it until Ctrl-C; or as long as a run lives."""
    from master.views.server import PageServer, address_of, listening_socket, new_token
    from master.views.server_log import check_log

    if for_run is not None:
        _serve_for_run(socket.socket(fileno=for_run), dump)
        return
    check_log(dump)
    listening, token = listening_socket(), new_token()
    click.echo(f"the page of {dump}: {address_of(listening, token)} (Ctrl-C ends it)")
    with suppress(InterruptedRunError):
        PageServer(listening, token, dump).serve_forever()


def _serve_for_run(listening: socket.socket, dump: Path) -> None:
    """Serve until standard input ends, as it does when the run does, in whatever way."""
    from master.views.server import PageServer

    os.nice(_LOWER_PRIORITY)
    server = PageServer(listening, sys.stdin.readline().strip(), dump)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    server.end()


@contextmanager
def served(dump: Path, *, asked: bool) -> Iterator[None]:
    """Serve the page of a run meanwhile, by a process of its own, and say where."""
    if not asked:
        yield
        return
    if is_special(dump):
        raise UsageError(f"--ui needs the log file, but --dump {dump} is none")
    from master.views.server import address_of, listening_socket, new_token

    token = new_token()
    with listening_socket() as listening:
        click.echo(f"the page of this run: {address_of(listening, token)}", err=True)
        process = _start_server(listening, dump)
    assert process.stdin is not None
    try:
        with suppress(OSError):  # it is gone: the run goes on without its page
            process.stdin.write(f"{token}\n".encode())
            process.stdin.flush()
        yield
    finally:
        with suppress(OSError):
            process.stdin.close()
        process.wait()


def _start_server(listening: socket.socket, dump: Path) -> "subprocess.Popen[bytes]":
    descriptor = listening.fileno()
    module = [sys.executable, "-P", "-m", "master", "ui"]
    return subprocess.Popen(  # noqa: S603
        [*module, "--for-run", str(descriptor), "--dump", str(resolve(dump))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        process_group=0,  # Ctrl-C is for the master; the page shows how it ended
    )


@contextmanager
def write_views(dump: Path, page: Path | None, trace: Path | None) -> Iterator[None]:
    """Write the page and the trace of a run when it has ended, well or not."""
    for name, path in (("--report", page), ("--trace", trace)):
        if path is not None and is_special(dump):
            raise UsageError(f"{name} needs the log file, but --dump {dump} is none")
    before = _identity(dump)
    try:
        yield
    except BaseException:
        if _identity(dump) != before:  # else no run has begun: the log is an earlier one's
            with suppress(MapReduceError):  # what ended the run is said
                _write_views(dump, page, trace, "--report")
        raise
    _write_views(dump, page, trace, "--report")


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells whether a log was replaced or has grown."""
    with suppress(OSError):
        status = path.stat()
        return status.st_ino, status.st_size
    return None


def _write_views(dump: Path, page: Path | None, trace: Path | None, page_option: str) -> None:
    if page is None and trace is None:
        return
    from master.views import report as pages
    from master.views import trace as traces
    from master.views.server_log import read_log

    if page is not None:
        _write(page, pages.report(read_log(dump).snapshot()), page_option)
    if trace is not None:
        _write(trace, traces.trace(read_log(dump, kept_tasks=None).snapshot()), "--trace")


def _write(path: Path, text: str, option: str) -> None:
    try:
        with write_result(resolve(path)) as file:
            file.write(text.encode())
    except OSError as error:
        unnamed = OSError(error.errno, error.strerror)
        raise RunFailedError(f"{option} {path}: {refusal_of(unnamed)}") from None
