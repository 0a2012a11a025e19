"""The rules for what mappers write: map outputs, partitions and manifests."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from common.model import Records
from master.teaching.evidence import (
    Evidence,
    Verdict,
    counts_by_key,
    surplus,
    whole_records,
    whole_values,
)
from master.teaching.oracle import exact_sums, shown
from master.teaching.outputs import MapOutputs, RecordFile


def each_row_once(found: Evidence) -> Verdict:
    """Check that each row is in one split, and in its map output once for each start."""
    faults = [*_splits_apart(found), *(fault for task in found.maps for fault in _rows_of(found, task))]
    return Verdict("each row is mapped once", f"{len(found.oracle.rows)} rows", faults)


def keys_of_nearest(found: Evidence) -> Verdict:
    """Check that each point has the key of its nearest centroid, of those before the last iteration."""
    compare = _member_counts if found.run.started.combine else _wrong_keys
    faults = [fault for task in found.maps for fault in compare(found, task)]
    of = sum(len(task.map_output.records) for task in found.maps)
    return Verdict("key = nearest centroid", f"{of} records", faults)


def sums_of_combiner(found: Evidence) -> Verdict:
    """Check that a combined record has the exact sums of its points."""
    faults = [fault for task in found.maps for fault in _wrong_sums(found, task)]
    of = sum(len(task.map_output.records) for task in found.maps)
    return Verdict("combined sum = fsum of the points", f"{of} records", faults)


def partitions_hold_map_output(found: Evidence) -> Verdict:
    """Check that the partitions of a task hold the records of its map output, and no others."""
    faults = [fault for task in found.maps for fault in _moved_records(task)]
    records = sum(len(file.records) for task in found.maps for file in task.partitions)
    return Verdict("partitions = map output", f"{records} records", faults)


def partitions_sorted(found: Evidence) -> Verdict:
    """Check the order of keys in each partition."""
    files = [file for task in found.maps for file in task.partitions]
    faults = [fault for file in files for fault in _unsorted(file)]
    return Verdict("partitions are sorted by key", f"{len(files)} files", faults)


def _splits_apart(found: Evidence) -> Iterator[str]:
    """Compare how often splits hold each row with once."""
    times = np.zeros(len(found.oracle.rows), np.int64)
    for task in found.maps:
        times[task.task.rows.start : task.task.rows.stop] += 1
    for row in np.flatnonzero(times != 1).tolist():
        yield f"row {row + 1} is in {times[row]} splits"


def _rows_of(found: Evidence, task: MapOutputs) -> Iterator[str]:
    if found.run.started.combine:
        yield from _rows_counted(found, task)
        return
    file, wanted = task.map_output, found.oracle.records(task.task.rows)
    ours, theirs = whole_values(file.records.values), whole_values(wanted.values)
    known = set(theirs)
    for place in surplus(ours, theirs):
        what = "is there once too often" if ours[place] in known else "is no row of the split"
        yield f"{file.place(place)}: {shown(file.records.values[place])} {what}"
    for place in surplus(theirs, ours):
        row = task.task.rows[place % len(task.task.rows)] + 1
        yield f"{file.path}: row {row}, {shown(wanted.values[place])}, is missing"


def _rows_counted(found: Evidence, task: MapOutputs) -> Iterator[str]:
    wanted = len(task.task.rows) * len(found.oracle.keys)
    counted = task.map_output.records.values[:, :1].sum()
    if counted != wanted:
        yield f"{task.map_output.path}: it stands for {counted:g} points, not {wanted}"


def _wrong_keys(found: Evidence, task: MapOutputs) -> Iterator[str]:
    """Compare records; one whose point should not be there at all breaks another rule."""
    file, wanted = task.map_output, found.oracle.records(task.task.rows)
    points, nearest = whole_values(file.records.values), _missing_keys(wanted, file.records)
    elsewhere = set(surplus(points, whole_values(wanted.values)))
    for place in surplus(whole_records(file.records), whole_records(wanted)):
        if place not in elsewhere:
            point, key = shown(file.records.values[place]), file.records.keys[place]
            right = " or ".join(map(str, sorted(nearest[points[place]])))
            yield f"{file.place(place)}: {point} has key {key}, its nearest centroid's is {right}"


def _missing_keys(wanted: Records, found: Records) -> dict[bytes, set[int]]:
    """Return, by point, the keys that it should have and has not."""
    points, missing = whole_values(wanted.values), defaultdict[bytes, set[int]](set)
    for place in surplus(whole_records(wanted), whole_records(found)):
        missing[points[place]].add(int(wanted.keys[place]))
    return missing


def _member_counts(found: Evidence, task: MapOutputs) -> Iterator[str]:
    file = task.map_output
    wanted = counts_by_key(found.oracle.records(task.task.rows).keys)
    for place, (key, values) in enumerate(zip(file.records.keys, file.records.values, strict=True)):
        if values[0] != wanted[key]:
            yield f"{file.place(place)}: key {key} stands for {values[0]:g} points, {wanted[key]} are nearest"
    for key, times in counts_by_key(file.records.keys).items():
        if times > 1:
            yield f"{file.path}: key {key} is there {times} times"
    for key in sorted(wanted - counts_by_key(file.records.keys)):
        if key not in file.records.keys:
            yield f"{file.path}: key {key} is missing"


def _wrong_sums(found: Evidence, task: MapOutputs) -> Iterator[str]:
    file, points = task.map_output, found.oracle.records(task.task.rows)
    if file.records.values.shape[1] != 1 + found.oracle.grid.units.size:
        yield f"{file.path}: its records have {file.records.values.shape[1]} numbers"
        return
    for place, limbs in enumerate(found.oracle.uncut(file.records.values)):
        members = points.values[points.keys == file.records.keys[place]]
        # Nothing is left of an exact sum, however small, if it is the right one.
        for column, rest in enumerate(exact_sums(np.concatenate([limbs, -members]))):
            if rest:
                yield f"{file.place(place)}: the sum of column {column + 1} is off by {rest!r}"


def _moved_records(task: MapOutputs) -> Iterator[str]:
    whole, files = whole_records(task.map_output.records), task.partitions
    placed = [(file, place) for file in files for place in range(len(file.records))]
    records = [record for file in files for record in whole_records(file.records)]
    for position in surplus(records, whole):
        file, place = placed[position]
        yield f"{file.place(place)}: the record is not in the map output, or not so often"
    for place in surplus(whole, records):
        yield f"{task.map_output.place(place)}: the record is in no partition"


def _unsorted(file: RecordFile) -> Iterator[str]:
    keys = file.records.keys
    for place in np.flatnonzero(keys[1:] < keys[:-1]).tolist():
        yield f"{file.place(place + 1)}: key {keys[place + 1]} stands after key {keys[place]}"
