"""The files that a worker keeps in its own folder and serves to others."""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import OutputLostError, StaleAttemptError
from common.model import Attempt, RecordFormat, Stage
from common.store.attempt import CHUNK_BYTES, AttemptFiles, check_undamaged
from common.store.files import remove
from common.store.names import CACHE, ITERATION_FOLDER, JOB_FOLDER, LOCK, MANIFEST, TASK_FOLDER, TEMPORARY


class NodeStore:
    """A worker's own folder; several threads may call all methods.

    It keeps and serves the files of the newest attempt. It refuses a late attempt, and one of another epoch.
    """

    def __init__(self, folder: Path, index: int, epoch: int = 0) -> None:
        self._folder = folder
        self._home_task = index - 1
        self._epoch = epoch
        self._stage = Stage(0, "")
        self._newest: dict[int, int] = {}
        self._committed: dict[int, AttemptFiles] = {}
        self._lock = threading.Lock()
        self._tags = itertools.count(1)
        (folder / CACHE).mkdir(parents=True, exist_ok=True)
        clean_before_run(folder)

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
                files.commit()
                self._committed[attempt.task] = files
        except OSError:
            with self._lock:
                self._refuse_stale(attempt)  # a newer stage has removed the folder
            raise
        finally:
            files.remove()

    def read(self, attempt: Attempt, name: str, offset: int = 0, *, verify: bool = False) -> Iterator[bytes]:
        """Read a file that an attempt committed, in chunks from an offset; `verify` its checksum first.

        Raises
        ------
        OutputLostError
            It belongs to another attempt, or is missing or damaged.
        """
        with self._lock:
            files = self._committed.get(attempt.task)
            if files is None or files.attempt != attempt or name not in files.written:
                raise OutputLostError(
                    f"{name} of task {attempt.task + 1}, attempt {attempt.number} is not here"
                )
            path = Path(files.path(name))
            with _lost(path):
                file = path.open("rb", buffering=0)
        with file, _lost(path):
            if verify:
                check_undamaged(file, path.name, files.written[name])
            file.seek(offset)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def cached(self, split: int, what: str) -> Path:
        """Return the path of a file computed from a split, kept for later stages and processes."""
        return self._folder / CACHE / f"split_{split + 1}_{what}"

    def _begin(self, attempt: Attempt, keep_iterations: bool) -> None:
        if attempt.stage.epoch != self._epoch:
            raise StaleAttemptError("the order is of another master's run")
        if attempt.stage.sequence > self._stage.sequence:
            self._stage = attempt.stage
            self._newest.clear()
            self._committed.clear()
            self._remove_earlier_stages(iterations=bool(attempt.stage.iteration) and not keep_iterations)
        self._refuse_stale(attempt)
        self._newest[attempt.task] = attempt.number

    def _refuse_stale(self, attempt: Attempt) -> None:
        newest = self._newest.get(attempt.task, 0)
        if attempt.stage.sequence < self._stage.sequence or attempt.number < newest:
            raise StaleAttemptError(f"task {attempt.task + 1}, attempt {attempt.number} is no longer wanted")

    def _remove_earlier_stages(self, *, iterations: bool) -> None:
        """Remove the files of jobs outside the iterations, and those of the last iteration if asked."""
        for entry in list(os.scandir(self._folder)):
            of_iteration = entry.is_file() or entry.name.startswith(TASK_FOLDER)
            if entry.name.startswith(JOB_FOLDER) or (iterations and of_iteration and entry.name != LOCK):
                remove(Path(entry))

    def _task_folder(self, attempt: Attempt, keep_iterations: bool) -> Path:
        folder, iteration = self._folder, attempt.stage.iteration
        if iteration is None:
            folder /= f"{JOB_FOLDER}{attempt.stage.job}"
        elif keep_iterations:
            folder /= f"{ITERATION_FOLDER}{iteration}"
        return folder if attempt.task == self._home_task else folder / f"{TASK_FOLDER}{attempt.task + 1}"


def clean_before_run(node: Path) -> None:
    """Remove what a killed worker left in its folder: temporary files, and files that no manifest lists."""
    for temporary in (node / CACHE).glob(f".*{TEMPORARY}"):
        remove(temporary)
    for folder in (node, *(path for path in node.rglob("*") if path.is_dir())):
        if folder.name != CACHE:
            _remove_unlisted(folder)


def _remove_unlisted(folder: Path) -> None:
    listed = {LOCK, MANIFEST}
    with suppress(FileNotFoundError):
        lines = (folder / MANIFEST).read_text("utf-8", "replace").splitlines()
        listed |= {line.split(" ")[0] for line in lines[1:]}
    for path in folder.iterdir():
        if path.is_file() and path.name not in listed:
            remove(path)


@contextmanager
def _lost(path: Path) -> Iterator[None]:
    """Turn an error of the system in reading a file into an OutputLostError."""
    try:
        yield
    except OSError as error:
        raise OutputLostError(f"{path.name}: {error.strerror}") from error
