"""Run the command line as a user would, watch it, and look at what it leaves."""

import io
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from common.events.catalogue.base import Event
from common.events.catalogue.workers import WorkerStarted
from master.cli.commands import main
from scripts.chaos.follow import Follower
from tests.story import Kind, Story

PATIENCE_S = 900
"""What takes longer hangs: where all cores are busy, Spark needs minutes for what takes it seconds alone."""
ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data" / "input" / "points.txt"
SAMPLE_CENTROIDS = "-0.17500000000000002,8.141666666666667\n9.547368421052632,1.0473684210526315\n"

_WHOLE_PATH = """
def whole_path(path):
    arguments = getattr(sys, 'orig_argv', [])
    if '--folder' not in arguments or not isinstance(path, str) or not path.startswith(('.', *NAMES)):
        return path
    return os.path.join(arguments[arguments.index('--folder') + 1], path)
NAMES = ('map_output', 'partition_', 'output', 'manifest', 'task_', 'iteration_', 'job_')
"""

_Value = TypeVar("_Value")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "master", *map(str, arguments)]


def options(m: int = 2, r: int = 2, k: int = 2, n: int = 20, input_path: Path = SAMPLE) -> list[str]:
    """Return the options that every run needs."""
    return [
        *("--mappers", str(m), "--reducers", str(r), "--k", str(k), "--iters", str(n)),
        *("--input", str(input_path)),
    ]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def environment_with_hook(folder: Path, *hooks: str) -> dict[str, str]:
    """Return an environment where Python runs some statements at each audit event.

    They may use `event`, `arguments`, `errno`, `os` and `time`, and may raise: then what was about to happen
    fails. So a disk's errors are injected without privileges. A worker names its files from its folder, which
    it holds open: `arguments` of `open` have the whole path. See also `tests.moments`.
    """
    (folder / "hook").mkdir()
    body = textwrap.indent("\n".join(hooks), "    ")
    (folder / "hook" / "sitecustomize.py").write_text(
        f"import errno, os, sys, time\ncounts = {{}}\n{_WHOLE_PATH}"
        "def hook(event, arguments):\n"
        "    if event == 'open': arguments = (whole_path(arguments[0]), *arguments[1:])\n"
        f"{body}\nsys.addaudithook(hook)\n"
    )
    paths = f"{folder / 'hook'}{os.pathsep}{ROOT}"
    return environment() | {"PYTHONPATH": paths}


def run_master(
    folder: Path, *arguments: object, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder until it ends."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def run_here(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as `run_master` does, but in this process, which need not start."""
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.chdir(folder)
        patch.setattr("sys.argv", ["master", *map(str, arguments)])
        patch.setattr("signal.signal", lambda *_: None)  # this process goes on
        code = _exit_code(main)
    return subprocess.CompletedProcess([], code, out.getvalue(), error.getvalue())


def _exit_code(program: Callable[[], None]) -> int:
    try:
        program()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def centroids_of(folder: Path) -> str:
    return (folder / "data" / "centroids.txt").read_text()


def wait_until(condition: Callable[[], _Value | None], what: str) -> _Value:
    """Return the condition's value once it has one."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"no {what} within {PATIENCE_S} s")


class BackgroundRun:
    """A run of the command line in progress, in a folder of its own.

    `prefix` is put before its command; to run it on another host, say.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        prefix: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._dump = Follower(folder / "dump.txt")
        self.process = subprocess.Popen(
            [*prefix, *command(*arguments, "--quiet")],
            cwd=folder,
            env=env or environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "BackgroundRun":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_until(self, condition: Callable[[Story], _Value | None], what: str) -> _Value:
        """Wait until the story is such that the condition has a value, and return that."""

        def found() -> _Value | None:
            ended = self.process.poll() is not None
            value = condition(self.story())
            assert value or not ended, f"the run ended without {what}: {self.process.communicate()}"
            return value

        return wait_until(found, what)

    def wait_for(
        self, kind: type[Kind], *, after: Event | None = None, process: str | None = None, **fields: Any
    ) -> Kind:
        """Wait for an event, see `Story.of`; return the first of that kind, or the first after another."""

        def first(story: Story) -> Kind | None:
            found = (story if after is None else story.after(after)).of(kind, process=process, **fields)
            return found[0] if found else None

        return self.wait_until(first, f"{kind.__name__} {fields}")

    def worker(self, name: str) -> psutil.Process:
        """Return the newest process of a worker."""
        return psutil.Process(self.story().of(WorkerStarted, worker=name)[-1].pid)

    def story(self) -> Story:
        """Return what happened until now."""
        return Story(self._dump.entries())

    def kill(self) -> None:
        """Kill the master alone; return once its workers have noticed that and ended."""
        workers = worker_processes(psutil.Process(self.process.pid))
        self.process.kill()
        assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was said on standard error."""
        _, error = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, error


def worker_processes(ancestor: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the mapper and reducer processes below a process (by default this one)."""
    found = []
    for process in (ancestor or psutil.Process()).children(recursive=True):
        with suppress(psutil.Error):
            parent = process.parent()
            if parent is not None and "common.worker.forkserver" in parent.cmdline():
                found.append(process)
    return found


_kept_ports: list[socket.socket] = []


def free_port() -> int:
    """Return a port that nobody else is given before the test ends: it is bound, but not listened on."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    _kept_ports.append(keeper)
    port: int = keeper.getsockname()[1]
    return port


def release_ports() -> None:
    """Let others have the ports."""
    while _kept_ports:
        _kept_ports.pop().close()


def make_certificates(folder: Path) -> Path:
    """Make certificates for all roles; return their folder."""
    certs = folder / "certs"
    subprocess.run(
        [sys.executable, "-m", "master", "certs", "--out", str(certs)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    return certs


def remote_workers(master: str, certs: Path, data_root: Path) -> list[object]:
    """Return the options of a run whose workers all join by themselves."""
    return ["--workers", "remote", "--listen", master, "--certs", certs, "--data-root", data_root]


class JoinedWorker:
    """A mapper or reducer that joins a master by itself, in a folder of its own.

    `prefix` is put before its command; to run it on another host, say.
    """

    def __init__(
        self,
        role: str,
        join: str,
        certs: Path,
        folder: Path,
        *more: object,
        prefix: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.log = folder / "said.txt"
        options = [
            "--join",
            join,
            "--certs",
            certs,
            "--data-root",
            folder.parent,
            "--folder",
            folder / "node",
        ]
        with self.log.open("w") as said:
            self.process = psutil.Popen(
                [*prefix, sys.executable, "-m", role, *map(str, [*options, *more])],
                cwd=folder,
                env=env or environment(),
                stderr=said,
            )

    def __enter__(self) -> "JoinedWorker":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.resume()
            self.process.kill()
        self.process.wait()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it said."""
        code = self.process.wait(timeout=PATIENCE_S)
        return code, self.log.read_text()
