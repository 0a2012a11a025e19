"""The log of the master: each event as a line of dump.txt and on the screen."""

from common.events.batches import Batches
from common.events.dump import Dump
from common.events.line import Entry
from common.events.log import EventLog, View

_PAUSE_S = 0.05
"""A reader does not notice it, and a short iteration has many events: to write each alone would cost more."""


class Recorder:
    """Writes events and lines of workers, in their order, in a thread of its own, and shows the events."""

    def __init__(self, dump: Dump | None, view: View) -> None:
        self._dump = dump
        self._view = view
        self._batches: Batches[Entry | str] = Batches(self._write, _PAUSE_S)
        self.event = EventLog("master", self._batches.put).event

    def add_lines(self, *lines: str) -> None:
        """Add lines of other processes to the dump; they are not shown."""
        for line in lines:
            self._batches.put(line)

    def close_view(self) -> None:
        """Show what happened so far, and nothing more."""
        self._batches.flush()
        self._view.close()

    def close(self) -> None:
        """Write what is left; what happens after that is lost."""
        self._batches.close()
        self._view.close()

    def _write(self, batch: list[Entry | str]) -> None:
        if self._dump is not None:
            self._dump.write(*[item if isinstance(item, str) else item.line() for item in batch])
        self._view.show([item for item in batch if isinstance(item, Entry)])
