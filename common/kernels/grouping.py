"""Sort and group records by key."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.model import FloatArray, IntArray, LongArray, Records


def sort_by_key(records: Records) -> Records:
    """Sort by key; records of one key stay in their order."""
    order = order_by_key(records.keys)
    return Records(records.keys[order], records.values[order])


def order_by_key(keys: npt.NDArray[np.integer]) -> LongArray:
    """Return the positions of keys, shape (n,), sorted by key; equal keys stay in their order."""
    # NumPy sorts 16-bit integers by radix, which takes a fifth of the time; keys are mostly few.
    small = len(keys) > 0 and int(keys.max()) < 1 << 16
    return np.argsort(keys.astype(np.uint16, copy=False) if small else keys, kind="stable")


def partition_positions(keys: IntArray, partitions: int) -> list[LongArray]:
    """Return, per partition, the positions of its keys (key % partitions), sorted by key.

    Equal keys stay in their order; keys, shape (n,), are not negative. One sort serves all partitions.
    """
    if not partitions:
        return []
    counts = np.bincount(keys, minlength=partitions)
    known = np.arange(len(counts))
    in_partition = known % partitions
    ranks = np.empty(len(known), np.min_scalar_type(len(known)))
    ranks[np.argsort(in_partition, kind="stable")] = known
    sizes = np.bincount(in_partition, weights=counts).astype(np.int64)
    return np.split(order_by_key(ranks[keys]), np.cumsum(sizes)[:-1])


def groups(records: Records) -> Iterator[tuple[int, FloatArray]]:
    """Yield each key of sorted records with its values, shape (members, w)."""
    return merge_groups([records])


def merge_groups(runs: Iterable[Records]) -> Iterator[tuple[int, FloatArray]]:
    """Merge runs that are each sorted by key: yield each key with its values from all runs, in order."""
    parts: dict[int, list[FloatArray]] = {}
    for run in runs:
        starts = np.flatnonzero(np.diff(run.keys, prepend=-1))
        for start, stop in pairwise([*starts.tolist(), len(run)]):
            parts.setdefault(int(run.keys[start]), []).append(run.values[start:stop])
    for key in sorted(parts):
        values = parts.pop(key)
        yield key, values[0] if len(values) == 1 else np.concatenate(values)
