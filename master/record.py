"""What people see of a run: each event as a line of dump.txt and, shorter, on the screen."""

from common.batches import Batches
from common.dump import Dump, EventLog
from common.events import Event, Log
from master.screen import Screen

_PAUSE_S = 0.05
"""Little to a person, and many events of a short iteration: to write them one by one would cost more."""


class Record:
    """Writes events and workers' lines in a thread of its own, in the order they came.

    Parameters
    ----------
    dump
        Its file; None: none is kept.
    screen
        Where events are shown; left tidy when the record ends.
    """

    def __init__(self, dump: Dump | None, screen: Screen) -> None:
        self._dump = dump
        self._screen = screen
        self._batches: Batches[Event | str] = Batches(self._write, _PAUSE_S)
        self.log: Log = EventLog("master", self._batches.put)

    def add(self, *lines: str) -> None:
        """Add lines of others to the dump; they are not shown."""
        for line in lines:
            self._batches.put(line)

    def leave_screen(self) -> None:
        """Show what happened so far and leave the terminal as it was."""
        self._batches.flush()
        self._screen.close()

    def close(self) -> None:
        """Write what is left; what happens after that is lost."""
        self._batches.close()
        self._screen.close()

    def _write(self, batch: list[Event | str]) -> None:
        if self._dump is not None:
            self._dump.write(*[item if isinstance(item, str) else item.line() for item in batch])
        self._screen.show([item for item in batch if isinstance(item, Event)])
