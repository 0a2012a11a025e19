"""The file of --dump: one run alone writes it; what was there comes back if that run is refused."""

import os
from contextlib import suppress
from pathlib import Path

from common.errors import UsageError
from common.store.files import is_named, is_special, lock_file, remove_leftovers, resolve, temporary_name


class LogFile:
    """Holds the file until it is closed; `path` is where to write.

    Unless it is to be continued, the file that was there is set aside. A pipe or a device stays as it is.

    Raises
    ------
    UsageError
        It can't be written, or another run writes it.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = resolve(path)
        self._name, self._option = self.path.name, f"--dump {path}"
        self._held: list[int] = []
        self._earlier: str | None = None
        self._is_new = False
        if is_special(path):
            return
        try:
            self._hold(append)
        except OSError as error:
            self.restore()
            raise UsageError(f"{self._option}: {error.strerror}") from None

    def _hold(self, append: bool) -> None:
        self._held.append(os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY))
        remove_leftovers(self._name, self._held[0])
        is_new = not os.path.lexists(self.path)
        self._held.append(self._open())
        self._is_new = is_new
        if not is_new and not append:
            earlier = temporary_name(self._name)  # locked by us, as every temporary file
            self._rename(self._name, earlier)
            self._earlier = earlier
            self._held.append(self._open())

    def _open(self) -> int:
        """Open and lock the file; another run may put a new one in its place meanwhile, then try again."""
        while True:
            file = os.open(self._name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666, dir_fd=self._held[0])
            if not lock_file(file):
                os.close(file)
                self.close()
                raise UsageError(
                    f"{self._option} is in use by another run; wait for it, or choose another --dump"
                )
            if is_named(self._name, self._held[0], file):
                return file
            os.close(file)

    def _rename(self, name: str, to: str) -> None:
        os.rename(name, to, src_dir_fd=self._held[0], dst_dir_fd=self._held[0])

    def restore(self) -> None:
        """Put back what was there before, and let others write it."""
        with suppress(FileNotFoundError):
            if self._earlier is not None:
                self._rename(self._earlier, self._name)
            elif self._is_new:
                os.unlink(self._name, dir_fd=self._held[0])
        self._earlier, self._is_new = None, False
        self.close()

    def discard_earlier(self) -> None:
        """Remove what was there before: the new file counts now."""
        if self._earlier is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._earlier, dir_fd=self._held[0])
        self._earlier = None

    def close(self) -> None:
        """Let others write the file."""
        self.discard_earlier()
        while self._held:
            os.close(self._held.pop())
