"""The map and reduce tasks of a stage, as any worker can run them."""

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from common.engines.rows import Part, held
from common.jobs.apply import map_rows, map_split
from common.jobs.base import Job, Memory
from common.kernels.grouping import key_slices, order_by_key
from common.model import FloatArray, Key, RecordFormat, Rows, State, TaskOptions
from common.records import encode

_PIECE_NUMBERS = 1 << 17
_LABELLED_ROWS = 1 << 19


class Piece(NamedTuple):
    """Some values of a key, and where in the input's order they stand."""

    part: int
    position: int
    values: FloatArray


Emitted: TypeAlias = tuple[Key, Piece]


@dataclass(frozen=True)
class Order:
    """What the tasks of a stage have in common.

    Parameters
    ----------
    run
        Tells apart what different runs keep.
    job, state
        What to run.
    options
        Whether to combine, a map task's threads, and how long it waits before its work.
    row_starts
        The first input row of each part.
    """

    run: str
    job: Job
    state: State
    options: TaskOptions
    row_starts: tuple[int, ...]


def map_part(order: Order, part: Part, folder: Path) -> Iterator[Emitted]:
    """Map a part; yield its records by key, in pieces of about a MiB at most.

    Raises
    ------
    InputError
        The part can't be read or holds what it must not.
    """
    time.sleep(order.options.delay_s)
    with held(order.run, part, folder) as (rows, memory):
        yield from map_opened(order, part.index, rows, memory)


def map_opened(order: Order, part: int, rows: Rows, memory: Memory) -> Iterator[Emitted]:
    """Map rows that are at hand, those of a part; else as `map_part`."""
    records = map_split(
        *(order.job, order.state, rows, order.row_starts[part]),
        combine=order.options.combine,
        memory=memory,
        threads=order.options.threads,
    )
    keys, values = records.keys, records.values
    positions = order_by_key(keys)
    size = _rows_a_piece(values)
    for key, where in key_slices(keys[positions]):
        for start in range(where.start, where.stop, size):
            chosen = positions[start : min(start + size, where.stop)] % len(values)
            yield key, Piece(part, start - where.start, values[chosen].astype(np.float64, copy=False))


def label_part(order: Order, part: Part, folder: Path) -> Iterator[bytes]:
    """Map a part alone; yield its records as text, in order."""
    with held(order.run, part, folder) as (rows, _):
        yield from label_opened(order, part.index, rows)


def label_opened(order: Order, part: int, rows: Rows) -> Iterator[bytes]:
    """Map rows that are at hand, alone; else as `label_part`."""
    for start in range(0, len(rows), _LABELLED_ROWS):
        some, row_start = rows[start : start + _LABELLED_ROWS], order.row_starts[part] + start
        records = map_rows(
            order.job, order.state, some, row_start, combine=False, threads=order.options.threads
        )
        text = io.BytesIO()
        encode(records, RecordFormat.TEXT).write(text)
        yield text.getvalue()


def reduce_pieces(job: Job, emitted: Iterable[Emitted]) -> Iterator[tuple[Key, FloatArray]]:
    """Reduce each key once all its pieces are there, which may come in any order."""
    by_key: dict[Key, list[Piece]] = {}
    for key, piece in emitted:
        by_key.setdefault(key, []).append(piece)
    for key in sorted(by_key):
        pieces = sorted(by_key.pop(key), key=lambda piece: piece[:2])
        result = job.reduce(key, np.concatenate([piece.values for piece in pieces]))
        if len(result):
            yield key, result


def _rows_a_piece(values: FloatArray) -> int:
    columns: int = values.shape[1]
    return max(1, _PIECE_NUMBERS // max(1, columns))
