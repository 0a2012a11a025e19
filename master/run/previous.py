"""The previous run's files: set aside while a new run begins, restored if the new run is refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from common.errors import UsageError
from common.store.cleanup import remove
from common.store.names import set_aside_name


class PreviousRun:
    """Files and folders of the previous run, each renamed within its folder."""

    def __init__(self) -> None:
        self._renamed: list[tuple[Path, Path]] = []
        self.can_be_restored = True
        """Whether the new run has written nothing yet that is worth keeping."""

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
                previous._rename(path, aside)
        return previous

    def _rename(self, path: Path, aside: Path) -> None:
        try:
            path.rename(aside)
        except OSError as error:
            self.restore()
            raise UsageError(f"{path} cannot be replaced: {error.strerror}") from None
        self._renamed.append((path, aside))

    def restore(self) -> None:
        """Give all its name back, in place of what is there now."""
        for path, aside in self._renamed:
            remove(path)
            aside.rename(path)
        self._renamed.clear()

    def discard(self) -> None:
        """Remove it, once the new run has written something worth keeping."""
        self.can_be_restored = False
        for _, aside in self._renamed:
            remove(aside)
        self._renamed.clear()
