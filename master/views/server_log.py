"""Follows a dump.txt that a run may still be writing."""

import os
from pathlib import Path

from common.errors import UsageError
from common.events.line import parse_lines
from master.views.run_state.state import RunState

_PIECE_BYTES = 1 << 20


class FollowedLog:
    """A file that grows, and what it comes to; one that takes its place is read from its beginning."""

    def __init__(self, path: Path, kept_tasks: int | None = 5000) -> None:
        self._path, self._kept_tasks = path, kept_tasks
        self.state = RunState(kept_tasks)
        self._inode = 0
        self._read_bytes = 0

    def look(self) -> bool:
        """Take in what is new; tell whether anything is."""
        try:
            with self._path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._read_bytes:
                    self.state = RunState(self._kept_tasks)
                    self._inode, self._read_bytes = status.st_ino, 0
                before = self._read_bytes
                file.seek(before)
                while piece := self._piece(file.read(_PIECE_BYTES)):
                    self.state.take_all(parse_lines(piece.decode(errors="replace")))
                    file.seek(self._read_bytes)
        except OSError:
            return False
        if not _is_written(self._inode):
            self.state.cut_off()
        return self._read_bytes != before

    def _piece(self, read: bytes) -> bytes:
        """Return the whole lines of what was read."""
        whole = read[: read.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return whole


def read_log(path: Path, kept_tasks: int | None = 5000) -> RunState:
    """Read a file into the state of its run.

    Raises
    ------
    UsageError
        It is no log of a run.
    """
    check_log(path)
    log = FollowedLog(path, kept_tasks)
    log.look()
    if log.state.snapshot()["run"] is None:
        raise UsageError(f"--dump {path}: no line says how a run began; is it the dump.txt of a run?")
    return log.state


def check_log(path: Path) -> None:
    """Raise UsageError if there is no file that can be read."""
    if not path.is_file():
        what = "not a file" if path.exists() else "there is no such file"
        raise UsageError(f"--dump {path}: {what}; name the dump.txt of a run")
    if not os.access(path, os.R_OK):
        raise UsageError(f"--dump {path}: no permission to read it")


def is_going_on(path: Path) -> bool:
    """Tell whether a run still writes a file; False where the system does not tell."""
    try:
        return _is_locked(path.stat().st_ino)
    except OSError:
        return False


def _is_written(inode: int) -> bool:
    """Tell whether a run holds the file's lock; where the system does not tell, it may."""
    try:
        return _is_locked(inode)
    except OSError:
        return True


def _is_locked(inode: int) -> bool:
    """Tell whether somebody holds a file's lock; OSError if the system does not tell."""
    locks = Path("/proc/locks").read_text().splitlines()
    return any("FLOCK" in line and line.split()[-3].endswith(f":{inode}") for line in locks)
