"""What people see while a run goes on: the events of dump.txt in words, and a progress bar."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from common.errors import printable
from common.events.catalogue import kmeans, logistic, run, tasks, workers
from common.events.catalogue.base import Event
from common.events.line import Entry, event_text

if TYPE_CHECKING:
    from rich.progress import Progress

_SHOWN_CENTROIDS = 8
_SHOWN_COLUMNS = 8
_SHOWN_NAMES = 12

_HIDDEN = (
    run.Checkpoint,
    run.Labels,
    run.Result,
    run.RunFinished,
    workers.WorkerStarted,
    workers.WorkerSaid,
    tasks.StageStarted,
    kmeans.Input,
    kmeans.Clusters,
    logistic.ModelScored,
    logistic.ClassConfusion,
)
"""Events that only dump.txt needs, or that the lines at the end of a run repeat."""

TEMPLATES: dict[type[Event], str] = {
    run.RunStarted: (
        "{input}: {rows} rows, {columns} columns; engine {engine}, {mappers} mappers, {reducers} reducers"
    ),
    run.Resumed: "\nresumed after iteration {iteration}",
    run.IterationStarted: "\niteration {iteration} of {of}",
    workers.AwaitingWorkers: "waiting for mappers: {mappers}, reducers: {reducers}; start each by: {join}",
    workers.Listening: "more workers may join by: {join}",
    workers.WorkerJoined: "{worker} joined at {address}",
    workers.WorkerSilent: "  no heartbeat from {worker}; it gets no new tasks",
    workers.WorkerSuspected: "  {worker} did not answer; it gets no new tasks",
    workers.WorkerHeard: "  {worker} answers again",
    workers.WorkerKilled: "  {reason}; it is killed",
    workers.Cluster: "{engine} at {at}; {ui}",
    workers.WorkerCame: "  {worker} came",
    workers.WorkerLeft: "  LOST {worker}",
    kmeans.InitRound: "  round {round} of the start: {candidates} candidates",
    kmeans.InitialCentroids: "\n{start}initial centroids",
    kmeans.EmptyCluster: "  cluster {key} is empty; its centroid stays",
    kmeans.IterationFinished: "  {start}largest shift {shift:g}",
    kmeans.BestStart: "\nbest: {start}of {of} starts; inertia {inertia}",
    kmeans.ResultInDoubt: "warning: {reason}",
    kmeans.Stopped: "\n{start}{reason}; {iterations} iterations, inertia {inertia}",
    logistic.StepFinished: "  loss {loss:.9g}, greatest derivative {gradient:.3g}",
    logistic.FitFinished: "\n{reason}; {iterations} iterations, loss {loss:.9g}",
    logistic.FitInDoubt: "warning: {reason}",
    logistic.PartModel: "  part {model}: {rows} rows, {iterations} iterations",
}
"""What the screen shows: an event's fields in words; `start` names one of several starts, if there are, and
`join` is the command of a worker that joins."""


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
    """Lines as they come, above a bar with the iteration, the tasks done in it and how far it still moves."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
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
            case kmeans.IterationFinished():
                self._update(completed=event.iteration, state=f"shift {event.shift:.3g}")
            case logistic.StepFinished():
                self._update(completed=event.iteration, state=f"derivative {event.gradient:.3g}")
            case kmeans.Stopped() | logistic.FitFinished():
                self.close()

    def _begin(self, iterations: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("iteration {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.fields[tasks]} tasks done, {task.fields[state]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, transient=True)
        self._progress.add_task("", total=iterations, tasks=0, state="")
        self._progress.start()

    def _update(self, **fields: Any) -> None:
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], **fields)


def in_words(event: Event) -> str | None:
    """Put an event into words; None for one that is not shown."""
    match event:
        case run.RunFailed(checkpoint=path):
            return None if path is None else f"\nto continue from {path}, repeat the command with --resume"
        case run.InputUnderstood():
            return _understood(event)
        case workers.WorkerLost():
            return f"  LOST {event.reason}; it is {'' if event.returns else 'not '}restarted"
        case tasks.RpcCall():
            return f"  -> {event.to} {_task(event)}"
        case tasks.RpcResponse() | tasks.TaskFinished():
            reason = "" if event.reason is None else f" ({event.reason})"
            return f"  <- {event.from_} {_task(event)} {event.status}{reason} {event.duration_ms} ms"
        case kmeans.Centroid() | logistic.TableLearned():
            return _centroid(event) if isinstance(event, kmeans.Centroid) else _learned(event)
        case kmeans.EmptyCluster(row=int(row)):
            return f"  cluster {event.key} is empty; it takes row {row}, the farthest from its centroid"
    if isinstance(event, _HIDDEN):
        return None
    if type(event) not in TEMPLATES:
        return f"  {event_text(event)}"
    return TEMPLATES[type(event)].format_map(vars(event) | {"start": _start(event), "join": _join(event)})


def _listed(names: Sequence[str]) -> str:
    if len(names) > _SHOWN_NAMES:
        names = [*names[: _SHOWN_NAMES - 1], "...", names[-1]]
    return ", ".join(f'"{name}"' if "," in name else name for name in names)


def _understood(event: run.InputUnderstood) -> str:
    between = "" if event.delimiter is None else f", {event.delimiter} between fields"
    header = "; the first row is a header" if event.header else ""
    return f"input: {event.format}{between}{header}; columns {_listed(event.columns)}"


def _learned(event: logistic.TableLearned) -> str:
    classes = [f"{text} ({rows})" for text, rows in zip(event.classes, event.class_rows, strict=True)]
    parts = {"numbers": event.numbers, "categories": event.categories}
    columns = "; ".join(f"{name}: {_listed(texts)}" for name, texts in parts.items() if texts)
    return f"{columns}; classes, with their training rows: {_listed(classes)}"


def _task(event: tasks.RpcCall | tasks.RpcResponse | tasks.TaskFinished) -> str:
    job = f" {event.job}" if event.iteration is None else ""
    attempt = "" if event.attempt is None else f" attempt {event.attempt}"
    return f"{event.method}{job} task {event.task}{attempt}"


def _join(event: Event) -> str:
    address = getattr(event, "address", "")
    more = "--folder NAME" if address.startswith("unix:") else "--certs FOLDER"
    return f"python -m mapper (or reducer) --join {address} {more}"


def _start(event: Event) -> str:
    start = getattr(event, "start", None)
    return "" if start is None else f"start {start}, "


def _centroid(event: kmeans.Centroid) -> str | None:
    if event.key >= _SHOWN_CENTROIDS:
        return "  ... the others are in dump.txt" if event.key == _SHOWN_CENTROIDS else None
    shown = event.value.split(",", _SHOWN_COLUMNS)
    rest = ",..." if len(shown) > _SHOWN_COLUMNS else ""
    return f"  {_start(event)}centroid {event.key}: {','.join(shown[:_SHOWN_COLUMNS])}{rest}"
