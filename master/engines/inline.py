"""The master's own process, no files: the reference that the other engines must agree with."""

import io
from collections.abc import Iterator
from typing import cast

import numpy as np

from common.formats.dataset import InputFile, plan_splits
from common.formats.opening import open_split
from common.formats.texts import joined
from common.jobs.apply import map_rows
from common.jobs.base import Engine, Job, Memory
from common.kernels.grouping import groups, sort_by_key
from common.kernels.sparse import SparseRows
from common.machine import usage
from common.model import Buffer, FloatArray, Key, PointArray, RecordFormat, Records, Rows, State, Table
from common.records import encode
from master.engines.table import EngineRequest


def start_engine(request: EngineRequest) -> Engine:
    """Load the input; there is nothing to start."""
    return InlineEngine(request.file, combine=request.tasks.combine, threads=request.tasks.threads)


class InlineEngine:
    """Holds the whole input in memory.

    `rows` are a file, or rows in memory that were checked already. InputError: the file has invalid content.
    """

    def __init__(
        self, rows: InputFile | PointArray | Table | SparseRows, *, combine: bool, threads: int = 1
    ) -> None:
        self._rows = load_rows(rows) if isinstance(rows, InputFile) else rows
        self._combine = combine
        self._threads = threads
        self._memory: Memory = {}

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`."""
        records = map_rows(
            *(job, state, self._rows, 0),
            combine=self._combine,
            memory=self._memory,
            threads=self._threads,
            meter=usage,
        )
        return dict(groups(job.reduce_runs([sort_by_key(records)])))

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`."""
        text = io.BytesIO()
        encode(self.map_records(job, state), RecordFormat.TEXT).write(text)
        yield text.getbuffer()

    def map_records(self, job: Job, state: State) -> Records:
        """Run a job's map alone; return its records, not their text."""
        return map_rows(job, state, self._rows, 0, combine=False, memory=self._memory, threads=self._threads)


def load_rows(file: InputFile) -> Rows:
    """Load all rows of a file."""
    parts = [open_split(file.source_of(split), split, cache=None).rows for split in plan_splits(file, 1)]
    if len(parts) == 1:
        return parts[0]
    if file.input.is_table:
        return joined(cast(list[Table], parts))
    return cast(PointArray, np.concatenate(cast(list[PointArray], parts)))
