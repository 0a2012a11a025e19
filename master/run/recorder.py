"""The log of the master: each event as a line of dump.txt and on the screen."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from common.events.batches import Batches
from common.events.catalogue.base import Event
from common.events.dump import Dump
from common.events.line import Entry
from common.events.log import EventLog, View

_PROCESS = "master"
_PAUSE_S = 0.05
"""A reader does not notice it, and a short iteration has many events: to write each alone would cost more."""


class Recorder:
    """Writes events and lines of workers, in their order, in a thread of its own, and shows the events."""

    def __init__(self, dump: Dump | None, view: View) -> None:
        self._dump = dump
        self._view = view
        self._batches: Batches[Entry | str | Callable[[], list[Entry]]] = Batches(self._write, _PAUSE_S)
        self.event = EventLog(_PROCESS, self._batches.put).event

    def later(self, make: Callable[[], Iterable[Event]]) -> None:
        """Record what happened now, as events that take long to make: the thread that writes makes them."""
        now = datetime.now(UTC)
        self._batches.put(lambda: [Entry(now, _PROCESS, event) for event in make()])

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

    def _write(self, batch: list[Entry | str | Callable[[], list[Entry]]]) -> None:
        items: list[Entry | str] = []
        for item in batch:
            items.extend(item() if callable(item) else [item])
        if self._dump is not None:
            self._dump.write(*[item if isinstance(item, str) else item.line() for item in items])
        self._view.show([item for item in items if isinstance(item, Entry)])
