"""Writes the checkpoints of a run, in a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from common.errors import UsageError
from common.events.catalogue import run as events
from common.events.log import Log
from common.formats.unchanged import content_digest
from common.store.folders import DataDir
from master.algorithms.base import Checkpoints, Progress
from master.run.checkpoint_file import SavedCheckpoint, Subject, encode_checkpoint

_KEPT = 2
_CLOSE_TIMEOUT_S = 10.0
_PAUSE_S = 0.1
"""Between two checkpoints: what is lost with a run must be little, but a short iteration costs less."""


class CheckpointWriter(Checkpoints):
    """Writes a run's checkpoints in the background, so that no iteration waits for the disk.

    At most one is being written; of those that wait, only the newest counts. After the first, the
    input is read once for its checksum. The two newest are kept; those of an earlier run go when
    this one's first is there. A context manager.

    `found` is where the run continues, if it does; `begun` is called after each checkpoint: from then on
    the run can be resumed.
    """

    def __init__(
        self,
        data_dir: DataDir,
        subject: Subject,
        found: SavedCheckpoint | None,
        log: Log,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._data_dir = data_dir
        self._subject = found.subject if found else subject
        self._resumed = found.parts if found else None
        self._kept = [found.path] if found else []
        self._log = log
        self._begun = begun
        self._changed = threading.Condition()
        self._newest: tuple[int, Sequence[Progress]] | None = None
        self._waiting = False
        self._closing = False
        self._writer: threading.Thread | None = None
        self._failing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the one that waits, if any, and write no more."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._writer is not None:
            self._writer.join(_CLOSE_TIMEOUT_S)

    def resumed(self) -> Sequence[Progress] | None:
        """Return the progress of each part in the run that is resumed; None if none is."""
        return self._resumed

    def save(self, iteration: int, parts: Sequence[Progress]) -> None:
        """Write a checkpoint soon."""
        with self._changed:
            self._newest, self._waiting = (iteration, list(parts)), True
            self._changed.notify()
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, name="checkpoints", daemon=True)
            self._writer.start()
            threading.Thread(target=self._find_digest, name="digest", daemon=True).start()

    def remove(self) -> None:
        """End the writing and remove the checkpoints: the run is finished."""
        self.__exit__()
        self._data_dir.keep_checkpoints([])

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                assert self._newest is not None
                (iteration, parts), subject, self._waiting = self._newest, self._subject, False
            self._write(subject, iteration, parts)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _PAUSE_S)

    def _write(self, subject: Subject, iteration: int, parts: Sequence[Progress]) -> None:
        path = self._data_dir.checkpoint(iteration)
        try:
            self._data_dir.write_checkpoint(iteration, encode_checkpoint(iteration, subject, parts))
        except (OSError, UsageError) as error:
            if not self._failing:  # the run goes on: it is the result that counts
                reason = getattr(error, "strerror", None) or str(error)
                self._log.event(events.CheckpointFailed(file=str(path), reason=reason))
            self._failing = True
            return
        self._failing = False
        if path in self._kept:
            return
        self._kept = [*self._kept, path][-_KEPT:]
        self._data_dir.keep_checkpoints(self._kept)
        self._log.event(events.Checkpoint(file=str(path)))
        self._begun()

    def _find_digest(self) -> None:
        """Read the input for its checksum, and put that into the newest checkpoint."""
        source = self._subject.source
        if source.digest:
            return
        try:
            digest = content_digest(source.path, lambda: self._closing)
            status = Path(source.path).stat()
        except OSError:
            return  # the mappers will say so
        if not digest or (status.st_size, status.st_mtime_ns) != (source.size_bytes, source.mtime_ns):
            return
        with self._changed:
            self._subject = replace(self._subject, source=replace(source, digest=digest))
            self._waiting = not self._closing
            self._changed.notify()
