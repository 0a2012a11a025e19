"""The log of the master: each event as a line of dump.txt and on the screen."""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from common.events.batches import Batches
from common.events.catalogue.base import Event
from common.events.dump import Dump
from common.events.line import Entry
from common.events.log import EventLog, View

_PAUSE_S = 0.05
"""A reader does not notice it, and a short iteration has many events: to write each alone would cost more."""

_MOST_LATER = 2
"""Calls whose events may wait to be made: many centroids take memory, and their text takes more."""

_Item: TypeAlias = Entry | str | Callable[[], list[Entry]]


class Recorder(EventLog):
    """Writes events and lines of workers, in their order, in a thread of its own, and shows the events."""

    def __init__(self, dump: Dump | None, view: View) -> None:
        self._dump = dump
        self._view = view
        self._batches: Batches[_Item] = Batches(self._write, _PAUSE_S)
        self._later = threading.Semaphore(_MOST_LATER)
        super().__init__("master", self._batches.put)

    def later(self, make: Callable[[], Iterable[Event]]) -> None:
        """Record what happened now, as events that take long to make: the thread that writes makes them.

        The caller makes them if that thread does not keep up.
        """
        if self._later.acquire(blocking=False):
            with self._lock:
                self._batches.put(partial(self._make, datetime.now(UTC), make))
        else:
            for event in make():
                self.event(event)

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

    def _make(self, time: datetime, make: Callable[[], Iterable[Event]]) -> list[Entry]:
        try:
            return [Entry(time, self._process, event) for event in make()]
        finally:
            self._later.release()

    def _write(self, batch: list[_Item]) -> None:
        items: list[Entry | str] = []
        for item in batch:
            items.extend(item() if callable(item) else [item])
        if self._dump is not None:
            self._dump.write(*[item if isinstance(item, str) else item.line() for item in items])
        self._view.show([item for item in items if isinstance(item, Entry)])
