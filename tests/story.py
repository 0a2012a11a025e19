"""What happened in a run, as events: what its dump.txt tells, or what a log got."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from common.events.catalogue.base import Event
from common.events.catalogue.run import RunStarted
from common.events.line import Entry, read_dump

Kind = TypeVar("Kind", bound=Event)
Fields: TypeAlias = dict[str, Any]


class Story:
    """The events of a run, in order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)

    def of(self, kind: type[Kind], *, process: str | None = None, **fields: Any) -> list[Kind]:
        """Return the events of a kind, of one process or of any, that have these fields.

        A field is given as its value, or as a function that is true for it.
        """
        return [
            entry.event
            for entry in self.entries
            if isinstance(entry.event, kind)
            and process in (None, entry.process)
            and all(_agrees(getattr(entry.event, name), wanted) for name, wanted in fields.items())
        ]

    def before(self, event: Event) -> "Story":
        """Return what came before that very event."""
        return Story(self.entries[: self._position(event)])

    def after(self, event: Event) -> "Story":
        """Return what came after that very event."""
        return Story(self.entries[self._position(event) + 1 :])

    def last_life(self) -> "Story":
        """Return what happened since the master was started the last time."""
        return self.after(self.of(RunStarted)[-1])

    def _position(self, event: Event) -> int:
        return next(i for i, entry in enumerate(self.entries) if entry.event is event)


class ListLog:
    """A log that keeps its events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def later(self, make: Callable[[], Iterable[Event]]) -> None:
        for event in make():
            self.event(event)

    def add_lines(self, *lines: str) -> None:
        """Drop them: they are of other processes."""

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


class ListView:
    """A view that keeps what it is to show."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def show(self, entries: Sequence[Entry]) -> None:
        self.entries += entries

    def close(self) -> None:
        """There is nothing to leave."""


def story_of(folder: Path) -> Story:
    """Read the dump.txt in a folder."""
    return Story(read_dump(folder / "dump.txt"))


def containing(part: str) -> Callable[[str | None], bool]:
    """Return what is true for a text with this part."""
    return lambda text: text is not None and part in text


def matching(pattern: str) -> Callable[[str | None], bool]:
    """Return what is true for a text in which a pattern is found."""
    return lambda text: text is not None and re.search(pattern, text) is not None


def _agrees(value: object, wanted: Any) -> bool:
    return bool(wanted(value)) if callable(wanted) else value == wanted
