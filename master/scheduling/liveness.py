"""Is a worker alive? Decided from its heartbeats, purely: the time is an argument."""

from enum import Enum, auto

SILENT_AFTER_S = 3.0
"""Three missed heartbeats: the worker gets no new task."""
DEAD_AFTER_S = 10.0
HUNG_AFTER_S = 60.0
"""Heartbeats arrive, and tasks are said to run, but their progress does not change."""


class Health(Enum):
    """What a worker's heartbeats say about it."""

    ALIVE = auto()
    SILENT = auto()
    DEAD = auto()
    HUNG = auto()


class Heartbeats:
    """The heartbeats so far of a worker that joined at `now_s`."""

    def __init__(self, now_s: float) -> None:
        self._heard_s = now_s
        self._moved_s = now_s
        self._progress = -1

    def beat(self, now_s: float, tasks: int, progress: int) -> None:
        """Record a heartbeat: how many tasks run, and a number that grows while they make progress."""
        self._heard_s = now_s
        if not tasks or progress != self._progress:
            self._progress, self._moved_s = progress, now_s

    def forgive(self, gap_s: float) -> None:
        """Ignore a time in which nobody listened, as when the master itself was stopped."""
        self._heard_s += gap_s
        self._moved_s += gap_s

    def health(self, now_s: float) -> Health:
        """Classify the worker by the age of its last heartbeat and of its last progress."""
        silent_s = now_s - self._heard_s
        if silent_s > DEAD_AFTER_S:
            return Health.DEAD
        if silent_s > SILENT_AFTER_S:
            return Health.SILENT
        return Health.HUNG if now_s - self._moved_s > HUNG_AFTER_S else Health.ALIVE
