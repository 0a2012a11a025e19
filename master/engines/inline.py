"""The master's own process, no files: the engine that the others are held against."""

import io
from collections.abc import Iterator

from common.dataset import InputFile, check_unchanged, load_split, plan_splits
from common.jobs.apply import map_rows, reduce_runs
from common.jobs.base import Job, Memory
from common.kernels.grouping import groups, sort_by_key
from common.model import FloatArray, RecordFormat, State
from common.records import encode
from common.records.base import Buffer


class InlineEngine:
    """Holds the whole input in memory, or maps it from its file.

    Parameters
    ----------
    file
        The input.
    combine
        Merge the records of each key before the reduce.
    threads
        How many share the work.

    Raises
    ------
    InputError
        The input holds what it must not.
    """

    def __init__(self, file: InputFile, *, combine: bool, threads: int = 1) -> None:
        self._input = file.input
        (whole,) = plan_splits(file, 1)
        self._points = load_split(file.input, whole)
        self._combine = combine
        self._threads = threads
        self._memory: Memory = {}

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[int, FloatArray]:
        """Run a job; see `Engine`."""
        check_unchanged(self._input)  # its rows may be mapped from it
        records = map_rows(
            *(job, state, self._points, 0),
            combine=self._combine,
            memory=self._memory,
            threads=self._threads,
        )
        return dict(groups(reduce_runs(job, [sort_by_key(records)])))

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`."""
        check_unchanged(self._input)
        text = io.BytesIO()
        encode(map_rows(job, state, self._points, 0, combine=False), RecordFormat.TEXT).write(text)
        yield text.getbuffer()
