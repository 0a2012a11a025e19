"""What an earlier run has left: out of the way while a new one begins, and back if that is refused."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from common.errors import UsageError
from common.store.names import set_aside_name


class Earlier:
    """Files and folders of an earlier run, each renamed within its folder.

    Parameters
    ----------
    paths
        Those that the new run will write itself; they may be missing.

    Raises
    ------
    UsageError
        One can't be renamed.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._aside: list[tuple[Path, Path]] = []
        self.may_return = True
        """Whether the new run has done nothing yet that is worth keeping."""
        for path in paths:
            aside = set_aside_name(path)
            _remove(aside)  # of a run that was killed
            if (path.is_file() or path.is_dir()) and not path.is_symlink():
                self._move(path, aside)

    def _move(self, path: Path, aside: Path) -> None:
        try:
            path.rename(aside)
        except OSError as error:
            self.bring_back()
            raise UsageError(f"{path} cannot be replaced: {error.strerror}") from None
        self._aside.append((path, aside))

    def bring_back(self) -> None:
        """Put all in its place again, whatever is there now."""
        for path, aside in self._aside:
            _remove(path)
            aside.rename(path)
        self._aside.clear()

    def forget(self) -> None:
        """Remove it: the new run has got somewhere."""
        self.may_return = False
        for _, aside in self._aside:
            _remove(aside)
        self._aside.clear()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
