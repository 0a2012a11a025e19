"""The files that a worker keeps in its own folder and serves to others."""

import itertools
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import OutputLostError, StaleAttemptError
from common.model import Attempt, Stage
from common.store.attempt import CHUNK_BYTES, AttemptFiles, check_undamaged
from common.store.checks import take_folder
from common.store.files import folder_names, make_folder, open_folder, remove_files, remove_folder, walk
from common.store.names import (
    CACHE,
    ITERATION_FOLDER,
    JOB_FOLDER,
    MANIFEST,
    TASK_FOLDER,
    is_folder_name,
    is_output_name,
    is_temporary_name,
)

_READ = os.O_RDONLY | os.O_NOFOLLOW


class NodeStore:
    """A worker's own folder; several threads may call all methods.

    It keeps and serves the files of the newest attempt. It refuses a late attempt, and one of another epoch.
    """

    def __init__(self, folder: Path, index: int, epoch: int = 0) -> None:
        self._cache = folder / CACHE
        self._home_task = index - 1
        self._epoch = epoch
        self._stage = Stage(0, "")
        self._newest: dict[int, int] = {}
        self._committed: dict[int, AttemptFiles] = {}
        self._lock = threading.Lock()
        self._tags = itertools.count(1)
        self._folder = _open_node(folder)
        weakref.finalize(self, os.close, self._folder)
        clean_before_run(self._folder)
        make_folder(CACHE, self._folder)

    @contextmanager
    def attempt(self, attempt: Attempt, *, keep_iterations: bool) -> Iterator[AttemptFiles]:
        """Write an attempt's files; they take their names together when the block ends well.

        Raises
        ------
        StaleAttemptError
            A newer attempt or stage has begun here, before or during the block.
        """
        with self._lock:
            self._begin(attempt, keep_iterations)
            place = self._place(attempt, keep_iterations)
        self._make(place)
        files = AttemptFiles(self._folder, place, attempt, next(self._tags))
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
            path = files.path(name)
            shown = path.rpartition("/")[2]
            with _lost(shown):
                file = os.fdopen(os.open(path, _READ, dir_fd=self._folder), "rb", buffering=0)
        with file, _lost(shown):
            if verify:
                check_undamaged(file, shown, files.written[name])
            file.seek(offset)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def cached(self, split: int, what: str) -> Path:
        """Return the path of a file computed from a split, kept for later stages and processes."""
        return self._cache / f"split_{split + 1}_{what}"

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
        removed = (JOB_FOLDER, TASK_FOLDER) if iterations else (JOB_FOLDER,)
        for name in folder_names(
            self._folder, lambda name: name.startswith(removed) and is_folder_name(name)
        ):
            remove_folder(name, self._folder)
        if iterations:
            remove_files(self._folder, lambda name: is_output_name(name) or is_temporary_name(name))

    def _place(self, attempt: Attempt, keep_iterations: bool) -> str:
        """Return the attempt's folder in this one: empty, or it ends in a slash."""
        place, iteration = "", attempt.stage.iteration
        if iteration is None:
            place = f"{JOB_FOLDER}{attempt.stage.job}/"
        elif keep_iterations:
            place = f"{ITERATION_FOLDER}{iteration}/"
        return place if attempt.task == self._home_task else f"{place}{TASK_FOLDER}{attempt.task + 1}/"

    def _make(self, place: str) -> None:
        made = ""
        for name in place.split("/")[:-1]:
            make_folder(f"{made}{name}", self._folder)
            made = f"{made}{name}/"


def _open_node(folder: Path) -> int:
    """Open a worker's folder, its own from now on, and hold it open."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open_folder(folder.parent) as parent:
        make_folder(folder.name, parent)
        with open_folder(folder.name, parent) as opened:
            take_folder(opened, folder, "--folder")
            return os.dup(opened)


def clean_before_run(node: int) -> None:
    """Remove what a killed worker left in its folder: temporary files, and outputs that no manifest lists."""
    for folder in walk(node):
        listed = {MANIFEST, *_listed(folder)}
        remove_files(folder, is_temporary_name)
        remove_files(folder, lambda name: is_output_name(name) and name not in listed)  # noqa: B023


def _listed(folder: int) -> list[str]:
    """Return the names of the files that a folder's manifest lists."""
    try:
        manifest = os.open(MANIFEST, _READ, dir_fd=folder)
    except FileNotFoundError:
        return []
    with os.fdopen(manifest, encoding="utf-8", errors="replace") as file:
        return [line.split(" ")[0] for line in file.read().splitlines()[1:]]


@contextmanager
def _lost(name: str) -> Iterator[None]:
    """Turn an error of the system in reading a file into an OutputLostError."""
    try:
        yield
    except OSError as error:
        raise OutputLostError(f"{name}: {error.strerror}") from error
