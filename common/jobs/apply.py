"""Run a job's functions over rows and records; every engine does it with these."""

from collections.abc import Iterator
from typing import cast

import numpy as np

from common.jobs.base import Job, Memory, Meter
from common.jobs.entry import as_they_enter
from common.kernels.parallel import in_parallel
from common.kernels.sparse import SparseRows
from common.model import Block, FloatArray, IntArray, Records, Rows, State, Table

_BLOCK_NUMBERS = 1 << 21
"""Of a block: 16 MiB as float64, and from two centroids on enough for compiled code to be worth while."""
_BLOCK_LINES = 1 << 14


def _none_used() -> tuple[float, float, float]:
    return 0.0, 0.0, 0.0


def map_rows(
    job: Job,
    state: State,
    rows: Rows | SparseRows,
    row_start: int,
    *,
    combine: bool,
    memory: Memory | None = None,
    threads: int = 1,
    meter: Meter = _none_used,
) -> Records:
    """Map a split's rows, block by block or all at once; `row_start` is the input row of `rows[0]`.

    `combine` merges the records of each key; jobs that aggregate always do. `memory` is what earlier calls
    for these rows have left; see `Job.summarize`. Threads share the work if the rows are many. `meter` is for
    a job that wants its splits alone.
    """
    rows, memory = as_they_enter(rows, state, {} if memory is None else memory)
    if job.alone:
        return _map_alone(job, state, Block(cast(Rows, rows), row_start), meter)
    combines = combine or job.aggregates

    def map_part(where: slice) -> list[Records]:
        part = Block(cast(Rows, rows[where]), row_start + where.start)
        if (combines or job.maps_at_once) and _takes(job, rows):
            summary = job.summarize(part, state, memory.setdefault(f"rows {where.start} to {where.stop}", {}))
            if summary is not None:
                return [summary]
        mapped = (job.map(block, state) for block in _blocks(job, part))
        return [job.combine(records) if combines else records for records in mapped]

    parts = in_parallel(map_part, rows, threads)
    records = Records.concatenate([*parts, Records.empty(job.key_type)])
    return job.combine(records) if combines and len(parts) > 1 else records


def map_split(
    job: Job,
    state: State,
    rows: Rows,
    row_start: int,
    *,
    combine: bool,
    memory: Memory | None = None,
    threads: int = 1,
    meter: Meter = _none_used,
) -> Records:
    """Map a split's rows as `map_rows`, but copy none if the job emits them as they are.

    Then the values are the rows as they enter: they may be float32, and fewer than the keys, if the job emits
    each row several times: record i has row i % len(rows).
    """
    if combine or not job.emits_rows:
        return map_rows(
            job, state, rows, row_start, combine=combine, memory=memory, threads=threads, meter=meter
        )

    rows, _ = as_they_enter(rows, state, {} if memory is None else memory)

    def map_part(where: slice) -> list[IntArray]:
        blocks = _blocks(job, Block(rows[where], row_start + where.start))
        return [cast(IntArray, job.map(block, state).keys).reshape(-1, len(block.rows)) for block in blocks]

    parts = in_parallel(map_part, rows, threads)
    keys = np.concatenate(parts, axis=1).ravel() if parts else np.empty(0, np.int32)
    return Records(keys, cast(FloatArray, rows))


def _map_alone(job: Job, state: State, block: Block, meter: Meter) -> Records:
    """Map a whole split; add what that took to each record."""
    began_s, began_cpu_s, _ = meter()
    records = job.map(block, state)
    ended_s, ended_cpu_s, peak_mb = meter()
    took = [ended_s - began_s, ended_cpu_s - began_cpu_s, peak_mb]
    if not len(records):
        return records
    return Records(records.keys, np.column_stack([records.values, np.tile(took, (len(records), 1))]))


def _takes(job: Job, rows: Rows | SparseRows) -> bool:
    """Tell whether a job's functions work with rows as they are."""
    return job.takes_sparse or not isinstance(rows, SparseRows)


def _blocks(job: Job, part: Block) -> Iterator[Block]:
    """Cut rows into blocks: dense ones, and of float64, unless the job takes others."""
    rows = cast(Rows | SparseRows, part.rows)
    if isinstance(rows, SparseRows) and _takes(job, rows):
        yield part
        return
    points = rows.points if isinstance(rows, Table) else rows
    if isinstance(points, np.ndarray | SparseRows):
        size = max(1, _BLOCK_NUMBERS // points.shape[1])
    else:
        size = _BLOCK_LINES
    for start in range(0, len(rows), size):
        yield Block(_converted_for(job, rows[start : start + size]), part.row_start + start)


def _converted_for(job: Job, rows: Rows | SparseRows) -> Rows:
    if isinstance(rows, SparseRows):
        rows = rows.dense()
    convert = isinstance(rows, np.ndarray) and not job.takes_float32
    return np.asarray(rows, np.float64) if convert else rows
