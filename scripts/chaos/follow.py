"""Read a dump.txt while its run writes it."""

import os
from pathlib import Path

from common.events.line import Entry, parse_lines


class Follower:
    """Keeps up with a file that grows; one that takes its place is read from its beginning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._read_bytes = 0
        self._entries: list[Entry] = []

    def entries(self) -> list[Entry]:
        """Return what is there by now; empty if there is no file."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._read_bytes:
                    self._inode, self._read_bytes, self._entries = status.st_ino, 0, []
                file.seek(self._read_bytes)
                whole_lines, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return []
        self._read_bytes += len(whole_lines) + len(newline)
        self._entries.extend(parse_lines((whole_lines + newline).decode(errors="replace")))
        return list(self._entries)
