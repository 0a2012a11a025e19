"""Is a worker alive? Decided from its heartbeats; pure: what time it is, it is told."""

from enum import Enum, auto

SILENT_AFTER_S = 3.0
"""Three heartbeats missed: assign nothing more."""
DEAD_AFTER_S = 10.0
HUNG_AFTER_S = 60.0
"""Heartbeats come, and tasks are said to run, but nothing moves."""


class Vital(Enum):
    """What a worker's heartbeats say about it."""

    ALIVE = auto()
    SILENT = auto()
    DEAD = auto()
    HUNG = auto()


class Pulse:
    """A worker's heartbeats so far.

    Parameters
    ----------
    now_s
        When it joined.
    """

    def __init__(self, now_s: float) -> None:
        self._heard_s = now_s
        self._moved_s = now_s
        self._progress = -1

    def beat(self, now_s: float, tasks: int, progress: int) -> None:
        """Take in a heartbeat: how many tasks run, and a number that grows while work goes on."""
        self._heard_s = now_s
        if not tasks or progress != self._progress:
            self._progress, self._moved_s = progress, now_s

    def forgive(self, gap_s: float) -> None:
        """Discount a time in which nobody listened, as when the master itself was stopped."""
        self._heard_s += gap_s
        self._moved_s += gap_s

    def vital(self, now_s: float) -> Vital:
        """Judge."""
        silent_s = now_s - self._heard_s
        if silent_s > DEAD_AFTER_S:
            return Vital.DEAD
        if silent_s > SILENT_AFTER_S:
            return Vital.SILENT
        return Vital.HUNG if now_s - self._moved_s > HUNG_AFTER_S else Vital.ALIVE
