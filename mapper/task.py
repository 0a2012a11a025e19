"""The work of a map task: read the split, map it, write the map output and the partitions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from common.dataset import read_blocks
from common.errors import InputError
from common.jobs.apply import map_rows
from common.jobs.base import Job, Memory
from common.kernels.grouping import order_by_key
from common.model import (
    Attempt,
    CommittedFile,
    FloatArray,
    Input,
    IntArray,
    LongArray,
    Split,
    State,
    TaskOptions,
)
from common.records import SHORT_LINES, LongLines, encode, encode_values, line_offsets, prefix_keys
from common.store import MAP_OUTPUT, NodeStore, partition_name, write_whole


@dataclass(frozen=True)
class MapTask:
    """What a mapper is asked to do."""

    attempt: Attempt
    job: Job
    state: State
    source: Input
    split: Split
    partitions: int
    options: TaskOptions


@dataclass(frozen=True)
class MapResult:
    """What it wrote."""

    map_output: CommittedFile
    partitions: list[CommittedFile]


def run_map_task(task: MapTask, store: NodeStore, memory: Memory) -> MapResult:
    """Run a map task from the split to the committed files; `memory` is the split's.

    Raises
    ------
    InputError
        The split holds what it must not.
    StaleAttemptError
        A newer attempt or stage has begun; nothing was committed.
    """
    points = open_split(task.source, task.split, store)
    # Without partitions the map output itself is the result: every record counts.
    combine = task.options.combine and task.partitions > 0
    records = map_rows(task.job, task.state, points, task.split.row_start, combine=combine, memory=memory)
    if task.job.emits_rows and not combine and len(points) >= SHORT_LINES:
        lines = prefix_keys(records.keys, _row_lines(points, task.split, store))
    else:
        lines = encode(records)
    with store.attempt(task.attempt, keep_iterations=task.options.keep_iterations) as files:
        map_output = files.write(MAP_OUTPUT, lines.joined(), len(records))
        partitions = [
            files.write(partition_name(i), lines.take(order).joined(), len(order))
            for i, order in enumerate(partition_orders(records.keys, task.partitions))
        ]
        return MapResult(map_output, partitions)


def open_split(source: Input, split: Split, store: NodeStore) -> FloatArray:
    """Return a split's rows, shape (rows, columns), memory-mapped; parsed only the first time."""
    columns = len(source.columns)
    if split.rows == 0:
        return np.empty((0, columns))
    path = store.cached(split.index, "points.npy")
    if not path.exists():
        with write_whole(path) as file:
            header = {"descr": "<f8", "fortran_order": False, "shape": (split.rows, columns)}
            np.lib.format.write_array_header_1_0(file, header)
            rows = 0
            for block in read_blocks(source, split):
                file.write(np.ascontiguousarray(block, "<f8").data)
                rows += len(block)
            if rows != split.rows:
                raise InputError.at(source.path, "the file changed while the run was using it")
    points: FloatArray = np.load(path, mmap_mode="r")
    return points


def partition_orders(keys: IntArray, partitions: int) -> Iterator[LongArray]:
    """Yield, per partition, the positions of its records (key % partitions), sorted by key."""
    for partition in range(partitions):
        members = np.flatnonzero(keys % partitions == partition)
        yield members[order_by_key(keys[members])]


def _row_lines(points: FloatArray, split: Split, store: NodeStore) -> LongLines:
    """Return the rows as text, memory-mapped; written only the first time."""
    text_path, offsets_path = store.cached(split.index, "rows.txt"), store.cached(split.index, "rows.npy")
    if not offsets_path.exists():
        text = encode_values(points)
        with write_whole(text_path) as file:
            file.write(text)
        with write_whole(offsets_path) as file:
            np.save(file, line_offsets(text))
    return LongLines.of(np.memmap(text_path, mode="r").data, np.load(offsets_path, mmap_mode="r"))
