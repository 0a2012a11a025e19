"""dump.txt: everything that happens in a run, one event a line."""

import os
import threading
from contextlib import suppress
from pathlib import Path

from common.errors import UsageError, printable


class Dump:
    """The file itself; safe to write to from several threads.

    If it cannot be written any more, as on a full disk, the run continues without it: `problem` says why.
    With `append` it continues the file that is there.

    Raises
    ------
    UsageError
        The file can't be written.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        try:
            torn = append and _ends_within_a_line(path)
            mode = "a" if append else "w"
            self._file = path.open(mode, encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise UsageError(f"--dump {path}: {error.strerror}") from None
        self._lock = threading.Lock()
        self.problem: str | None = None
        if torn:
            self.write("")

    def write(self, *lines: str) -> None:
        """Add lines, whoever made them; control characters are escaped."""
        with self._lock:
            if self._file.closed or self.problem is not None:
                return
            try:
                self._file.write("".join([f"{printable(line)}\n" for line in lines]))
            except OSError as error:
                self.problem = error.strerror or str(error)

    def close(self) -> None:
        """Write no more."""
        with self._lock, suppress(OSError):
            self._file.close()


def _ends_within_a_line(path: Path) -> bool:
    """Tell whether a file's last line was never finished."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
