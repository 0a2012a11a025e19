"""The state of a run, made from its events: all that the page draws, as plain values.

It takes in the events of dump.txt in their order, and knows no file, clock or network. So the live page, the
report and the tests see one and the same snapshot, of a run on any engine, going on or over. The modules
beside this one have its parts.

Everything is bounded, because a log may have any length: the last tasks and stages are kept, and of the
centroids as many iterations as make up some ten thousand numbers. Times are milliseconds since the run began,
by the master's clock.
"""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from common.events.catalogue import run, tasks
from common.events.catalogue.base import Event
from common.events.line import Entry
from master.views.run_state.news import News
from master.views.run_state.results import Results
from master.views.run_state.settings import settings_of
from master.views.run_state.tasks import Tasks
from master.views.run_state.workers import Workers

Snapshot: TypeAlias = dict[str, Any]
"""What the page draws; JSON can hold it."""

_LOG_TAIL = 1000
_MOST_COLUMNS = 10_000
_LONGEST_RANGE = 40
_OF_WORKERS = (tasks.RpcResponse, tasks.MapFinished, run.InternalError)
"""What workers tell of themselves; of the run, the master alone does."""


class RunState:
    """The events of one log, taken in one by one; the last `kept_tasks` tasks are kept, or all."""

    def __init__(self, kept_tasks: int | None = 5000) -> None:
        self._kept_tasks = kept_tasks
        self._state, self._reason = "waiting", ""
        self._run: run.RunStarted | None = None
        self._input: run.InputUnderstood | None = None
        self._started = self._latest = datetime.min.replace(tzinfo=UTC)
        self._results, self._news = Results(), News()
        self._tail: deque[Entry] = deque(maxlen=_LOG_TAIL)
        self._lines = 0
        self._begin()

    def _begin(self) -> None:
        self._workers, self._tasks = Workers(), Tasks(self._kept_tasks)

    def take(self, entry: Entry) -> None:
        """Take in the next event."""
        event = entry.event
        self._tail.append(entry)
        self._lines += 1
        if entry.process != "master" and not isinstance(event, _OF_WORKERS):
            return  # it may be the log of a worker that lies
        if isinstance(event, run.RunStarted):
            self._start(entry.time, event)
        if entry.process == "master":
            self._latest = max(self._latest, entry.time)
        at_ms = self._ms(min(entry.time, self._latest))
        self._news.take(at_ms, entry.process, event)
        self._workers.take(at_ms, entry.process, event)
        self._tasks.take(at_ms, entry.process, event)
        self._results.take(at_ms, event)
        self._take_own(at_ms, event)

    def take_all(self, entries: Iterable[Entry]) -> None:
        """Take in several events."""
        for entry in entries:
            self.take(entry)

    def cut_off(self) -> None:
        """Take in that nobody writes the log any more: without an end, the run was killed."""
        if self._state == "running":
            self._end("cut off", "the log has no end: the master was killed, or its disk was full")
            self._news.add(self._ms(self._latest), "failure", self._reason)

    def snapshot(self, now: datetime | None = None) -> Snapshot:
        """Return everything there is to draw; while the run goes on, `now` is how late it is."""
        if now is not None and self._state == "running":
            self._latest = max(self._latest, now)
        now_ms = self._ms(self._latest)
        return {
            "state": self._state,
            "reason": self._reason,
            "elapsed_ms": now_ms,
            "workers": self._workers.snapshot(now_ms, self._tasks.running()),
            "news": self._news.snapshot(),
            "log": [_line(entry) for entry in sorted(self._tail, key=lambda entry: entry.time)],
            "log_lines": self._lines,
            **self._about(),
            **self._tasks.snapshot(now_ms, self._news.last_between),
            **self._results.snapshot(),
        }

    def _start(self, time: datetime, event: run.RunStarted) -> None:
        """Begin; after `--resume` again, with other workers, but the iterations go on."""
        if self._run is not None:
            self._results.shift((self._started - time).total_seconds() * 1000)
            self._news.shift((self._started - time).total_seconds() * 1000)
            self._begin()
        self._run, self._started, self._latest = event, time, time
        self._state, self._reason = "running", ""

    def _take_own(self, at_ms: float, event: Event) -> None:
        match event:
            case run.InputUnderstood():
                self._input = event
            case run.RunFinished():
                self._end("finished", "")
            case run.RunFailed():
                self._end("failed", event.reason)

    def _end(self, state: str, reason: str) -> None:
        self._state, self._reason = state, reason
        at_ms = self._ms(self._latest)
        self._tasks.end(at_ms)
        self._workers.end(at_ms)

    def _ms(self, time: datetime) -> float:
        return round((time - self._started).total_seconds() * 1000, 3) if self._run is not None else 0.0

    def _about(self) -> Snapshot:
        """Return how the run was started."""
        if self._run is None:
            return {"run": None, "settings": [], "columns": [], "weighted": False}
        known = {name: value for name, value in vars(self._run).items() if value is not None}
        del known["settings"], known["versions"]
        return {
            "run": known | {"started": self._started.isoformat(timespec="seconds")},
            "settings": list(settings_of(self._run)),
            "columns": [] if self._input is None else column_names(self._input),
            "weighted": any(setting.startswith("weights=") for setting in self._run.settings),
        }


def _line(entry: Entry) -> str:
    """Return an entry's line, one of another version as it was."""
    line = entry.line()
    if isinstance(entry.event, run.Unknown):
        return f"{line.partition(' event=')[0]} {entry.event.text}"
    return line


def column_names(event: run.InputUnderstood) -> list[str]:
    """Return a name for each column: its own, or its position; of very many columns the first ones."""
    if event.header:
        return list(event.columns)
    names: list[str] = []
    for text in event.columns:
        first, dash, last = text.partition("-")
        if len(text) <= _LONGEST_RANGE and first.isdecimal() and (last.isdecimal() or not dash):
            run_of = range(int(first), int(last or first) + 1)
            names += [f"column {number}" for number in run_of[: _MOST_COLUMNS - len(names)]]
        else:
            names.append(text)
    return names
