"""What a person sees while a run goes on: the events of dump.txt, shorter, and a progress bar."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from common.events.event import Event

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SHOWN_CENTROIDS = 8
_SHOWN_COLUMNS = 8


class Screen(Protocol):
    """Where events are shown."""

    def show(self, events: Sequence[Event]) -> None:
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

    def show(self, events: Sequence[Event]) -> None:
        """Show nothing."""

    def say(self, lines: Sequence[str]) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class PlainScreen:
    """One line an event."""

    def show(self, events: Sequence[Event]) -> None:
        """Print the events."""
        texts = [text for event in events if (text := describe(event)) is not None]
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

    def show(self, events: Sequence[Event]) -> None:
        """Print the events and move the bar."""
        for event in events:
            self._show(event)

    def _show(self, event: Event) -> None:
        text = describe(event)
        if event.name == "iteration_started":
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

    def _begin(self, event: Event) -> None:
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
            self._bar = self._progress.add_task("", total=_number(event, "of"), tasks=0, shift="-")
            self._progress.start()

    def _move(self, event: Event) -> None:
        if self._progress is None or self._bar is None:
            return
        if event.name in ("rpc_response", "task_finished") and event.fields.get("method") in (
            "Map",
            "Reduce",
        ):
            self._tasks += event.fields.get("status") == "SUCCESS"
            self._progress.update(self._bar, tasks=self._tasks)
        elif event.name == "iteration_finished":
            shift = f"{event.fields['shift']:.3g}"
            self._progress.update(self._bar, completed=_number(event, "iteration"), shift=shift)
        elif event.name == "stopped":
            self.close()


def _print(text: str) -> None:
    """Print; if nobody reads any more, as behind `| head`, the run goes on in silence."""
    try:
        print(text, flush=True)  # noqa: T201
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123


def _number(event: Event, name: str) -> int:
    value = event.fields[name]
    assert isinstance(value, int)
    return value


def describe(event: Event) -> str | None:
    """Put an event into words; None for what only dump.txt needs."""
    words = _WORDS.get(event.name)
    if words is not None:
        return words(event)
    return "  " + " ".join([event.name, *(f"{key}={value}" for key, value in event.fields.items())])


def _nothing(_event: Event) -> None:
    return None


def _start(event: Event) -> str:
    return f"start {event.fields['start']}, " if "start" in event.fields else ""


def _call(event: Event) -> str:
    fields = event.fields
    arrow, peer = ("->", fields["to"]) if event.name == "rpc_call" else ("<-", fields["from"])
    job = "" if "iteration" in fields else f" {fields['job']}"
    attempt = f" attempt {fields['attempt']}" if "attempt" in fields else ""
    text = f"  {arrow} {peer} {fields['method']}{job} task {fields['task']}{attempt}"
    if event.name == "rpc_call":
        return text
    reason = f" ({fields['reason']})" if "reason" in fields else ""
    return f"{text} {fields['status']}{reason} {fields['duration_ms']} ms"


def _centroid(event: Event) -> str | None:
    key, value = event.fields["key"], event.fields["value"]
    assert isinstance(key, int)
    assert isinstance(value, str)
    if key >= _SHOWN_CENTROIDS:
        return "  ... the others are in dump.txt" if key == _SHOWN_CENTROIDS else None
    shown = value.split(",", _SHOWN_COLUMNS)
    rest = ",..." if len(shown) > _SHOWN_COLUMNS else ""
    return f"  {_start(event)}centroid {key}: {','.join(shown[:_SHOWN_COLUMNS])}{rest}"


def _empty_cluster(event: Event) -> str:
    fields = event.fields
    if fields["action"] == "keep":
        return f"  cluster {fields['key']} is empty; its centroid stays"
    return f"  cluster {fields['key']} is empty; it takes row {fields['row']}, the farthest from its centroid"


def _lost(event: Event) -> str:
    fields = event.fields
    return f"  LOST {fields['reason']}; {'' if fields['returns'] else 'not '}starting it again"


def _iteration_started(event: Event) -> str:
    return f"\niteration {event.fields['iteration']} of {event.fields['of']}"


def _run_failed(event: Event) -> str | None:
    path = event.fields.get("checkpoint")
    return None if path is None else f"\nthe same command with --resume goes on from {path}"


def _stopped(event: Event) -> str:
    fields = event.fields
    return (
        f"\n{_start(event)}{fields['reason']}; {fields['iterations']} iterations, inertia {fields['inertia']}"
    )


def _awaiting(event: Event) -> str:
    fields = event.fields
    return (
        f"waiting for {fields['mappers']} mappers and {fields['reducers']} reducers at {fields['address']}; "
        f"on their hosts: python -m mapper --join {fields['address']} --certs FOLDER"
    )


_WORDS: dict[str, Callable[[Event], str | None]] = {
    "worker_started": _nothing,
    "worker_said": _nothing,
    "worker_joined": lambda event: f"{event.fields['worker']} joined at {event.fields['address']}",
    "worker_lost": _lost,
    "awaiting_workers": _awaiting,
    "listening": lambda event: f"more workers may join at {event.fields['address']}",
    "worker_silent": lambda event: f"  {event.fields['worker']} is silent; it gets nothing new",
    "worker_suspected": lambda event: f"  {event.fields['worker']} did not answer; it gets nothing new",
    "worker_heard": lambda event: f"  {event.fields['worker']} is heard again",
    "worker_killed": lambda event: f"  {event.fields['reason']}; it is killed",
    "header": lambda event: f"input: its first line is a header: {event.fields['names']}",
    "input": lambda event: f"input: {event.fields['rows']} rows, {event.fields['columns']} columns",
    "initial_centroids": lambda event: f"\n{_start(event)}initial centroids",
    "iteration_started": _iteration_started,
    "rpc_call": _call,
    "rpc_response": _call,
    "cluster": lambda event: f"{event.fields['engine']} at {event.fields['at']}; {event.fields['ui']}",
    "stage_started": _nothing,
    "task_finished": _call,
    "worker_came": lambda event: f"  {event.fields['worker']} came",
    "worker_left": lambda event: f"  LOST {event.fields['worker']}",
    "centroid": _centroid,
    "checkpoint": _nothing,
    "empty_cluster": _empty_cluster,
    "iteration_finished": lambda event: f"  {_start(event)}largest shift {event.fields['shift']:g}",
    "resumed": lambda event: f"\nresumed after iteration {event.fields['iteration']}",
    "run_failed": _run_failed,
    "stopped": _stopped,
}
