"""What this process may use of the machine."""

import os
import sys


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def be_last_in_line() -> None:
    """Let this thread work when no other wants the processor; where threads have no priority, as before."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, 19)  # to Linux, 0 is the calling thread
