"""What a process and all below it use: CPU seconds, and memory at its peak."""

import threading
import time
from contextlib import suppress

import psutil

from scripts.bench.measure import proportional_memory

_INTERVAL_S = 0.1
_LOOKS_COST = 0.02
"""Share of the time that looks may take: the kernel goes through all pages of a process for its memory."""


class Watch:
    """Looks again and again at a process, by default this one, and at all below it, until it is left.

    The last look is when it is left. What a process used after the last look at it is not counted, so leave
    it before workers end.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(pid)
        self._cpu_s: dict[psutil.Process, float] = {}
        self._peak_bytes = 0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all processes since each began."""
        return sum(self._cpu_s.values())

    @property
    def peak_mb(self) -> float:
        """Memory at its peak, in MiB; pages that several processes share count once."""
        return self._peak_bytes / 2**20

    def _watch(self) -> None:
        wait_s = 0.0
        while not self._left.wait(wait_s):
            began_s = time.perf_counter()
            self._look()
            wait_s = max(_INTERVAL_S, (time.perf_counter() - began_s) / _LOOKS_COST)
        self._look()

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            family = [self._process, *self._process.children(recursive=True)]
            self._peak_bytes = max(self._peak_bytes, sum(sum(proportional_memory(one.pid)) for one in family))
            for one in family:
                self._look_at(one)

    def _look_at(self, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            self._cpu_s[process] = times.user + times.system
