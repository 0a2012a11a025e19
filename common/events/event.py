"""What happens in a run, as values, and the form it has in dump.txt.

    2026-01-31T12:00:00.123456Z master event=rpc_call method=Map to=M1 iteration=1 task=1 attempt=1

A line is the UTC time, the process and `key=value` pairs; values with white space are quoted, so that
`grep event=` and `cut` work.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_PLAIN = re.compile(r"[^\s\"\\\x00-\x1f\x7f]+").fullmatch


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    time: datetime
    process: str
    name: str
    fields: dict[str, object]

    def line(self) -> str:
        """Return it as a line of dump.txt, without the line end."""
        pairs = "".join([f" {key}={_text(value)}" for key, value in self.fields.items()])
        return f"{self.time:%Y-%m-%dT%H:%M:%S.%f}Z {self.process} event={self.name}{pairs}"


class Log(Protocol):
    """Where events go."""

    def event(self, name: str, /, **fields: object) -> None:
        """Record that something happened now."""


class RunLog(Log, Protocol):
    """The master's log, which takes in the workers' as well."""

    def add_lines(self, *lines: str) -> None:
        """Add lines that other processes have made."""


class View(Protocol):
    """Where events are shown."""

    def show(self, events: Sequence[Event]) -> None:
        """Show events, those that are of interest."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def stage_fields(job: str, iteration: int | None) -> dict[str, object]:
    """Return the fields that say which stage an event belongs to."""
    return {"job": job} if iteration is None else {"job": job, "iteration": iteration}


def _text(value: object) -> str:
    """Put a value into one word; most are numbers and names, which are done first."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return _quoted(",".join(map(str, value)))
    return _quoted(str(value))


def _quoted(text: str) -> str:
    # Most are printable ASCII, some very long: to see that is several times as fast as the expression.
    printable_ascii = text.isascii() and text.isprintable()
    if text and (not any(c in text for c in ' "\\') if printable_ascii else _PLAIN(text)):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
