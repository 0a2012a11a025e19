"""The work of a map task: read the split, map it, write the map output and the partitions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from common.dataset import check_rows, check_split, read_blocks, stored_rows
from common.jobs.apply import map_rows
from common.jobs.base import Job, Memory
from common.kernels.grouping import order_by_key
from common.model import (
    Attempt,
    CommittedFile,
    Input,
    IntArray,
    LongArray,
    PointArray,
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


def open_split(source: Input, split: Split, store: NodeStore) -> PointArray:
    """Return a split's rows, shape (rows, columns), memory-mapped; read only the first time.

    They are mapped from the input itself, once checked, if it holds them just as they are wanted.
    """
    if not split.rows:
        return np.empty((0, len(source.columns)), source.dtype)
    stored = stored_rows(source, split)
    if stored is not None:
        checked = store.cached(split.index, "checked")
        if not checked.exists():
            check_split(source, split)
            checked.touch()
        return stored
    path = store.cached(split.index, "points.npy")
    if not path.exists():
        with write_whole(path) as file:
            _write_points(source, split, file)
    points: PointArray = np.load(path, mmap_mode="r")
    return points


def _write_points(source: Input, split: Split, file: BinaryIO) -> None:
    kind = np.dtype(source.dtype).newbyteorder("<")
    header = {"descr": kind.str, "fortran_order": False, "shape": (split.rows, len(source.columns))}
    np.lib.format.write_array_header_1_0(file, header)
    rows = 0
    for block in read_blocks(source, split):
        file.write(np.ascontiguousarray(block, kind).data)
        rows += len(block)
    check_rows(source, split, rows)


def partition_orders(keys: IntArray, partitions: int) -> Iterator[LongArray]:
    """Yield, per partition, the positions of its records (key % partitions), sorted by key."""
    for partition in range(partitions):
        members = np.flatnonzero(keys % partitions == partition)
        yield members[order_by_key(keys[members])]


def _row_lines(points: PointArray, split: Split, store: NodeStore) -> LongLines:
    """Return the rows as text, memory-mapped; written only the first time."""
    text_path, offsets_path = store.cached(split.index, "rows.txt"), store.cached(split.index, "rows.npy")
    if not offsets_path.exists():
        text = encode_values(points.astype(np.float64, copy=False))
        with write_whole(text_path) as file:
            file.write(text)
        with write_whole(offsets_path) as file:
            np.save(file, line_offsets(text))
    return LongLines.of(np.memmap(text_path, mode="r").data, np.load(offsets_path, mmap_mode="r"))
