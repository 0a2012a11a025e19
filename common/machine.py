"""What this process may use of the machine, and what it has used."""

import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
_PAGE_BYTES = resource.getpagesize()


class Used(NamedTuple):
    """What this process has used since it started; 0 is what the system does not tell."""

    cpu_s: float
    resident_bytes: int
    """Now, except where the system tells only the most until now."""
    anonymous_bytes: int
    read_bytes: int


def usage() -> tuple[float, float, float]:
    """Return the time, this process's CPU time, both in seconds, and its greatest memory until now, in MB."""
    return time.monotonic(), time.process_time(), _peak_bytes() / 1e6


def used() -> Used:
    """Return what this process has used; takes less than a millisecond."""
    resident_bytes, anonymous_bytes, read_bytes = _peak_bytes(), 0, 0
    with suppress(OSError):  # only Linux has these files
        _, resident, of_files, *_ = map(int, Path("/proc/self/statm").read_text().split())
        resident_bytes, anonymous_bytes = resident * _PAGE_BYTES, (resident - of_files) * _PAGE_BYTES
        read_bytes = int(Path("/proc/self/io").read_text().split()[1])  # rchar
    return Used(time.process_time(), resident_bytes, anonymous_bytes, read_bytes)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT_BYTES
