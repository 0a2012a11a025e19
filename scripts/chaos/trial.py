"""The processes of a run of the soak: its master, one life after another, and workers from elsewhere."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Self

import psutil

from common.events.catalogue.base import Event
from common.events.catalogue.run import RunStarted
from common.events.catalogue.workers import WorkerJoined, WorkerLost
from common.model import Role
from scripts.chaos.follow import Follower
from scripts.chaos.plan import Plan
from scripts.chaos.proxy import Proxy

_ROOT = Path(__file__).resolve().parent.parent.parent
_GONE_S = 20.0
"""For a process to end when it should."""
_RECOVERY_S = 15.0
"""For a visitor, after a fault, until it surely hears its master again."""
_GRACE_S = 5.0
"""For a master to end after its visitors."""
LABELS = "labels.txt"


class ViolationError(Exception):
    """Something happened that must not."""


def python(*arguments: str, folder: Path, said: Path) -> psutil.Popen:
    """Start a Python process of this project in a folder; what it says goes to a file."""
    with said.open("a") as out:
        return psutil.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


class Visitor:
    """A worker from elsewhere, with a proxy on its way to the master and one on the others' way to it."""

    def __init__(self, role: Role, name: str, folder: Path, master: str, certs: Path) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        listen = f"127.0.0.1:{free_port()}"
        self.proxies = Proxy(master), Proxy(listen)
        self.address = self.proxies[1].address
        self._root, self._said = folder, folder / f"{name}.said.txt"
        self._gone_s: float | None = None
        self.troubled_until_s = 0.0
        """Until then it may have missed something because of a fault."""
        self._arguments = [
            *("-m", str(role), "--join", self.proxies[0].address, "--certs", str(certs)),
            *("--data-root", str(folder), "--folder", str(self.folder)),
            *("--listen", listen, "--advertise", self.address),
        ]
        self.start()

    def start(self) -> None:
        """Start it."""
        self._gone_s = None
        self.process = python(*self._arguments, folder=self._root, said=self._said)

    def revive(self, now_s: float) -> None:
        """Start it again, as somebody would who sees that it has gone though the run goes on.

        A master that is interrupted tells everyone that the run is over.
        """
        if self.process.poll() == 0:
            self._gone_s = self._gone_s or now_s
            if now_s > self._gone_s + _GRACE_S:
                self.start()

    def said(self) -> str:
        """Return what it has printed."""
        return self._said.read_text()

    def trouble(self, duration_s: float) -> None:
        """Note that something is done to it for so long; it may take a while to recover."""
        self.troubled_until_s = max(self.troubled_until_s, time.monotonic() + duration_s + _RECOVERY_S)

    def end(self) -> None:
        """Take it away."""
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
        What it is like.
    rng
        Draws what the faults need.
    folder
        Everything it has, an empty folder.
    certs
        Certificates of all roles.
    """

    def __init__(self, plan: Plan, rng: Random, folder: Path, certs: Path) -> None:
        self.plan, self.rng, self.folder = plan, rng, folder
        self._certs = certs
        self._dump = Follower(folder / "dump.txt")
        self._listen = f"127.0.0.1:{free_port()}"
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.visitors: list[Visitor] = []
        self.master: psutil.Popen | None = None
        self.commands: list[str] = []
        self.peak_bytes = 0
        self.killed = False
        """The master was ended by a fault."""
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        self.plan.write(self.folder)
        for role, count in zip(Role, self.plan.joined, strict=True):
            for number in range(count):
                name = f"visitor_{role}_{number + 1}"
                self.visitors.append(Visitor(role, name, self.folder, self._listen, self._certs))
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        if self.master is not None and self.master.poll() is None:
            self.master.kill()
            self.master.wait()
        with ExitStack() as stack:
            for visitor in self.visitors:
                stack.callback(visitor.end)
        for process in self._seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def begin(self, options: Sequence[str], *, resume: bool = False) -> None:
        """Start the master."""
        arguments = ["-m", "master", *self.plan.decisive, *options, "--labels", LABELS, "--quiet"]
        if self.visitors:
            arguments += ["--listen", self._listen, "--certs", str(self._certs), "--data-root", "."]
        if self.plan.remote:
            arguments += ["--workers", "remote"]
        if resume:
            arguments += ["--resume"]
        self.commands.append(" ".join(["python", *arguments]))
        self.killed = False
        self.error_path.unlink(missing_ok=True)
        self.master = python(*arguments, folder=self.folder, said=self.error_path)

    @property
    def error_path(self) -> Path:
        """What the master said."""
        return self.folder / "said.txt"

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints there are, the newest first."""
        found = []
        for path in (self.folder / "data" / "checkpoints").glob("iteration_*.jsonl"):
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]

    def story(self) -> list[Event]:
        """Return what happened in the newest life of the master."""
        events = [entry.event for entry in self._dump.entries()]
        begun = [at for at, event in enumerate(events) if isinstance(event, RunStarted)]
        return events[begun[-1] :] if begun else []

    def processes(self) -> list[psutil.Process]:
        """Return the workers that the master has started."""
        if self.master is None:
            return []
        try:
            self.peak_bytes = max(self.peak_bytes, self.master.memory_info().rss)
            found = self.master.children()
        except psutil.Error:
            return []
        self._seen.update(found)
        return found

    def later(self, delay_s: float, undo: Callable[[], None]) -> None:
        """Have something undone after a while, or when the master ends."""
        self._undo.append((time.monotonic() + delay_s, undo))

    def heal(self, now_s: float = float("inf")) -> None:
        """Undo what is due, by default all."""
        for item in list(self._undo):
            if item[0] <= now_s:
                self._undo.remove(item)
                item[1]()

    def check_processes(self, *, over: bool) -> None:
        """See that no process of the master's is left; nor a visitor that was told that the run is over."""
        ended_s = time.monotonic()
        left = psutil.wait_procs(self._seen, timeout=_GONE_S)[1]
        if left:
            raise ViolationError(f"orphan: {left} outlived their master")
        self._seen.clear()
        for visitor in self.visitors:
            if visitor.process.poll():
                raise ViolationError(f"unexpected end: {visitor.process}: {visitor.said()}")
        if over:
            story = self.story()
            told = [
                visitor.process
                for visitor in self.visitors
                if visitor.troubled_until_s < ended_s and _belongs(visitor.address, story)
            ]
            left = psutil.wait_procs(told, timeout=_GONE_S)[1]
            if left:
                raise ViolationError(f"orphan: {left} outlived the run")


def _belongs(address: str, story: list[Event]) -> bool:
    """Tell whether the worker at this address was of the run at its end."""
    worker = None
    for event in story:
        match event:
            case WorkerJoined() if event.address == address:
                worker = event.worker
            case WorkerLost() if event.worker == worker:
                worker = None
    return worker is not None


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
