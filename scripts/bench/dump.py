"""What the benchmark reads in the dump.txt of a run: when iterations began and ended, and from where."""

import re
from collections.abc import Iterator
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from common.model import FloatArray


class _Entry(NamedTuple):
    time: datetime
    event: str
    fields: dict[str, str]


def _entries(dump: str) -> Iterator[_Entry]:
    """Return the lines of a dump.txt, parsed."""
    for line in dump.splitlines():
        time, _, rest = line.split(" ", 2)
        fields = dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', rest))
        yield _Entry(datetime.fromisoformat(time), fields.pop("event"), fields)


def read_trace(dump: str) -> dict[str, Any]:
    """Return when the iterations of a run took place; of several starts, all go through one together.

    Times are in seconds, from the first iteration's start; `iterations` counts those of all starts, the
    inertia is the best start's. Raises a ValueError if the dump is not that of a complete run.
    """
    begun: list[datetime] = []
    ended: list[datetime] = []
    stopped: list[_Entry] = []
    for entry in _entries(dump):
        if entry.event == "iteration_started":
            begun.append(entry.time)
        elif entry.event == "iteration_finished":
            ended[len(begun) - 1 :] = [entry.time]  # of several starts, the last counts
        elif entry.event == "stopped":
            stopped.append(entry)
    if not begun or len(ended) != len(begun) or not stopped:
        raise ValueError("the dump is not that of a complete run")
    each_s = [(end - begin).total_seconds() for begin, end in zip(begun, ended, strict=True)]
    return {
        "iterations": sum(int(entry.fields["iterations"]) for entry in stopped),
        "iterations_s": each_s,
        "first_iteration_s": each_s[0],  # it also sets the kernels up
        "later_iteration_s": median(each_s[1:] or each_s),
        "fit_s": (ended[-1] - begun[0]).total_seconds(),
        "with_scoring_s": (stopped[-1].time - begun[0]).total_seconds(),  # every inertia is known then
        "inertia": min(float(entry.fields["inertia"]) for entry in stopped),
    }


def initial_centroids(dump: str) -> FloatArray:
    """Return the centroids that each start of a run began with, shape (starts, k, d)."""
    by_start: dict[str, list[list[float]]] = {}
    for entry in _entries(dump):
        if entry.event == "centroid" and entry.fields["iteration"] == "0":
            value = [float(number) for number in entry.fields["value"].split(",")]
            by_start.setdefault(entry.fields.get("start", ""), []).append(value)
    return np.array(list(by_start.values()))


def lines_of_calls(dump: str) -> int:
    """Count the lines about calls and tasks of the iterations."""
    fields = [entry.fields for entry in _entries(dump)]
    return sum(each.get("job") == "lloyd" or each.get("method") == "FetchPartition" for each in fields)
