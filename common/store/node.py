"""What a worker keeps in its own folder, and serves."""

import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import OutputLostError, StaleAttemptError
from common.model import Attempt, RecordFormat, Stage
from common.store.attempt import CHUNK_BYTES, AttemptFiles, StoredFile, check_undamaged, remove_garbage
from common.store.names import CACHE, JOB_FOLDER, TEMPORARY


class NodeStore:
    """A worker's own folder; all methods may be called by several threads.

    Only the newest attempt's files are kept and served; a late attempt is refused, and so is one of
    another epoch.
    """

    def __init__(self, folder: Path, index: int, epoch: int = 0) -> None:
        self._folder = folder
        self._home_task = index - 1
        self._epoch = epoch
        self._stage = Stage(0, "")
        self._newest: dict[int, int] = {}
        self._committed: dict[int, tuple[int, dict[str, StoredFile]]] = {}
        self._lock = threading.Lock()
        self._tags = itertools.count(1)
        (folder / CACHE).mkdir(parents=True, exist_ok=True)
        for temporary in (folder / CACHE).glob(f".*{TEMPORARY}"):
            temporary.unlink(missing_ok=True)
        remove_garbage(folder)

    @contextmanager
    def attempt(
        self, attempt: Attempt, kind: RecordFormat, *, keep_iterations: bool
    ) -> Iterator[AttemptFiles]:
        """Write an attempt's files; they take their names together when the block ends well.

        Raises
        ------
        StaleAttemptError
            A newer attempt or stage has begun here, before or during the block.
        """
        with self._lock:
            self._begin(attempt, keep_iterations)
            folder = self._task_folder(attempt, keep_iterations)
        folder.mkdir(parents=True, exist_ok=True)
        files = AttemptFiles(folder, attempt, next(self._tags), kind)
        try:
            yield files
            with self._lock:
                self._refuse_stale(attempt)
                self._committed[attempt.task] = (attempt.number, files.commit())
        except OSError:
            with self._lock:
                self._refuse_stale(attempt)  # a newer stage has removed the folder
            raise
        finally:
            files.remove()

    def read(self, attempt: Attempt, name: str, offset: int = 0, *, verify: bool = False) -> Iterator[bytes]:
        """Read a committed file in chunks.

        Parameters
        ----------
        attempt, name
            Which attempt's, and which of its files.
        offset
            Skip this many bytes.
        verify
            See first that it is what was written.

        Raises
        ------
        OutputLostError
            It is not this attempt's, or no longer there, or damaged.
        """
        with self._lock:
            number, files = self._committed.get(attempt.task, (0, {}))
            newest = (attempt.stage.epoch, attempt.stage.sequence) == (self._epoch, self._stage.sequence)
            if not newest or number != attempt.number or name not in files:
                raise OutputLostError(
                    f"{name} of task {attempt.task + 1}, attempt {attempt.number} is not here"
                )
            stored = files[name]
            try:
                file = open(stored.path, "rb", buffering=0)  # noqa: PTH123, SIM115
            except OSError as error:
                raise OutputLostError(f"{Path(stored.path).name}: {error.strerror}") from error
        try:
            with file:
                if verify:
                    check_undamaged(file, stored)
                file.seek(offset)
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            raise OutputLostError(f"{Path(stored.path).name}: {error.strerror}") from error

    def cached(self, split: int, what: str) -> Path:
        """Name a file that keeps something made of a split for later stages and incarnations."""
        return self._folder / CACHE / f"split_{split + 1}_{what}"

    def _begin(self, attempt: Attempt, keep_iterations: bool) -> None:
        if attempt.stage.epoch != self._epoch:
            raise StaleAttemptError("the order is of another master's run")
        if attempt.stage.sequence > self._stage.sequence:
            self._stage = attempt.stage
            self._newest.clear()
            self._committed.clear()
            self._remove_earlier(attempt.stage, keep_iterations)
        self._refuse_stale(attempt)
        self._newest[attempt.task] = attempt.number

    def _refuse_stale(self, attempt: Attempt) -> None:
        newest = self._newest.get(attempt.task, 0)
        if attempt.stage.sequence < self._stage.sequence or attempt.number < newest:
            raise StaleAttemptError(f"task {attempt.task + 1}, attempt {attempt.number} is no longer wanted")

    def _remove_earlier(self, stage: Stage, keep_iterations: bool) -> None:
        """Remove what earlier stages left, but not the last iteration's files while no new one begins."""
        for entry in list(os.scandir(self._folder)):
            of_iteration = entry.is_file() or entry.name.startswith("task_")
            if entry.name.startswith(JOB_FOLDER) or (
                of_iteration and stage.iteration and not keep_iterations
            ):
                shutil.rmtree(entry) if entry.is_dir() else os.unlink(entry)  # noqa: PTH108

    def _task_folder(self, attempt: Attempt, keep_iterations: bool) -> Path:
        folder, iteration = self._folder, attempt.stage.iteration
        if iteration is None:
            folder /= f"{JOB_FOLDER}{attempt.stage.job}"
        elif keep_iterations:
            folder /= f"iteration_{iteration}"
        return folder if attempt.task == self._home_task else folder / f"task_{attempt.task + 1}"
