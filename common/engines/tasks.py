"""The map and reduce tasks of a stage, as any worker can run them."""

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from common.engines.rows import Part, held
from common.jobs.apply import map_keys, map_rows
from common.jobs.base import Job, Memory
from common.kernels.grouping import groups, order_by_key, sort_by_key
from common.model import FloatArray, PointArray, RecordFormat, State, TaskOptions
from common.records import encode

_PIECE_NUMBERS = 1 << 17
_LABELLED_ROWS = 1 << 19


class Piece(NamedTuple):
    """Some values of a key, and where in the input's order they stand."""

    part: int
    position: int
    values: FloatArray


Emitted: TypeAlias = tuple[int, Piece]


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
    with held(order.run, part, folder) as (points, memory):
        yield from map_points(order, part.index, points, memory)


def map_points(order: Order, part: int, points: PointArray, memory: Memory) -> Iterator[Emitted]:
    """Map rows that are at hand, those of a part; else as `map_part`."""
    job, row_start = order.job, order.row_starts[part]
    combine, threads = order.options.combine, order.options.threads
    if combine or not job.emits_rows:
        mapped = map_rows(
            *(job, order.state, points, row_start), combine=combine, memory=memory, threads=threads
        )
        records = sort_by_key(mapped)
        for key, values in groups(records):
            for start in range(0, len(values), _rows_a_piece(values)):
                yield key, Piece(part, start, values[start : start + _rows_a_piece(values)])
        return
    # Only keys are computed; the values are the rows themselves.
    keys = map_keys(job, order.state, points, row_start, threads)
    positions = order_by_key(keys)
    starts = np.flatnonzero(np.diff(keys[positions], prepend=-1))
    for start, stop in pairwise([*starts.tolist(), len(keys)]):
        for at in range(start, stop, _rows_a_piece(points)):
            chosen = positions[at : min(at + _rows_a_piece(points), stop)]
            values = points[chosen % len(points)].astype(np.float64, copy=False)
            yield int(keys[positions[start]]), Piece(part, at - start, values)


def label_part(order: Order, part: Part, folder: Path) -> Iterator[bytes]:
    """Map a part alone; yield its records as text, in order."""
    with held(order.run, part, folder) as (points, _):
        yield from label_points(order, part.index, points)


def label_points(order: Order, part: int, points: PointArray) -> Iterator[bytes]:
    """Map rows that are at hand, alone; else as `label_part`."""
    for start in range(0, len(points), _LABELLED_ROWS):
        rows, row_start = points[start : start + _LABELLED_ROWS], order.row_starts[part] + start
        records = map_rows(
            order.job, order.state, rows, row_start, combine=False, threads=order.options.threads
        )
        text = io.BytesIO()
        encode(records, RecordFormat.TEXT).write(text)
        yield text.getvalue()


def reduce_pieces(job: Job, emitted: Iterable[Emitted]) -> Iterator[tuple[int, FloatArray]]:
    """Reduce each key once all its pieces are there, which may come in any order."""
    by_key: dict[int, list[Piece]] = {}
    for key, piece in emitted:
        by_key.setdefault(key, []).append(piece)
    for key in sorted(by_key):
        pieces = sorted(by_key.pop(key), key=lambda piece: piece[:2])
        result = job.reduce(key, np.concatenate([piece.values for piece in pieces]))
        if len(result):
            yield key, result


def _rows_a_piece(values: PointArray) -> int:
    columns: int = values.shape[1]
    return max(1, _PIECE_NUMBERS // max(1, columns))
