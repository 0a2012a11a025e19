"""The previous run's files: set aside while a new run begins, restored if the new run is refused."""

from contextlib import suppress

from common.errors import UsageError
from common.store.folders import DataDir
from common.store.log_file import LogFile


class PreviousRun:
    """The workers' files and the log of the previous run.

    `is_kept` tells whether they can be restored: they were neither restored nor discarded.

    Raises
    ------
    UsageError
        Something cannot be renamed; then all is as before.
    """

    def __init__(self, data_dir: DataDir, log_file: LogFile) -> None:
        self._data_dir, self._log_file = data_dir, log_file
        self.is_kept = True
        try:
            data_dir.set_aside_outputs()
        except OSError as error:
            self.restore()
            raise UsageError(f"--data-dir {data_dir.root}: {error.strerror}") from None

    def restore(self) -> None:
        """Put all files back, in place of what is there now."""
        self._data_dir.restore_outputs()
        self._log_file.restore()
        self.is_kept = False

    def discard(self) -> None:
        """Remove them: the new run has written its first checkpoint, or has ended."""
        if self.is_kept:
            self.is_kept = False
            with suppress(OSError):  # the next run does it
                self._data_dir.discard_set_aside()
                self._log_file.discard_earlier()
