"""Processes that outlive the command that started them, and how to end them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".clusters"
_START_TIMEOUT_S = 60


class Daemons:
    """The daemons of one cluster; a file in the cluster's folder lists their process numbers.

    Parameters
    ----------
    folder
        Only its owner can read it. Made if need be, removed when the daemons are ended.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._list = folder / "processes.json"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> None:
        """Make the folder; if the cluster is up already, end the program with one line."""
        if self._list.exists():
            sys.exit(f"{self.folder} says that the cluster is up already; `make down` ends it")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def private_file(self, name: str, text: str) -> Path:
        """Write a file that only its owner can read."""
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a daemon."""
        log = self.private_file(f"{name}.log", "")
        with log.open("w") as out:
            process = subprocess.Popen(
                command,
                env=os.environ | environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[name] = process
        self._add(process.pid)

    def await_match(self, name: str, pattern: str) -> re.Match[str]:
        """Wait until a pattern matches the whole lines of a daemon's log."""
        log = self.folder / f"{name}.log"
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s and self._processes[name].poll() is None:
            lines = log.read_text(errors="replace").rpartition("\n")[0]
            if (match := re.search(pattern, lines)) is not None:
                return match
            time.sleep(0.05)
        tail = log.read_text(errors="replace")[-2000:]
        self.end()
        sys.exit(f"{name} did not start; its log ends with:\n{tail}")

    def end(self) -> None:
        """End the daemons and the processes that they started, and no others."""
        if self._list.exists():
            for pid, created_s in json.loads(self._list.read_text()):
                _end(pid, created_s)
        for process in self._processes.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, pid: int) -> None:
        listed = json.loads(self._list.read_text()) if self._list.exists() else []
        self.private_file(self._list.name, json.dumps([*listed, [pid, psutil.Process(pid).create_time()]]))


def as_help(description: str) -> str:
    """Return a module's docstring for click, so that it does not join the lines of a list."""
    return description.replace("\n\n", "\n\n\b\n")


def _end(pid: int, created_s: float) -> None:
    try:
        process = psutil.Process(pid)
        if process.create_time() != created_s:
            return  # the number belongs to another process by now
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for each in family:
        _send(each.terminate)
    for each in psutil.wait_procs(family, timeout=5)[1]:
        _send(each.kill)


def _send(signal: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        signal()
