"""Run the command line, and read from its dump.txt when each iteration began and ended."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np

from common.model import FloatArray, LongArray
from scripts.bench.measure import ROOT, Finished, Unavailable, python, run

_EVENT = re.compile(
    r"^(\S+) master event=(iteration_started|iteration_finished|stopped)( .*)?$", re.MULTILINE
)
_INITIAL = re.compile(
    r"^\S+ master event=centroid (?:start=(\d+) )?iteration=0 key=\d+ value=(\S+)$", re.MULTILINE
)


@dataclass(frozen=True)
class Trace:
    """When the iterations of a run took place; of several starts, all go through an iteration together.

    Parameters
    ----------
    iterations_s
        Seconds of each iteration, from its start to its end.
    fit_s
        From the first one's start to the last one's end.
    scored_s
        From the first one's start until the inertia of every start is known.
    iterations
        Of all starts together.
    inertia
        Of the best start.
    """

    iterations_s: tuple[float, ...]
    fit_s: float
    scored_s: float
    iterations: int
    inertia: float

    @property
    def later_iteration_s(self) -> float:
        """Return the median time of the iterations after the first, which also sets the kernels up."""
        return median(self.iterations_s[1:] or self.iterations_s)


@dataclass(frozen=True)
class Ran:
    """A run of the command line that ended well."""

    finished: Finished
    trace: Trace


def master(folder: Path, options: Mapping[str, object], *, combine: bool = True, watch: bool = False) -> Ran:
    """Run the command line in a folder of its own, quietly.

    Parameters
    ----------
    folder
        Made if need be; what the run writes goes there.
    options
        Names without dashes, and values.
    combine
        Pass --combine.
    watch
        Watch the memory.

    Raises
    ------
    Unavailable
        This version has no such option, or the run failed.
    """
    for name in options:
        if not knows(name):
            raise Unavailable(f"this version has no option --{name}")
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    flags = ["--quiet", *(["--combine"] if combine else [])]
    finished = run(python("-m", "master", *pairs, *flags), folder, watch=watch)
    return Ran(finished, read_trace((folder / "dump.txt").read_text()))


@cache
def knows(option: str) -> bool:
    """Tell whether the command line has an option."""
    text = subprocess.run(
        python("-m", "master", "run", "--help"), cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return re.search(rf"--{re.escape(option)}\b(?!-)", text) is not None


def one_thread_each() -> dict[str, object]:
    """Return the options that give each mapper one thread; versions without them have no more."""
    return {"threads": 1} if knows("threads") else {}


def read_trace(dump: str) -> Trace:
    """Find the times of all iterations in the text of a dump.txt.

    Raises
    ------
    ValueError
        It is not the log of a complete run.
    """
    begun: list[datetime] = []
    ended: list[datetime] = []
    stopped: list[tuple[datetime, int, float]] = []
    for stamp, name, fields in _EVENT.findall(dump):
        time = datetime.fromisoformat(stamp)
        if name == "iteration_started":
            begun.append(time)
        elif name == "iteration_finished":
            ended[len(begun) - 1 :] = [time]  # of several starts, the last counts
        else:
            iterations, inertia = re.findall(r" (?:iterations|inertia)=(\S+)", fields)
            stopped.append((time, int(iterations), float(inertia)))
    if not begun or len(ended) != len(begun) or not stopped:
        raise ValueError("the dump is not that of a complete run")
    return Trace(
        tuple((end - begin).total_seconds() for begin, end in zip(begun, ended, strict=True)),
        (ended[-1] - begun[0]).total_seconds(),
        (stopped[-1][0] - begun[0]).total_seconds(),
        sum(iterations for _, iterations, _ in stopped),
        min(inertia for _, _, inertia in stopped),
    )


def initial_centroids(folder: Path) -> FloatArray:
    """Return the centroids that each start of a run began with, shape (starts, k, d)."""
    by_start: dict[str, list[list[float]]] = {}
    for start, value in _INITIAL.findall((folder / "dump.txt").read_text()):
        by_start.setdefault(start, []).append([float(number) for number in value.split(",")])
    return np.array(list(by_start.values()))


def result_centroids(folder: Path) -> FloatArray:
    """Return the centroids that a run found, shape (k, d)."""
    return np.loadtxt(folder / "data" / "centroids.txt", delimiter=",", ndmin=2)


def result_labels(folder: Path) -> LongArray:
    """Return the labels that a run wrote to labels.txt, shape (rows,)."""
    return np.fromstring((folder / "labels.txt").read_text(), dtype=np.int64, sep="\n")
