"""What people see while a run goes on: the events of dump.txt in words, and a progress bar."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from common.errors import printable
from common.events.catalogue import run, tasks
from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import IterationFinished, Stopped
from common.events.line import Entry
from master.views.words import in_words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Screen:
    """Where events and other lines are shown; this one shows nothing."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Show the events that matter to a reader."""

    def say(self, lines: Sequence[str]) -> None:
        """Show lines."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def open_screen(*, quiet: bool) -> Screen:
    """Choose by where standard output goes: a live bar for a terminal, plain lines otherwise."""
    if quiet or sys.stdout is None:  # closed before we started
        return Screen()
    return LiveScreen() if sys.stdout.isatty() else PlainScreen()


class PlainScreen(Screen):
    """One line for each event."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Print the events."""
        self.say([text for entry in entries if (text := in_words(entry.event)) is not None])

    def say(self, lines: Sequence[str]) -> None:
        """Print lines; if nobody reads any more, as behind `| head`, the run goes on without output."""
        try:
            for line in lines:
                print(_safe(line))  # noqa: T201
            sys.stdout.flush()
        except (OSError, ValueError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123


def _safe(line: str) -> str:
    """Escape what would control the terminal, in names from files, say; only empty lines above it stay."""
    text = line.lstrip("\n")
    return line[: len(line) - len(text)] + printable(text)


class LiveScreen(PlainScreen):
    """Lines as they come, above a bar with the iteration, the tasks done in it and the last shift."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._bar: TaskID | None = None
        self._tasks = 0

    def show(self, entries: Sequence[Entry]) -> None:
        """Print the events and move the bar."""
        for entry in entries:
            super().show([entry])
            self._move(entry.event)

    def close(self) -> None:
        """Remove the bar."""
        if self._progress is not None:
            with suppress(OSError):
                self._progress.stop()
            self._progress = None

    def say(self, lines: Sequence[str]) -> None:
        """Print lines, above the bar if there is one."""
        if self._progress is None:
            super().say(lines)
            return
        with suppress(OSError):  # the terminal is closed, which ends the run
            for line in lines:
                style = "red" if "FAILURE" in line else None
                self._progress.console.print(
                    _safe(line), style=style, markup=False, highlight=False, soft_wrap=True
                )

    def _move(self, event: Event) -> None:
        match event:
            case run.IterationStarted():
                self._tasks = 0
                if self._progress is None:
                    self._begin(event.of)
            case tasks.RpcResponse() | tasks.TaskFinished() if event.method in ("Map", "Reduce"):
                self._tasks += event.status == tasks.SUCCESS
                self._update(tasks=self._tasks)
            case IterationFinished():
                self._update(completed=event.iteration, shift=f"{event.shift:.3g}")
            case Stopped():
                self.close()

    def _begin(self, iterations: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("iteration {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.fields[tasks]} tasks done, shift {task.fields[shift]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, transient=True)
        self._bar = self._progress.add_task("", total=iterations, tasks=0, shift="-")
        self._progress.start()

    def _update(self, **fields: Any) -> None:
        if self._progress is not None and self._bar is not None:
            self._progress.update(self._bar, **fields)
