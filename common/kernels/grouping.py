"""Sort, partition and group records by key."""

import zlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise, starmap
from typing import cast

import numpy as np
import numpy.typing as npt

from common.model import FloatArray, Key, Keys, LongArray, Records

_FEW_KEYS = 1 << 16
"""NumPy sorts 16-bit integers by radix, which takes a fifth of the time; keys are mostly few."""


def sort_by_key(records: Records) -> Records:
    """Sort by key; records of one key stay in their order. Sorted ones are not copied: they may be wide."""
    if records.keys.dtype != object and (records.keys[1:] >= records.keys[:-1]).all():
        return records
    order = order_by_key(records.keys)
    return Records(records.keys[order], records.values[order])


def order_by_key(keys: Keys | npt.NDArray[np.integer]) -> LongArray:
    """Return the positions of keys, shape (n,), sorted by key; equal keys stay in their order.

    Strings are sorted by code point.
    """
    numbers = coded(keys)[1] if keys.dtype == object else keys
    few = len(keys) > 0 and int(numbers.max()) < _FEW_KEYS
    return np.argsort(numbers.astype(np.uint16, copy=False) if few else numbers, kind="stable")


def add_by_key(records: Records) -> Records:
    """Add the values of each key, which is exact for integers; return one record a key, sorted by key."""
    if not len(records):
        return records
    if runs := _runs_alike(records.keys):
        if runs == 1:
            return records
        keys = records.keys[: len(records) // runs]
        return Records(keys, records.values.reshape(runs, len(keys), records.values.shape[1]).sum(axis=0))
    if records.values.shape[1] > len(records):
        return _add_wide(records)
    ordered = sort_by_key(records)
    starts = key_starts(ordered.keys)
    return Records(ordered.keys[starts], np.add.reduceat(ordered.values, starts, axis=0))


def _runs_alike(keys: Keys) -> int:
    """Return how many times the same rising keys stand in a row, as in parts of a split; 0: they differ."""
    falls = keys[1:] <= keys[:-1]
    length = int(falls.argmax()) + 1 if falls.any() else len(keys)
    alike = len(keys) % length == 0 and (keys.reshape(-1, length) == keys[:length]).all()
    return len(keys) // length if alike else 0


def _add_wide(records: Records) -> Records:
    """Add as `add_by_key` does, row after row: wide ones are not copied to be sorted."""
    keys, first, codes = np.unique(records.keys, return_index=True, return_inverse=True)
    if len(keys) == len(records):  # there is nothing to add
        return sort_by_key(records)
    sums = records.values[first]
    others = np.ones(len(records), np.bool_)
    others[first] = False
    for row in np.flatnonzero(others).tolist():
        sums[codes[row]] += records.values[row]
    return Records(records.keys[first], sums)


def partition_of(key: Key, partitions: int) -> int:
    """Return the partition of a key, from 0: the same on every machine, in every process.

    It is the key modulo the number of partitions; of a string, the CRC-32 of its UTF-8 bytes. Python's
    own hash of a string differs from process to process.
    """
    return (key if isinstance(key, int) else zlib.crc32(key.encode())) % partitions


def partition_positions(keys: Keys, partitions: int) -> list[LongArray]:
    """Return, per partition, the positions of its keys, sorted by key; see `partition_of`.

    Equal keys stay in their order. One sort serves all partitions.
    """
    if not partitions:
        return []
    known, codes = coded(keys)
    if keys.dtype == object:
        homes = np.fromiter((partition_of(key, partitions) for key in known), np.int64, len(known))
    else:
        homes = np.asarray(known, np.int64) % partitions
    ranks = np.empty(len(known), np.min_scalar_type(len(known)))
    ranks[np.argsort(homes, kind="stable")] = np.arange(len(known))
    counts = np.bincount(codes, minlength=len(known))
    sizes = np.bincount(homes, weights=counts, minlength=partitions).astype(np.int64)
    return np.split(order_by_key(ranks[codes]), np.cumsum(sizes)[:-1])


def first_distinct(rows: Iterable[Hashable], limit: int) -> LongArray:
    """Return the indexes of the first distinct rows, so many of them at most, in order."""
    found: dict[Hashable, int] = {}
    for index, row in enumerate(rows):
        found.setdefault(row, index)
        if len(found) == limit:
            break
    return np.array([*found.values()], np.int64)


def coded(keys: Keys | npt.NDArray[np.integer]) -> tuple[Sequence[Key], npt.NDArray[np.integer]]:
    """Return all keys that occur, in order, and the index of each of `keys` among them.

    Of integers, keys that do not occur may be among them.
    """
    if keys.dtype == object:
        words = keys.tolist()
        known = sorted(set(words))
        index = {word: i for i, word in enumerate(known)}
        return known, np.fromiter(map(index.__getitem__, words), np.int32, len(words))
    numbers = cast(npt.NDArray[np.integer], keys)
    if int(numbers.max(initial=0)) < _FEW_KEYS:
        return range(int(numbers.max(initial=-1)) + 1), numbers
    distinct, codes = np.unique(numbers, return_inverse=True)
    return distinct.tolist(), codes


def key_starts(keys: Keys) -> LongArray:
    """Return where each key of sorted keys stands first."""
    return np.flatnonzero(np.concatenate([[len(keys) > 0], keys[1:] != keys[:-1]]))


def key_slices(keys: Keys) -> Iterator[tuple[Key, slice]]:
    """Yield each key of sorted keys, and where it stands."""
    starts = key_starts(keys)
    bounds = pairwise([*starts.tolist(), len(keys)])
    yield from zip(keys[starts].tolist(), starmap(slice, bounds), strict=True)


def groups(*runs: Records) -> Iterator[tuple[Key, FloatArray]]:
    """Merge runs that are each sorted by key: yield each key with its values, shape (n, w), in order."""
    if len(runs) == 1:  # keys may be many
        (run,) = runs
        if len(key_starts(run.keys)) == len(run.keys):
            yield from zip(run.keys.tolist(), run.values[:, None], strict=True)
        else:
            yield from ((key, run.values[where]) for key, where in key_slices(run.keys))
        return
    parts: dict[Key, list[FloatArray]] = {}
    for run in runs:
        for key, where in key_slices(run.keys):
            parts.setdefault(key, []).append(run.values[where])
    for key in sorted(parts):
        values = parts.pop(key)
        yield key, values[0] if len(values) == 1 else np.concatenate(values)
