"""Each event as a line of dump.txt, and before a person's eyes."""

from common.events.batches import Batches
from common.events.dump import Dump
from common.events.line import Entry
from common.events.log import EventLog, View

_PAUSE_S = 0.05
"""Little to a person, and many events of a short iteration: to write them one by one would cost more."""


class Recorder:
    """The master's log: writes events and workers' lines in a thread of its own, in the order they came.

    Parameters
    ----------
    dump
        Its file; None: none is kept.
    view
        Where events are shown; left tidy when the recorder is closed.
    """

    def __init__(self, dump: Dump | None, view: View) -> None:
        self._dump = dump
        self._view = view
        self._batches: Batches[Entry | str] = Batches(self._write, _PAUSE_S)
        self.event = EventLog("master", self._batches.put).event

    def add_lines(self, *lines: str) -> None:
        """Add lines of others to the dump; they are not shown."""
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
