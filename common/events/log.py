"""Where events go."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from common.events.catalogue.base import Event
from common.events.line import Entry


class Log(Protocol):
    """Where events go."""

    def event(self, event: Event) -> None:
        """Record that something happened now."""


class RunLog(Log, Protocol):
    """The master's log, which takes in the workers' as well."""

    def add_lines(self, *lines: str) -> None:
        """Add lines that other processes have made."""

    def later(self, make: Callable[[], Iterable[Event]]) -> None:
        """Record what happened now, as events that take long to make: another thread may make them."""


class View(Protocol):
    """Where events are shown."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Show the events that matter to a reader."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class EventLog:
    """A log that hands each event of one process to a receiver, at most one at a time."""

    def __init__(self, process: str, receive: Callable[[Entry], None]) -> None:
        self._process = process
        self._receive = receive
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Record that something happened now."""
        with self._lock:
            self._receive(Entry(datetime.now(UTC), self._process, event))
