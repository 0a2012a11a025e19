"""The work of a map task: read the split, map it, write the map output and the partitions."""

from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from common.formats.dataset import check_rows, check_split, check_unchanged, read_blocks, stored_rows
from common.formats.warmup import kernels_loading
from common.jobs.apply import map_keys, map_rows
from common.jobs.base import Job, Memory
from common.kernels.grouping import partition_positions
from common.model import (
    Attempt,
    CommittedFile,
    FloatArray,
    Input,
    IntArray,
    PointArray,
    RecordFormat,
    Records,
    Split,
    State,
    TaskOptions,
)
from common.records import encode
from common.records.base import Encoder
from common.records.text import SHORT_LINES, LongLines, write_values
from common.store.files import write_whole
from common.store.names import MAP_OUTPUT, partition_name
from common.store.node import NodeStore


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
    points = open_split(task.source, task.split, store, memory)
    # Without partitions the map output itself is the result: every record counts, as text.
    alone = task.partitions == 0
    combine = task.options.combine and not alone
    kind = RecordFormat.TEXT if alone else task.options.intermediate
    encoder, keys = _map(task, points, kind, combine, store, memory)
    with store.attempt(task.attempt, kind, keep_iterations=task.options.keep_iterations) as files:
        map_output = files.write(MAP_OUTPUT, encoder)
        partitions = [
            files.write(partition_name(i), encoder, positions)
            for i, positions in enumerate(partition_positions(keys, task.partitions))
        ]
        return MapResult(map_output, partitions)


def _map(
    task: MapTask, points: PointArray, kind: RecordFormat, combine: bool, store: NodeStore, memory: Memory
) -> tuple[Encoder, IntArray]:
    """Map the split; return its records, ready to be written, and their keys."""
    start, threads = task.split.row_start, task.options.threads
    if combine or not task.job.emits_rows:
        records = map_rows(
            task.job, task.state, points, start, combine=combine, memory=memory, threads=threads
        )
        return encode(records, kind), records.keys
    records = Records(map_keys(task.job, task.state, points, start, threads), cast(FloatArray, points))
    if kind is RecordFormat.TEXT and len(points) >= SHORT_LINES:
        return _with_ready_text(records, task.split, store), records.keys
    return encode(records, kind), records.keys


def open_split(source: Input, split: Split, store: NodeStore, memory: Memory) -> PointArray:
    """Return a split's rows, shape (rows, columns), memory-mapped; read only the first time.

    They are mapped from the input itself, once checked, if it holds them just as they are wanted.
    """
    if not split.rows:
        return np.empty((0, len(source.columns)), source.dtype)
    if "points" in memory:
        if memory["in_place"]:
            check_unchanged(source)
        return cast(PointArray, memory["points"])
    with kernels_loading(split.rows * len(source.columns), source.dtype):
        points = stored_rows(source, split)
        memory["in_place"] = points is not None
        if points is not None:
            checked = store.cached(split.index, "checked")
            if not checked.exists():
                check_split(source, split)
                checked.touch()
        else:
            path = store.cached(split.index, "points.npy")
            if not path.exists():
                with write_whole(path) as file:
                    _write_points(source, split, file)
            points = cast(PointArray, np.load(path, mmap_mode="r"))
    memory["points"] = points
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


def _with_ready_text(records: Records, split: Split, store: NodeStore) -> LongLines:
    """Prepare the split's own rows to be written; their text is kept from the first time on."""
    text_path, starts_path = store.cached(split.index, "rows.txt"), store.cached(split.index, "rows.starts")
    if not starts_path.exists():
        with write_whole(starts_path) as starts, write_whole(text_path) as lines:
            write_values(records.values, lines, starts)
    return LongLines(records, np.memmap(text_path, mode="r").data, np.memmap(starts_path, np.int64, "r"))
