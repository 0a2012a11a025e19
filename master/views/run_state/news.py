"""Failures and other news of a run, in words."""

from collections import deque
from typing import Any

from common.events.catalogue import kmeans, logistic, run, tasks, workers
from common.events.catalogue.base import Event
from master.views.words import TEMPLATES, counts_in

_KEPT = 500

_WORDS: dict[type[Event], tuple[str, str]] = {
    run.CompilingKernels: ("news", TEMPLATES[run.CompilingKernels].removesuffix(" …")),
    run.Resumed: ("news", "the run continues after iteration {iteration}"),
    run.CheckpointFailed: ("warning", "checkpoint {file} cannot be written: {reason}"),
    run.CheckpointSkipped: ("warning", "checkpoint {file} cannot be used: {reason}"),
    run.RunFailed: ("failure", "the run failed: {reason}"),
    run.InternalError: ("failure", "{process}: internal error: {error}"),
    workers.AwaitingWorkers: ("news", "waiting for workers: {counted_mappers} and {counted_reducers}"),
    workers.WorkerSilent: ("warning", TEMPLATES[workers.WorkerSilent].strip()),
    workers.WorkerSuspected: ("warning", TEMPLATES[workers.WorkerSuspected].strip()),
    workers.WorkerHeard: ("news", TEMPLATES[workers.WorkerHeard].strip()),
    workers.WorkerKilled: ("warning", TEMPLATES[workers.WorkerKilled].strip()),
    workers.WorkerSaid: ("warning", "{worker} wrote before it ended: {text}"),
    workers.WorkerCame: ("news", TEMPLATES[workers.WorkerCame].strip()),
    workers.WorkerLeft: ("failure", "{worker} is lost: {status}"),
    tasks.LateAnswerDropped: ("news", "a late answer was dropped: {role} task {task}, attempt {attempt}"),
    kmeans.EmptyCluster: ("warning", "cluster {key} was empty after iteration {iteration}: {action}"),
    kmeans.ResultInDoubt: ("warning", "the result is in doubt: {reason}"),
    logistic.FitInDoubt: ("warning", "the fit is in doubt: {reason}"),
}


class News:
    """The last failures, warnings and other news."""

    def __init__(self) -> None:
        self._items: deque[tuple[float, str, str]] = deque(maxlen=_KEPT)

    def take(self, at_ms: float, process: str, event: Event) -> None:
        """Keep what an event says, if it is news."""
        if found := in_words(process, event):
            self.add(at_ms, *found)

    def add(self, at_ms: float, kind: str, text: str) -> None:
        """Keep a failure, a warning or other news."""
        self._items.append((at_ms, kind, text))

    def shift(self, by_ms: float) -> None:
        """Count the times from another moment."""
        self._items = deque(((at + by_ms, *rest) for at, *rest in self._items), maxlen=_KEPT)  # type: ignore[misc]

    def last_between(self, start_ms: float, end_ms: float) -> str | None:
        """Return the last news within a time."""
        return next((text for at, _, text in reversed(self._items) if start_ms <= at <= end_ms), None)

    def snapshot(self) -> list[Any]:
        """Return when, of which kind, and the text, of each."""
        return [list(item) for item in self._items]


def in_words(process: str, event: Event) -> tuple[str, str] | None:
    """Return the kind and the text of an event that is news, else None."""
    match event:
        case tasks.RpcResponse(status=tasks.FAILURE) | tasks.TaskFinished(status=tasks.FAILURE):
            return "failure", _failed(process, event)
        case workers.WorkerLost():
            return "failure", f"{event.reason}; it is {'' if event.returns else 'not '}restarted"
        case tasks.RpcCall(backup=True):
            slow = f"{event.method} task {event.task} is slow"
            return "news", f"{slow}: {event.to} begins attempt {event.attempt} as a backup"
    kind, template = _WORDS.get(type(event), ("", ""))
    if not kind:
        return None
    return kind, template.format_map(vars(event) | {"process": process} | counts_in(event))


def _failed(process: str, event: tasks.RpcResponse | tasks.TaskFinished) -> str:
    attempt = "" if event.attempt is None else f", attempt {event.attempt}"
    caller = "" if process == "master" else f" asked by {process}"
    task = f"{event.from_}: {event.method} task {event.task} of {event.job}{attempt}"
    return f"{task} failed{caller}: {event.reason or 'no reason is known'}"
