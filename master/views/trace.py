"""A run in Chrome's trace format, for chrome://tracing, Perfetto and other viewers of it."""

import json
from collections.abc import Iterator
from typing import Any

from master.views.run_state.state import Snapshot

_RUN = 0
"""The row of the iterations; workers have those from 1 on."""


def trace(snapshot: Snapshot) -> str:
    """Return all tasks, iterations and failures of a snapshot as a trace; its times are in microseconds."""
    rows = {worker["worker"]: row for row, worker in enumerate(snapshot["workers"], 1)}
    events = [*_names(rows), *_iterations(snapshot), *_tasks(snapshot, rows), *_news(snapshot)]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, allow_nan=False)


def _names(rows: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, row in {"iterations": _RUN, **rows}.items():
        yield _event(row, ph="M", name="thread_name", args={"name": name})
        yield _event(row, ph="M", name="thread_sort_index", args={"sort_index": row})


def _iterations(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    for each in snapshot["iterations"]:
        if "end" in each:
            name, measured = f"iteration {each['iteration']}", each["starts"].get(snapshot["best"], {})
            known = {key: value for key, value in measured.items() if key != "sizes"}
            yield _span(_RUN, name, "iteration", each["start"], each["end"], known)


def _tasks(snapshot: Snapshot, rows: dict[str, int]) -> Iterator[dict[str, Any]]:
    for values in snapshot["tasks"]:
        task = dict(zip(snapshot["task_fields"], values, strict=True))
        name = f"{task['method']} {task['job']} task {task['task']}"
        end = snapshot["elapsed_ms"] if task["end"] is None else task["end"]
        shown = {
            key: task[key]
            for key in ("attempt", "iteration", "status", "backup", "records", "bytes", "reason")
        }
        yield _span(rows.get(task["worker"], _RUN), name, task["method"], task["start"], end, shown)


def _news(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    for at_ms, kind, text in snapshot["news"]:
        yield _event(_RUN, ph="i", s="g", name=text, cat=kind, ts=round(at_ms * 1000))


def _span(row: int, name: str, kind: str, start: float, end: float, known: dict[str, Any]) -> dict[str, Any]:
    begin = round(start * 1000)
    return _event(row, ph="X", name=name, cat=kind, ts=begin, dur=round(end * 1000) - begin, args=known)


def _event(row: int, **fields: Any) -> dict[str, Any]:
    return {"pid": 1, "tid": row, **fields}
