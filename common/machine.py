"""What this process may use of the machine."""

import os
import resource
import sys
import time


def usage() -> tuple[float, float, float]:
    """Return the time, this process's CPU time, both in seconds, and its greatest memory until now, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return time.monotonic(), time.process_time(), peak / (1e6 if sys.platform == "darwin" else 1e3)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
