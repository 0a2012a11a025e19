"""What people see while a run goes on: the events of dump.txt in words, and a progress bar."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from common.errors import printable
from common.events.catalogue import kmeans, logistic, run, tasks, workers
from common.events.catalogue.base import Event
from common.events.line import Entry
from master.views.words import hints, in_words, stopped_in_words

if TYPE_CHECKING:
    from rich.progress import Progress


_DOUBTS = (kmeans.ResultInDoubt, logistic.FitInDoubt)


class Screen:
    """Where events and other lines are shown; this one shows nothing."""

    def begin(self, what: str) -> None:
        """Say what is done before the first event."""

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


class WarningScreen(Screen):
    """What makes the result doubtful, on standard error; nothing else."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Print the doubts."""
        with suppress(OSError, ValueError):
            for entry in entries:
                if isinstance(entry.event, _DOUBTS) and sys.stderr is not None:
                    print(_safe(in_words(entry.event) or ""), file=sys.stderr)  # noqa: T201


class PlainScreen(WarningScreen):
    """One line for each event, and after the last iteration what to try next."""

    def __init__(self) -> None:
        self._settings: dict[str, str] = {}
        self._shifts: dict[int | None, float] = {}

    def show(self, entries: Sequence[Entry]) -> None:
        """Print the events."""
        super().show(entries)
        self.say([line for entry in entries for line in self._lines(entry.event)])

    def _lines(self, event: Event) -> list[str]:
        """Say an event; the end of a start is said with what is known from earlier events."""
        match event:
            case run.RunStarted():
                self._settings = dict(text.split("=", 1) for text in event.settings)
            case kmeans.IterationFinished():
                self._shifts[event.start] = event.shift
            case kmeans.ResultInDoubt() | logistic.FitInDoubt():
                return []
            case kmeans.Stopped():
                more = hints(self._settings) if event.start is None else []
                return [stopped_in_words(event, self._settings, self._shifts), *more]
            case kmeans.ClustersChosen():
                return hints(self._settings)
        text = in_words(event)
        return [] if text is None else [text]

    def say(self, lines: Sequence[str]) -> None:
        """Print lines; if nobody reads any more, as behind `| head`, the run goes on without output."""
        try:
            if lines:
                print(*map(_safe, lines), sep="\n", flush=True)  # noqa: T201
        except (OSError, ValueError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123


def _safe(line: str) -> str:
    """Escape what would control the terminal, in names from files, say; only empty lines above it stay."""
    text = line.lstrip("\n")
    return line[: len(line) - len(text)] + printable(text)


class LiveScreen(PlainScreen):
    """Lines as they come, above a bar.

    It tells what goes on: the input is read, or the iteration, its tasks that are done, and how far it moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._tasks = TaskCount()

    def begin(self, what: str) -> None:
        """Show the bar, in which nothing is counted yet."""
        self._open(printable(what))

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
            case run.RunStarted():
                self._tasks = TaskCount(tasks_of_stage(event))
            case run.IterationStarted():
                what = f"iteration {event.iteration} of {event.of}"
                self._open(what)
                self._update(what=what, total=event.of, completed=event.iteration - 1)
            case tasks.RpcCall() | tasks.StageStarted():
                self._tasks.begin(event.stage)
                self._update(tasks=self._tasks.text)
                if event.iteration is None:
                    self._update(what="reading the input" if event.stage == 1 else event.job)
            case workers.StartingWorkers() | workers.AwaitingWorkers():
                self._update(what="waiting for the workers")
            case tasks.RpcResponse() | tasks.TaskFinished():
                self._tasks.add(event)
                self._update(tasks=self._tasks.text)
            case kmeans.IterationFinished():
                self._update(completed=event.iteration, state=f", shift {event.shift:.3g}")
            case logistic.StepFinished():
                self._update(completed=event.iteration, state=f", derivative {event.gradient:.3g}")
            case kmeans.Stopped() | logistic.FitFinished():
                self.close()

    def _open(self, what: str) -> None:
        if self._progress is not None:
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[tasks]}{task.fields[state]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, transient=True)
        self._progress.add_task("", total=None, what=what, tasks="", state="")
        self._progress.start()

    def _update(self, **fields: Any) -> None:
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], **fields)


class TaskCount:
    """Counts the tasks of the newest stage that are done; a task that is done again counts once."""

    def __init__(self, total: int = 0) -> None:
        self._total = total
        self._stage = 0
        self._done: set[tuple[str, int]] = set()

    def begin(self, stage: int) -> None:
        """Count anew if this stage is a new one."""
        if stage > self._stage:
            self._stage, self._done = stage, set()

    def add(self, event: tasks.RpcResponse | tasks.TaskFinished) -> None:
        """Count an attempt that has ended well."""
        self.begin(event.stage)
        if event.method in ("Map", "Reduce") and event.status == tasks.SUCCESS:
            self._done.add((event.method, event.task))

    @property
    def text(self) -> str:
        """How many are done, and of how many: several input files may make more tasks than were asked for."""
        return f"{len(self._done)} of {max(self._total, len(self._done))} tasks"


def tasks_of_stage(event: run.RunStarted) -> int:
    """Return how many map and reduce tasks a stage of a run has."""
    splits = dict(text.split("=", 1) for text in event.settings).get("splits", "0")
    return (int(splits) or event.mappers) + event.reducers
