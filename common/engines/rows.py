"""The rows that a worker keeps: read once, written to a file there, mapped by all its processes."""

import hashlib
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from common.errors import InputError, TaskError
from common.formats.opening import open_split, stored_rows
from common.formats.unchanged import check_unchanged
from common.jobs.base import Memory
from common.model import Input, Rows, Split

_MOST_ROWS = 1 << 25
"""Of all parts together whose memories a process keeps: some 16 bytes a row."""


class RowsLostError(TaskError):
    """The file with a part's rows is not here; they must be read again."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A split of a file that every worker can read; the same in every stage."""

    source: Input
    split: Split

    @property
    def index(self) -> int:
        """Which part it is, from 0."""
        return self.split.index

    def open(self, folder: Path) -> Rows:
        """Return the rows; all processes that share the folder read them once. May raise InputError."""
        name = hashlib.sha256(repr(self).encode()).hexdigest()
        try:
            return open_split(self.source, self.split, folder / f"rows-{name[:32]}").rows
        except InputError as error:
            if Path(self.source.path).exists():
                raise
            host = socket.gethostname()
            raise InputError(f"{error} (on host {host}; every worker needs the file at this path)") from None

    def check(self) -> None:
        """Raise InputError if the file has changed."""
        check_unchanged(self.source)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Rows that a worker got as a stream and wrote to a file of its own.

    `first` is the input row of the first one, where the stream tells it, else -1.
    """

    index: int
    source: Input
    rows: int
    path: str
    first: int = -1

    def open(self, folder: Path) -> Rows:
        """Map the rows; raise RowsLostError if the file is gone, or is that of another machine."""
        try:
            return stored_rows(Path(self.path), self.source)
        except OSError:
            raise RowsLostError(f"the rows of part {self.index + 1} are not on this worker") from None

    def check(self) -> None:
        """Do nothing: nobody else knows the file."""


Part: TypeAlias = FilePart | StoredPart
"""A piece of the input, as it is told to a worker."""


_held: OrderedDict[Part, tuple[str, Rows, Memory]] = OrderedDict()
"""Each open part's last run, its rows, and what that run's jobs left beside them; the last used part is last.

In a module, so that every task finds it.
"""
_lock = threading.Lock()


@contextmanager
def held(run: str, part: Part, folder: Path) -> Iterator[tuple[Rows, Memory]]:
    """Lend a part's rows and memory to a task; what is open already is not opened again.

    The memory is that of the run. Nobody else gets the same one meanwhile.
    """
    with _lock:
        last_run, rows, memory = _held.pop(part, (run, None, {}))
    if rows is None:
        rows = part.open(folder)
    else:
        part.check()
    if last_run != run:
        memory = {}
    yield rows, memory
    with _lock:
        _held[part] = run, rows, memory
        while len(_held) > 1 and sum(len(rows) for _, rows, _ in _held.values()) > _MOST_ROWS:
            _held.popitem(last=False)


def forget(run: str) -> None:
    """Drop what was kept for a run."""
    with _lock:
        for part in [part for part, (last_run, _, _) in _held.items() if last_run == run]:
            del _held[part]
