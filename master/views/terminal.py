"""What a person sees while a run goes on: the events of dump.txt, shorter, and a progress bar."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from common.events.catalogue import run, tasks, workers
from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import IterationFinished, Stopped
from common.events.line import Entry, event_text
from master.views.kmeans import words_of_kmeans

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Screen(Protocol):
    """Where events are shown."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Show events, those that are of interest."""

    def say(self, lines: Sequence[str]) -> None:
        """Show lines that are no events."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def open_screen(*, quiet: bool) -> Screen:
    """Choose by where standard output goes: a live bar for a terminal, plain lines otherwise."""
    if quiet:
        return Silent()
    if sys.stdout is None:  # closed before we started
        return Silent()
    return LiveScreen() if sys.stdout.isatty() else PlainScreen()


class Silent:
    """Shows nothing."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Show nothing."""

    def say(self, lines: Sequence[str]) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class PlainScreen:
    """One line an event."""

    def show(self, entries: Sequence[Entry]) -> None:
        """Print the events."""
        texts = [text for entry in entries if (text := describe(entry.event)) is not None]
        if texts:
            self.say(texts)

    def say(self, lines: Sequence[str]) -> None:
        """Print lines."""
        _print("\n".join(lines))

    def close(self) -> None:
        """Do nothing."""


class LiveScreen:
    """Lines as they come, above a bar with the iteration, the tasks done in it and the last shift."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._bar: TaskID | None = None
        self._tasks = 0

    def show(self, entries: Sequence[Entry]) -> None:
        """Print the events and move the bar."""
        for entry in entries:
            self._show(entry.event)

    def _show(self, event: Event) -> None:
        text = describe(event)
        if isinstance(event, run.IterationStarted):
            self._begin(event)
        if text is not None and self._progress is None:
            _print(text)
        elif text is not None:
            assert self._progress is not None
            style = "red" if "FAILURE" in text else None
            self._progress.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        self._move(event)

    def say(self, lines: Sequence[str]) -> None:
        """Print lines."""
        _print("\n".join(lines))

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _begin(self, event: run.IterationStarted) -> None:
        self._tasks = 0
        if self._progress is None:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("iteration {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(),
                TextColumn("{task.fields[tasks]} tasks done, shift {task.fields[shift]}"),
                TimeElapsedColumn(),
            )
            self._progress = Progress(*columns, transient=True)
            self._bar = self._progress.add_task("", total=event.of, tasks=0, shift="-")
            self._progress.start()

    def _move(self, event: Event) -> None:
        if self._progress is None or self._bar is None:
            return
        match event:
            case tasks.RpcResponse() | tasks.TaskFinished() if event.method in ("Map", "Reduce"):
                self._tasks += event.status == tasks.SUCCESS
                self._progress.update(self._bar, tasks=self._tasks)
            case IterationFinished():
                self._progress.update(self._bar, completed=event.iteration, shift=f"{event.shift:.3g}")
            case Stopped():
                self.close()


def _print(text: str) -> None:
    """Print; if nobody reads any more, as behind `| head`, the run goes on in silence."""
    try:
        print(text, flush=True)  # noqa: T201
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123


def describe(event: Event) -> str | None:
    """Put an event into words; None for what only dump.txt needs."""
    for words in (_of_the_run, _of_a_worker, _of_the_cluster, _of_a_call, words_of_kmeans):
        text = words(event)
        if text is not None:
            return text or None
    return f"  {event_text(event)}"


# Each of these returns None for an event of another theme, and "" for one that only dump.txt needs.


def _of_the_run(event: Event) -> str | None:
    match event:
        case run.RunStarted():
            return f"{event.input}: engine {event.engine}, M = {event.mappers}, R = {event.reducers}"
        case run.Header():
            return f"input: its first line is a header: {', '.join(event.names)}"
        case run.IterationStarted():
            return f"\niteration {event.iteration} of {event.of}"
        case run.Resumed():
            return f"\nresumed after iteration {event.iteration}"
        case run.RunFailed(checkpoint=str(path)):
            return f"\nthe same command with --resume goes on from {path}"
        case run.RunFailed() | run.Checkpoint():
            return ""
    return None


def _of_a_worker(event: Event) -> str | None:
    match event:
        case workers.WorkerStarted() | workers.WorkerSaid():
            return ""
        case workers.WorkerJoined():
            return f"{event.worker} joined at {event.address}"
        case workers.WorkerLost():
            return f"  LOST {event.reason}; {'' if event.returns else 'not '}starting it again"
        case workers.WorkerSilent():
            return f"  {event.worker} is silent; it gets nothing new"
        case workers.WorkerSuspected():
            return f"  {event.worker} did not answer; it gets nothing new"
        case workers.WorkerHeard():
            return f"  {event.worker} is heard again"
        case workers.WorkerKilled():
            return f"  {event.reason}; it is killed"
    return None


def _of_the_cluster(event: Event) -> str | None:
    match event:
        case workers.AwaitingWorkers():
            return (
                f"waiting for {event.mappers} mappers and {event.reducers} reducers at {event.address}; "
                f"on their hosts: python -m mapper --join {event.address} --certs FOLDER"
            )
        case workers.Listening():
            return f"more workers may join at {event.address}"
        case workers.Cluster():
            return f"{event.engine} at {event.at}; {event.ui}"
        case workers.WorkerCame():
            return f"  {event.worker} came"
        case workers.WorkerLeft():
            return f"  LOST {event.worker}"
    return None


def _of_a_call(event: Event) -> str | None:
    match event:
        case tasks.StageStarted():
            return ""
        case tasks.RpcCall():
            return f"  -> {event.to} {_task(event)}"
        case tasks.RpcResponse() | tasks.TaskFinished():
            reason = "" if event.reason is None else f" ({event.reason})"
            return f"  <- {event.from_} {_task(event)} {event.status}{reason} {event.duration_ms} ms"
    return None


def _task(event: tasks.RpcCall | tasks.RpcResponse | tasks.TaskFinished) -> str:
    job = f" {event.job}" if event.iteration is None else ""
    attempt = "" if event.attempt is None else f" attempt {event.attempt}"
    return f"{event.method}{job} task {event.task}{attempt}"
