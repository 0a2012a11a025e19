"""The master's own process, no files: the engine that the others are held against."""

import io
from collections.abc import Iterator

import numpy as np

from common.formats.base import InputFile
from common.formats.dataset import plan_splits
from common.formats.opening import open_split
from common.formats.unchanged import check_unchanged
from common.jobs.apply import map_rows, reduce_runs
from common.jobs.base import Job, Memory
from common.jobs.engine import Engine
from common.kernels.grouping import groups, sort_by_key
from common.model import Buffer, FloatArray, Key, PointArray, RecordFormat, Rows, State
from common.records import encode
from master.engines.base import EngineRequest


def start_engine(request: EngineRequest) -> Engine:
    """Load the input; there is nothing to start."""
    return InlineEngine(request.file, combine=request.tasks.combine, threads=request.tasks.threads)


def open_array(points: PointArray, threads: int) -> Engine:
    """Take rows in memory that were checked already, of shape (rows, columns)."""
    return InlineEngine(points, combine=True, threads=threads)


class InlineEngine:
    """Holds the whole input in memory, or maps it from its file.

    Parameters
    ----------
    rows
        The input: a file, or rows in memory that were checked already, of shape (rows, columns).
    combine
        Merge the records of each key before the reduce.
    threads
        How many share the work.

    Raises
    ------
    InputError
        The input holds what it must not.
    """

    def __init__(self, rows: InputFile | PointArray, *, combine: bool, threads: int = 1) -> None:
        self._file = None if isinstance(rows, np.ndarray) else rows
        self._rows = rows if isinstance(rows, np.ndarray) else _load(rows)
        self._combine = combine
        self._threads = threads
        self._memory: Memory = {}

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`."""
        self._check()
        records = map_rows(
            *(job, state, self._rows, 0),
            combine=self._combine,
            memory=self._memory,
            threads=self._threads,
        )
        return dict(groups(reduce_runs(job, [sort_by_key(records)])))

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`."""
        self._check()
        text = io.BytesIO()
        encode(map_rows(job, state, self._rows, 0, combine=False), RecordFormat.TEXT).write(text)
        yield text.getbuffer()

    def _check(self) -> None:
        if self._file is not None:  # rows may be mapped from it
            check_unchanged(self._file.input)


def _load(file: InputFile) -> Rows:
    (whole,) = plan_splits(file, 1)
    return open_split(file.input, whole, cache=None).rows
