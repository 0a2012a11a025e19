"""The rules for what reducers and the master write: outputs and centroids.txt."""

from collections.abc import Iterator

import numpy as np

from common.events.catalogue.kmeans import BestStart
from common.model import FloatArray
from common.records import encode_vectors
from common.store.names import CENTROIDS
from master.teaching.evidence import Evidence, Verdict, counts_by_key
from master.teaching.finished import FinishedRun
from master.teaching.oracle import centroids_before, mean, number_of, shown
from master.teaching.outputs import RecordFile


def means_of_members(found: Evidence) -> Verdict:
    """Check that each key with members is in one output, with fsum(column) / count of its members."""
    faults = [fault for task in found.reduces for fault in _wrong_means(found, task.output)]
    once = _each_key_once(found)
    values = sum(len(task.output.records) for task in found.reduces)
    return Verdict("output = fsum(column) / count", f"{values} centroids", [*faults, *once])


def centroids_compiled(found: Evidence) -> Verdict:
    """Check that centroids.txt has all outputs, by key; an empty cluster keeps its centroid."""
    path = found.run.data_dir.result(CENTROIDS)
    wanted = encode_vectors(_compiled(found)).decode().splitlines()
    faults = [f"{path}, line {line}: {what}" for line, what in _differences(found, wanted)]
    return Verdict(f"{CENTROIDS} is compiled from outputs", f"{len(wanted)} lines", faults)


def best_start(run: FinishedRun) -> int:
    """Return the start whose centroids are the result, from 0."""
    return next((number_of(event.start) for event in run.of(BestStart)), 0)


def _wrong_means(found: Evidence, file: RecordFile) -> Iterator[str]:
    for place, (key, value) in enumerate(zip(file.records.keys.tolist(), file.records.values, strict=True)):
        members = found.oracle.members.get(key)
        if members is None:
            yield f"{file.place(place)}: key {key} has no member"
        elif value.tolist() != (wanted := mean(members)):
            yield f"{file.place(place)}: {shown(value)}, not {shown(wanted)}, for key {key}"


def _each_key_once(found: Evidence) -> Iterator[str]:
    keys = np.concatenate([np.empty(0, np.int32), *(task.output.records.keys for task in found.reduces)])
    times = counts_by_key(keys)
    for key in sorted(found.oracle.members.keys() | times):
        if times[key] == 0:
            yield f"key {key} has members, but is in no output"
        if times[key] > 1:
            yield f"key {key} is in the outputs {times[key]} times"


def _compiled(found: Evidence) -> FloatArray:
    """Put the outputs together as the master does; a start that ended earlier has its last centroids."""
    run, start = found.run, best_start(found.run)
    result = centroids_before(run)[start].copy()
    for task in found.reduces:
        for key, value in zip(task.output.records.keys.tolist(), task.output.records.values, strict=True):
            if key // run.k == start and value.shape == result[0].shape:
                result[key % run.k] = value
    return result


def _differences(found: Evidence, wanted: list[str]) -> Iterator[tuple[int, str]]:
    try:
        lines = found.run.data_dir.result(CENTROIDS).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        yield 1, f"cannot be read: {error.strerror}"
        return
    for number in range(max(len(lines), len(wanted))):
        ours = lines[number] if number < len(lines) else "nothing"
        theirs = wanted[number] if number < len(wanted) else "nothing"
        if ours != theirs:
            yield number + 1, f"{ours}, where the outputs have {theirs}"
