"""Rounds of a measurement on a machine that others use, too.

The rule is fixed before anything is measured. A round is one run of each competitor. Before it, the benchmark
waits for a quiet moment, though not for ever. A round is disturbed if other programs, the system's own work
among them, took more than a tenth of all cores' time. Each disturbed round runs once more, and the quietest
rounds count.
"""

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psutil

DISTURBS = 0.1
"""Share of all cores' time."""
_PR_SET_CHILD_SUBREAPER = 36  # of Linux
_LOOK_S, _LOOKS = 0.5, 6

T = TypeVar("T")


@dataclass(frozen=True)
class Round(Generic[T]):
    """What a round gave, and the share of all cores' time that other programs took meanwhile."""

    result: T
    load: float


class OtherPrograms:
    """Tells what they take from the moment on at which this object is made."""

    def __init__(self) -> None:
        self._began_s = time.perf_counter()
        self._busy_s, self._own_s = _busy_s(), _own_s()

    def load(self) -> float:
        """Return their share of all cores' time, from 0 to 1."""
        seconds = (time.perf_counter() - self._began_s) * (os.cpu_count() or 1)
        others_s = _busy_s() - self._busy_s - (_own_s() - self._own_s)
        return min(1.0, max(0.0, others_s / seconds))


def adopt_orphans() -> None:
    """Let this process count what its descendants leave behind, as PySpark does with Java, as its own."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _busy_s() -> float:
    """Return the processor time of the whole machine, and what it was denied by the one that it runs on."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _own_s() -> float:
    """Return the processor time of this process and of all below it, those that have ended included."""
    process, seconds = psutil.Process(), 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.Error:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def wait_until_quiet() -> None:
    """Wait until other programs leave the cores alone, at most some seconds."""
    for _ in range(_LOOKS):
        others = OtherPrograms()
        time.sleep(_LOOK_S)
        if others.load() <= DISTURBS:
            return


def measured(run: Callable[[], T]) -> Round[T]:
    """Run a round at a quiet moment, and see what other programs take meanwhile."""
    wait_until_quiet()
    others = OtherPrograms()
    return Round(run(), others.load())


def rounds(repeats: int, one: Callable[[], Round[T]]) -> list[Round[T]]:
    """Have so many rounds, and one more for each disturbed one; return the quietest, in their order."""
    found = [one() for _ in range(repeats)]
    found += [one() for each in list(found) if each.load > DISTURBS]
    quietest = sorted(range(len(found)), key=lambda i: found[i].load)[:repeats]
    return [found[i] for i in sorted(quietest)]
