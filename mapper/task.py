"""The work of a map task: read the split, map it, write the map output and the partitions."""

from dataclasses import dataclass

import numpy as np

from common.formats.opening import OpenSplit, open_split
from common.formats.unchanged import check_unchanged
from common.jobs.apply import map_split
from common.jobs.base import Job, Memory
from common.kernels.grouping import partition_positions
from common.machine import usage
from common.model import Attempt, CommittedFile, Input, RecordFormat, Records, Rows, Split, State, TaskOptions
from common.records import encode, encode_results
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

    @property
    def is_alone(self) -> bool:
        """Whether the map output itself is the result: every record counts, as text."""
        return self.partitions == 0

    @property
    def combines(self) -> bool:
        """Whether the values of each key are merged."""
        return self.options.combine and not self.is_alone


@dataclass(frozen=True)
class MapResult:
    """What it wrote."""

    map_output: CommittedFile
    partitions: list[CommittedFile]


def run_map_task(task: MapTask, store: NodeStore, memory: Memory) -> MapResult:
    """Run a map task from the split to the committed files; `memory` is the split's.

    InputError if the split has invalid content. StaleAttemptError if a newer attempt or stage has begun;
    nothing was committed then.
    """
    rows = keep_split(task.source, task.split, store, memory)
    records = map_split(
        *(task.job, task.state, rows, task.split.row_start),
        combine=task.combines,
        memory=memory,
        threads=task.options.threads,
        meter=usage,
    )
    encoder = _encoder(task, records, rows, store)
    with store.attempt(task.attempt, keep_iterations=task.options.keep_iterations) as files:
        map_output = files.write(MAP_OUTPUT, encoder)
        partitions = [
            files.write(partition_name(i), encoder, positions)
            for i, positions in enumerate(partition_positions(records.keys, task.partitions))
        ]
        return MapResult(map_output, partitions)


def keep_split(source: Input, split: Split, store: NodeStore, memory: Memory) -> Rows:
    """Open a split's rows, or return those that are open in its memory."""
    opened: OpenSplit | None = memory.get("split")
    if opened is None:
        opened = memory["split"] = open_split(source, split, store.cached(split.index, "rows"))
    elif opened.in_place:
        check_unchanged(source)
    return opened.rows


def _encoder(task: MapTask, records: Records, rows: Rows, store: NodeStore) -> Encoder:
    """Prepare the records to be written."""
    kind = RecordFormat.TEXT if task.is_alone else task.options.intermediate
    if not task.is_alone and (task.combines or not task.job.emits_rows):
        return encode_results(records, kind)
    if records.values is rows and kind is RecordFormat.TEXT and len(rows) >= SHORT_LINES:
        return _with_ready_text(records, task.split, store)
    return encode(records, kind)


def _with_ready_text(records: Records, split: Split, store: NodeStore) -> LongLines:
    """Prepare the split's own rows to be written; their text is kept from the first time on."""
    text_path, starts_path = store.cached(split.index, "rows.txt"), store.cached(split.index, "rows.starts")
    if not starts_path.exists():
        with write_whole(starts_path) as starts, write_whole(text_path) as lines:
            write_values(records.values, lines, starts)
    return LongLines(records, np.memmap(text_path, mode="r").data, np.memmap(starts_path, np.int64, "r"))
