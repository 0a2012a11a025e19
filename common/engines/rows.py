"""The rows that a worker keeps: read once, written to a file there, mapped by all its processes."""

import hashlib
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from common.errors import InputError, TaskError
from common.formats.opening import map_rows_file, open_split
from common.formats.unchanged import check_unchanged
from common.jobs.base import Memory
from common.model import FloatType, Input, PointArray, Rows, Split

_MOST_ROWS = 1 << 25
"""Of all parts together whose memories a process keeps: some 16 bytes a row."""


class RowsLostError(TaskError):
    """The file with a part's rows is not here; they must be read again."""


class Part(Protocol):
    """A piece of the input, as it is told to a worker; small, hashable, and the same in every stage."""

    @property
    def index(self) -> int:
        """Which one it is, from 0."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def open(self, folder: Path) -> Rows:
        """Return its rows; `folder` is for files of the worker's own."""

    def check(self) -> None:
        """Raise InputError if rows that are open already must not be used any more."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A split of a file that every worker can read."""

    source: Input
    split: Split

    @property
    def index(self) -> int:
        """The split's."""
        return self.split.index

    @property
    def rows(self) -> int:
        """The split's."""
        return self.split.rows

    def open(self, folder: Path) -> Rows:
        """Open the split; all processes that share the folder read it once.

        Raises
        ------
        InputError
            The split can't be read or holds what it must not.
        """
        name = hashlib.sha256(repr(self).encode()).hexdigest()
        try:
            return open_split(self.source, self.split, folder / f"rows-{name[:32]}").rows
        except InputError as error:
            if Path(self.source.path).exists():
                raise
            raise InputError(
                f"{error} (on {socket.gethostname()}; every worker needs the file there)"
            ) from None

    def check(self) -> None:
        """Raise InputError if the file has changed."""
        check_unchanged(self.source)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Rows that a worker got as a stream and wrote to a file of its own.

    `first` is the input row of the first one, where the stream tells it, else -1.
    """

    index: int
    rows: int
    columns: int
    dtype: FloatType
    path: str
    first: int = -1

    def open(self, folder: Path) -> PointArray:
        """Map the rows.

        Raises
        ------
        RowsLostError
            The file is gone, or is that of another machine.
        """
        try:
            return map_rows_file(Path(self.path), self.columns, self.dtype)
        except OSError:
            raise RowsLostError(f"the rows of part {self.index + 1} are not on this worker") from None

    def check(self) -> None:
        """Accept; nobody else knows the file."""


@dataclass
class _Held:
    """An open part, and what jobs have left beside it in a run."""

    run: str
    rows: Rows
    memory: Memory = field(default_factory=dict)


_held: OrderedDict[Part, _Held] = OrderedDict()
"""The open parts of this process, the last used one last. In a module, so that every task finds it."""
_lock = threading.Lock()


@contextmanager
def held(run: str, part: Part, folder: Path) -> Iterator[tuple[Rows, Memory]]:
    """Lend a part's rows and memory to a task; what is open already is not opened again.

    The memory is that of the run. Nobody else gets the same one meanwhile.
    """
    with _lock:
        found = _held.pop(part, None)
    if found is None:
        found = _Held(run, part.open(folder))
    else:
        part.check()
        if found.run != run:
            found = _Held(run, found.rows)
    yield found.rows, found.memory
    with _lock:
        _held[part] = found
        while len(_held) > 1 and sum(len(each.rows) for each in _held.values()) > _MOST_ROWS:
            _held.popitem(last=False)


def forget(run: str) -> None:
    """Drop what was kept for a run."""
    with _lock:
        for part in [part for part, each in _held.items() if each.run == run]:
            del _held[part]


def here() -> str:
    """Name this process, for the log."""
    return f"{socket.gethostname()}/{os.getpid()}"
