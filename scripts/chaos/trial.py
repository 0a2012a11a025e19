"""The processes of a run that is disturbed: its master, started again if killed, and remote workers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random, SystemRandom
from typing import Self

import psutil

from common.events.catalogue.base import Event
from common.events.catalogue.run import RunStarted
from common.events.catalogue.workers import WorkerJoined, WorkerLost
from common.model import Role
from scripts.chaos.follow import Follower
from scripts.chaos.plan import Plan
from scripts.chaos.proxy import Proxy
from scripts.chaos.surroundings import Surroundings

_ROOT = Path(__file__).resolve().parent.parent.parent
_GONE_S = 20.0
"""For a process to end when it should."""
_RECOVERY_S = 15.0
"""For a remote worker, after a disturbance, until it surely reaches its master again."""
_GRACE_S = 20.0
"""For a master to end after its remote workers: it waits until one that died counts as dead."""
_AT_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
LABELS = "labels.txt"


class ViolationError(Exception):
    """Something happened that must not."""


def python(
    *arguments: str, folder: Path, output: Path, temporary: Path | None = None, terminal: int | None = None
) -> psutil.Popen:
    """Start a Python process of this project in a folder; its output goes to a file.

    `temporary` is for its temporary files, `terminal` controls it.
    """
    with output.open("a") as out:
        return psutil.Popen(
            [sys.executable, *([] if terminal is None else ["-c", _AT_A_TERMINAL]), *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(_ROOT)} | ({"TMPDIR": str(temporary)} if temporary else {}),
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=out,
            stderr=out,
            start_new_session=terminal is not None,
        )


class RemoteWorker:
    """A worker that joins, with a proxy between it and its master, and one between others and it."""

    def __init__(self, role: Role, name: str, folder: Path, master: str, certs: Path) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        listen = f"127.0.0.1:{free_port()}"
        self.proxies = Proxy(master), Proxy(listen)
        self.address = self.proxies[1].address
        self._root, self._output = folder, folder / f"{name}.output.txt"
        self._ended_s: float | None = None
        self.disturbed_until_s = 0.0
        """Until then it may have missed something because of a disturbance."""
        self._arguments = [
            *("-m", str(role), "--join", self.proxies[0].address, "--certs", str(certs)),
            *("--data-root", str(folder), "--folder", str(self.folder)),
            *("--listen", listen, "--advertise", self.address),
        ]
        self.start()

    def start(self) -> None:
        """Start it."""
        self._ended_s = None
        self.process = python(*self._arguments, folder=self._root, output=self._output)

    def restart_if_ended(self, now_s: float) -> None:
        """Start it again, as a person would who sees that it has ended though the run goes on.

        A master that is interrupted tells all workers to end.
        """
        if self.process.poll() == 0:
            self._ended_s = self._ended_s or now_s
            if now_s > self._ended_s + _GRACE_S:
                self.start()
                self.note_disturbance(0.0)  # the run may end before it has joined

    def output(self) -> str:
        """Return what it has printed."""
        return self._output.read_text()

    def note_disturbance(self, duration_s: float) -> None:
        """Note that it is disturbed for this long; it may take a while to recover."""
        self.disturbed_until_s = max(self.disturbed_until_s, time.monotonic() + duration_s + _RECOVERY_S)

    def end(self) -> None:
        """End it and its proxies."""
        with suppress(psutil.NoSuchProcess):
            self.process.resume()
            self.process.terminate()
        try:
            self.process.wait(10)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for proxy in self.proxies:
            proxy.__exit__()


class Trial:
    """A run in progress; a context manager that leaves no process behind.

    Parameters
    ----------
    plan
        Its input and options.
    rng
        Makes the choices of the disturbances.
    folder
        An empty folder, for all its files.
    certs
        Certificates of all roles.
    """

    def __init__(self, plan: Plan, rng: Random, folder: Path, certs: Path) -> None:
        self.plan, self.rng, self.folder = plan, rng, folder
        self._certs = certs
        self._dump = Follower(folder / "dump.txt")
        self._listen = f"127.0.0.1:{free_port()}"
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.remote_workers: list[RemoteWorker] = []
        self.master: psutil.Popen | None = None
        self.commands: list[str] = []
        self.peak_bytes = 0
        self.killed = False
        """A disturbance ended the master."""
        self.disk_was_full = False
        self.surroundings = Surroundings(folder, small_disk=plan.small_disk, link=plan.link)
        self._terminal: int | None = None
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        self.plan.write(self.folder)
        for role, count in zip(Role, self.plan.joining, strict=True):
            for number in range(count):
                name = f"remote_{role}_{number + 1}"
                self.remote_workers.append(RemoteWorker(role, name, self.folder, self._listen, self._certs))
        return self

    def __exit__(self, *_: object) -> None:
        self.undo_due()
        if self.master is not None and self.master.poll() is None:
            self.master.kill()
            self.master.wait()
        with ExitStack() as stack:
            for worker in self.remote_workers:
                stack.callback(worker.end)
        for process in self._seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.close_terminal()
        self.surroundings.close()

    def begin(self, options: Sequence[str], *, resume: bool = False) -> None:
        """Start the master."""
        arguments = ["-m", "master", *self.plan.result_options, *options, "--labels", LABELS, "--quiet"]
        if self.remote_workers:
            arguments += ["--listen", self._listen, "--certs", str(self._certs), "--data-root", "."]
        if self.plan.remote:
            arguments += ["--workers", "remote"]
        if resume:
            arguments += ["--resume"]
        self.commands.append(" ".join(["python", *arguments]))
        self.killed = self.disk_was_full = False
        self.output_path.unlink(missing_ok=True)
        self.close_terminal()
        self._terminal, terminal = os.openpty()
        self.master = python(
            *arguments,
            folder=self.folder,
            output=self.output_path,
            temporary=self.surroundings.temporary,
            terminal=terminal,
        )
        os.close(terminal)

    def close_terminal(self) -> None:
        """Close the terminal that the master was started at."""
        if self._terminal is not None:
            os.close(self._terminal)
        self._terminal = None

    @property
    def output_path(self) -> Path:
        """The file with the output of the master."""
        return self.folder / "output.txt"

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints, the newest first."""
        found = []
        for path in (self.folder / "data" / "checkpoints").glob("iteration_*.jsonl"):
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]

    def events(self) -> list[Event]:
        """Return what happened since the master was last started."""
        events = [entry.event for entry in self._dump.entries()]
        begun = [at for at, event in enumerate(events) if isinstance(event, RunStarted)]
        return events[begun[-1] :] if begun else []

    def processes(self) -> list[psutil.Process]:
        """Return the workers that the master has started."""
        if self.master is None:
            return []
        try:
            self.peak_bytes = max(self.peak_bytes, self.master.memory_info().rss)
            found = self.master.children(recursive=True)
        except psutil.Error:
            return []
        self._seen.update(found)
        return [each for each in found if not _is_resource_tracker(each)]

    def undo_later(self, delay_s: float, undo: Callable[[], None]) -> None:
        """Undo something after a while, or when the master ends."""
        self._undo.append((time.monotonic() + delay_s, undo))

    def undo_due(self, now_s: float = float("inf")) -> None:
        """Undo what is due, by default all."""
        for item in list(self._undo):
            if item[0] <= now_s:
                self._undo.remove(item)
                item[1]()

    def check_surroundings(self) -> None:
        """Check that no socket is left, and that what is not the run's is as it was."""
        changes = [isinstance(event, WorkerJoined) - isinstance(event, WorkerLost) for event in self.events()]
        if problems := self.surroundings.problems(killed_alone=self.killed and sum(changes) <= 0):
            raise ViolationError("; ".join(problems))

    def check_processes(self, *, over: bool) -> None:
        """Check that no process of the master is left, and no remote worker that was told to end."""
        ended_s = time.monotonic()
        left = psutil.wait_procs(self._seen, timeout=_GONE_S)[1]
        if left:
            raise ViolationError(f"orphan: {left} outlived their master")
        self._seen.clear()
        for worker in self.remote_workers:
            if worker.process.poll():
                raise ViolationError(f"unexpected end: {worker.process}: {worker.output()}")
        if over:
            events = self.events()
            told_to_end = [
                worker.process
                for worker in self.remote_workers
                if worker.disturbed_until_s < ended_s and _was_member(worker.address, events)
            ]
            left = psutil.wait_procs(told_to_end, timeout=_GONE_S)[1]
            if left:
                raise ViolationError(f"orphan: {left} outlived the run")


def _was_member(address: str, events: list[Event]) -> bool:
    """Return whether the worker at this address was a member of the run at its end."""
    worker = None
    for event in events:
        match event:
            case WorkerJoined() if event.address == address:
                worker = event.worker
            case WorkerLost() if event.worker == worker:
                worker = None
    return worker is not None


def _is_resource_tracker(process: psutil.Process) -> bool:
    """Tell a helper of Python's that is no worker."""
    with suppress(psutil.Error):
        return "resource_tracker" in " ".join(process.cmdline())
    return False


def free_port() -> int:
    """Return a port that is free now, and that the system gives nobody by itself."""
    while True:
        port = SystemRandom().randrange(10_000, 32_768)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
