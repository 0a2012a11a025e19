"""What the benchmark reads in the dump.txt of a run: when iterations began and ended, and from where."""

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np

from common.events.catalogue.kmeans import Centroid, IterationFinished, Stopped
from common.events.catalogue.run import IterationStarted
from common.events.line import Entry
from common.model import FloatArray


def read_trace(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return when the iterations of a run took place; of several starts, all go through one together.

    Times are in seconds, from the first iteration's start; `iterations` counts those of all starts, the
    inertia is the best start's. Raises a ValueError if the run is not complete.
    """
    begun: list[datetime] = []
    ended: list[datetime] = []
    stopped: list[Stopped] = []
    for entry in entries:
        match entry.event:
            case IterationStarted():
                begun.append(entry.time)
            case IterationFinished():
                ended[len(begun) - 1 :] = [entry.time]  # of several starts, the last counts
            case Stopped() as event:
                scored = entry.time
                stopped.append(event)
    if not begun or len(ended) != len(begun) or not stopped:
        raise ValueError("the dump is not that of a complete run")
    each_s = [(end - begin).total_seconds() for begin, end in zip(begun, ended, strict=True)]
    return {
        "iterations": sum(event.iterations for event in stopped),
        "iterations_s": each_s,
        "first_iteration_s": each_s[0],  # it also sets the kernels up
        "later_iteration_s": median(each_s[1:] or each_s),
        "fit_s": (ended[-1] - begun[0]).total_seconds(),
        "with_scoring_s": (scored - begun[0]).total_seconds(),  # every inertia is known then
        "inertia": min(event.inertia for event in stopped),
    }


def initial_centroids(entries: Sequence[Entry]) -> FloatArray:
    """Return the centroids that each start of a run began with, shape (starts, k, d)."""
    by_start: dict[int | None, list[list[float]]] = {}
    for entry in entries:
        match entry.event:
            case Centroid(iteration=0) as event:
                value = [float(number) for number in event.value.split(",")]
                by_start.setdefault(event.start, []).append(value)
    return np.array(list(by_start.values()))


def lines_of_calls(entries: Sequence[Entry]) -> int:
    """Count the lines about calls and tasks of the iterations."""
    return sum(getattr(entry.event, "job", None) == "lloyd" for entry in entries)
