"""What the rules look at, and how records are compared."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from common.model import FloatArray, Keys, Records
from master.teaching.finished import FinishedRun
from master.teaching.oracle import Oracle, consult
from master.teaching.outputs import (
    MapOutputs,
    Outputs,
    RecordFile,
    ReduceOutputs,
    read_map_outputs,
    read_reduce_outputs,
)


@dataclass(frozen=True)
class Evidence:
    """A finished run, the files of its tasks, and the oracle."""

    run: FinishedRun
    oracle: Oracle
    maps: Sequence[MapOutputs]
    reduces: Sequence[ReduceOutputs]

    @property
    def tasks(self) -> list[Outputs]:
        """The files of all tasks."""
        return [*self.maps, *self.reduces]

    @property
    def files(self) -> Iterator[RecordFile]:
        """All files of records."""
        for task in self.tasks:
            yield from task.records.values()


@dataclass(frozen=True)
class Verdict:
    """How a rule was kept: what was checked, and what is wrong, each with its place."""

    rule: str
    checked: str
    faults: Sequence[str]


def gather(run: FinishedRun) -> Evidence:
    """Read all files of a run, and its input."""
    return Evidence(run, consult(run), read_map_outputs(run), read_reduce_outputs(run))


def whole_records(records: Records) -> list[bytes]:
    """Return each record, its key and its values, as something to count and compare."""
    return _as_bytes(np.column_stack([records.keys, records.values])) if len(records) else []


def whole_values(values: FloatArray) -> list[bytes]:
    """Return each record's values as something to count and compare."""
    return _as_bytes(values) if len(values) else []


def surplus(found: Iterable[bytes], wanted: Iterable[bytes]) -> list[int]:
    """Return where something stands in `found` once more often than in `wanted`; of equal ones, the last."""
    left, places = Counter(wanted), []
    for place, each in enumerate(found):
        left[each] -= 1
        if left[each] < 0:
            places.append(place)
    return places


def counts_by_key(keys: Keys) -> Counter[int]:
    """Count how often each key occurs."""
    return Counter(map(int, keys.tolist()))


def _as_bytes(values: FloatArray) -> list[bytes]:
    whole = np.ascontiguousarray(values, np.float64)
    return [row.tobytes() for row in whole]
