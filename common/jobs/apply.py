"""Run a job's functions over rows and records; every engine does it with these."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from common.jobs.base import Job, Memory
from common.kernels.grouping import merge_groups
from common.model import Block, FloatArray, IntArray, PointArray, Records, State

_BLOCK_ROWS = 1 << 16


def map_rows(
    job: Job,
    state: State,
    points: PointArray,
    row_start: int,
    *,
    combine: bool,
    memory: Memory | None = None,
) -> Records:
    """Map a split's rows, block by block or all at once.

    Parameters
    ----------
    job, state
        What to run.
    points
        Shape (rows, columns); may be memory-mapped. `job.map` gets them as float64.
    row_start
        The input row of `points[0]`.
    combine
        Merge the records of each key; jobs that aggregate always do.
    memory
        What earlier calls for these rows have left; see `Job.summarize`.
    """
    combines = combine or job.aggregates
    if combines:
        summary = job.summarize(
            Block(cast(FloatArray, points), row_start), state, {} if memory is None else memory
        )
        if summary is not None:
            return summary
    parts = []
    for start in range(0, len(points), _BLOCK_ROWS):
        block = points[start : start + _BLOCK_ROWS].astype(np.float64, copy=False)
        records = job.map(Block(block, row_start + start), state)
        parts.append(job.combine(records) if combines else records)
    records = Records.concatenate(parts)
    return job.combine(records) if combines and len(parts) > 1 else records


def map_keys(job: Job, state: State, points: PointArray, row_start: int) -> IntArray:
    """Map a split's rows to keys alone, of a job that emits rows, so that no value need be copied.

    Returns
    -------
    array
        Shape (times * rows,): the keys of all rows in order, as many times over as the job emits them.
    """
    parts = [np.empty((1, 0), np.int32)] if not len(points) else []
    for start in range(0, len(points), _BLOCK_ROWS):
        block = points[start : start + _BLOCK_ROWS].astype(np.float64, copy=False)
        parts.append(job.map(Block(block, row_start + start), state).keys.reshape(-1, len(block)))
    return np.concatenate(parts, axis=1).ravel()


def reduce_runs(job: Job, runs: Sequence[Records]) -> Records:
    """Merge runs that are each sorted by key, and reduce each key."""
    parts = []
    for key, values in merge_groups(runs):
        result = job.reduce(key, values)
        parts.append(Records(np.full(len(result), key, np.int32), result))
    return Records.concatenate(parts)
