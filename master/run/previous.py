"""The previous run's files: set aside while a new run begins, restored if the new run is refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from common.errors import UsageError
from common.store.files import remove
from common.store.names import set_aside_name


class PreviousRun:
    """Files and folders of the previous run, each renamed within its folder."""

    def __init__(self) -> None:
        self._renamed: dict[Path, Path] = {}
        self.is_kept = True
        """Whether it can be restored; otherwise it was restored or discarded before."""

    @classmethod
    def set_aside(cls, paths: Iterable[Path]) -> Self:
        """Rename what the new run will write itself; paths may be missing, links stay.

        Raises
        ------
        UsageError
            One can't be renamed; then all are as before.
        """
        previous = cls()
        for path in paths:
            aside = set_aside_name(path)
            remove(aside)  # of a run that was killed
            if (path.is_file() or path.is_dir()) and not path.is_symlink():
                try:
                    previous._renamed[path] = path.rename(aside)
                except OSError as error:
                    previous.restore()
                    raise UsageError(f"{path} cannot be replaced: {error.strerror}") from None
        return previous

    def restore(self) -> None:
        """Give all its name back, in place of what is there now."""
        for path, aside in self._renamed.items():
            remove(path)
            aside.rename(path)
        self._end()

    def discard(self) -> None:
        """Remove it: the new run has written something worth keeping, or has ended."""
        for aside in self._renamed.values():
            remove(aside)
        self._end()

    def _end(self) -> None:
        self._renamed.clear()
        self.is_kept = False
