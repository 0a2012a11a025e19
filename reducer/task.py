"""The work of a reduce task: fetch the partition from every mapper, sort, group, reduce, write."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from common.errors import FetchFailedError
from common.jobs.base import Job
from common.model import Attempt, CommittedFile, MapOutput, Records, TaskOptions
from common.records import decode, encode_results
from common.store.names import REDUCE_OUTPUT
from common.store.node import NodeStore

Fetch = Callable[[Attempt, MapOutput], bytes]
"""Gets the partition of a map output, checked; raises FetchFailedError."""


@dataclass(frozen=True)
class ReduceTask:
    """What a reducer is asked to do; the partition is the attempt's task."""

    attempt: Attempt
    job: Job
    sources: list[MapOutput]
    options: TaskOptions


@dataclass(frozen=True)
class ReduceResult:
    """What it wrote, and for a job that counts, one number a record that the file leaves out."""

    output: CommittedFile
    counts: list[float]


def run_reduce_task(task: ReduceTask, fetch: Fetch, store: NodeStore, pool: Executor) -> ReduceResult:
    """Run a reduce task from the mappers' partitions, fetched by a pool, to the committed output.

    FetchFailedError if a map output cannot be fetched; the text says whose. StaleAttemptError if a newer
    attempt or stage has begun; nothing was committed then.
    """
    output = task.job.reduce_runs(shuffle(task, fetch, pool))
    left_out = 1 if task.job.counts and len(output) else 0
    values, counts = np.split(output.values, [output.values.shape[1] - left_out], axis=1)
    results = Records(output.keys, values)
    encoder = encode_results(results, task.options.intermediate)
    with store.attempt(task.attempt, keep_iterations=task.options.keep_iterations) as files:
        file = files.write(REDUCE_OUTPUT, encoder)
    return ReduceResult(file, counts.ravel().tolist())


def shuffle(task: ReduceTask, fetch: Fetch, pool: Executor) -> list[Records]:
    """Fetch the runs of all map tasks, each sorted by key and in one or more pieces."""

    def run_of(source: MapOutput) -> list[Records]:
        try:
            run = decode(fetch(task.attempt, source), task.options.intermediate, task.job.key_type)
        except ValueError as error:
            reason = f"not a partition file: {error}"
            raise FetchFailedError(source.task, source.attempt, False, reason) from error
        if sum(map(len, run)) != source.partition.records:
            raise FetchFailedError(source.task, source.attempt, False, "records are missing")
        return run

    others = pool.map(run_of, task.sources[1:])
    own = map(run_of, task.sources[:1])  # in this thread: to wait for another one takes longer
    return list(chain.from_iterable(chain(own, others)))
