"""Attempts of tasks, the stages they make up, what was shuffled, and when nothing ran."""

import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any, TypeAlias

from common.events.catalogue import tasks, workers
from common.events.catalogue.base import Event

WORK = ("Map", "Reduce")
_ORDER = (*WORK, "ReadMapOutput", "ReadReduceOutput")
_KEPT_STAGES, _KEPT_WAITS = 2000, 200
_SHORTEST_WAIT_MS = 100.0

_Key: TypeAlias = tuple[int, str, str, int, int | None]
Why: TypeAlias = Callable[[float, float], str | None]
"""Returns what happened between two moments."""


def number(value: float | None, digits: int | None = None) -> float | None:
    """Return a number as JSON can hold it, rounded to significant digits if asked."""
    if value is None or not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


@dataclass(slots=True)
class Task:
    """An attempt of a task, or a call that reads a task's output; without an end it is running."""

    worker: str
    method: str
    stage: int
    job: str
    iteration: int | None
    task: int
    attempt: int | None
    backup: bool
    start: float
    end: float | None = None
    status: str = "running"
    records: int | None = None
    bytes: int | None = None
    reason: str = ""


@dataclass(slots=True)
class Slowest:
    """The task of a phase that took longest, and what the others took on average."""

    worker: str
    task: int
    ms: float
    others_ms: float


@dataclass(slots=True)
class Phase:
    """All attempts of one method in a stage."""

    start: float
    end: float
    count: int = 0
    total_ms: float = 0.0
    longest: Task | None = None

    def add(self, task: Task, end: float) -> None:
        """Add an attempt that has ended."""
        self.start, self.end = min(self.start, task.start), max(self.end, end)
        took = end - task.start
        self.count += 1
        self.total_ms += took
        if self.longest is None or took > (self.longest.end or 0) - self.longest.start:
            self.longest = task

    def slowest(self) -> Slowest | None:
        """Return the task that took longest, if there were several."""
        if self.longest is None or self.count < 2:
            return None
        took = (self.longest.end or 0) - self.longest.start
        others = (self.total_ms - took) / (self.count - 1)
        return Slowest(self.longest.worker, self.longest.task, round(took, 3), round(others, 3))


@dataclass(slots=True)
class Stage:
    """One job over the whole input."""

    stage: int
    job: str
    iteration: int | None
    start: float
    phases: dict[str, Phase] = field(default_factory=dict)

    def snapshot(self) -> dict[str, Any]:
        """Return how long each phase took after the one before, and its slowest task."""
        said: dict[str, Any] = {name: getattr(self, name) for name in ("stage", "job", "iteration", "start")}
        reached = self.start
        for method in filter(self.phases.__contains__, _ORDER):
            phase = self.phases[method]
            slowest = phase.slowest() if method in WORK else None
            took, reached = max(phase.end - max(phase.start, reached), 0.0), max(phase.end, reached)
            said[method] = [round(took, 3), None if slowest is None else asdict(slowest)]
        return said


class Tasks:
    """The tasks of a run, from calls and answers of the master; on Spark and Dask from what these report."""

    def __init__(self, kept_tasks: int | None) -> None:
        self._tasks: deque[Task] = deque(maxlen=kept_tasks)
        self._count = 0
        self._open: dict[_Key, Task] = {}
        self._last_failed: dict[str, Task] = {}
        self._stages: dict[int, Stage] = {}
        self._waits: deque[tuple[float, float, bool]] = deque(maxlen=_KEPT_WAITS)
        self._idle_since: float | None = 0.0
        self._totals = dict.fromkeys(("attempts", "retries", "backups", "failed", "lost"), 0)
        self._shuffle = {"bytes": 0, "records": 0, "fetches": 0, "failed": 0}

    def take(self, at_ms: float, process: str, event: Event) -> None:
        """Take in an event."""
        match event:
            case tasks.RpcCall() if process == "master":
                self._called(at_ms, event)
            case tasks.RpcResponse() if process == "master":
                self._answered(at_ms, event)
            case tasks.RpcResponse():
                self._fetched(event)
            case tasks.MapFinished():
                self._shuffle["records"] += sum(event.partition_records)
            case tasks.StageStarted():
                self._stage(event, at_ms)
            case tasks.TaskFinished():
                self._reported(at_ms, event)
            case workers.WorkerLost():
                self._lost(self._last_failed.pop(event.worker, None))

    def running(self) -> Collection[Task]:
        """Return the attempts without an answer."""
        return self._open.values()

    def end(self, at_ms: float) -> None:
        """Take in that the run is over: what has no answer was lost."""
        for task in self._open.values():
            task.end = max(at_ms, task.start)
            self._lost(task)
        self._open.clear()
        self._idle_since = None

    def snapshot(self, now_ms: float, why: Why) -> dict[str, Any]:
        """Return the tasks, the stages, what was shuffled, and when nothing ran."""
        waits = [*self._waits]
        if self._idle_since is not None and now_ms - self._idle_since >= _SHORTEST_WAIT_MS:
            waits.append((self._idle_since, now_ms, not self._count))
        return {
            "task_fields": [each.name for each in fields(Task)],
            "tasks": [astuple(task) for task in self._tasks],
            "tasks_left_out": self._count - len(self._tasks),
            "totals": self._totals,
            "stages": [stage.snapshot() for stage in self._stages.values()],
            "shuffle": self._shuffle,
            "waits": [[start, end, _reason(why, start, end, first)] for start, end, first in waits],
        }

    def _called(self, at_ms: float, event: tasks.RpcCall) -> None:
        if self._idle_since is not None and at_ms - self._idle_since >= _SHORTEST_WAIT_MS:
            self._waits.append((self._idle_since, at_ms, not self._count))
        self._idle_since = None
        self._last_failed.pop(event.to, None)
        task = _task(event.to, event, at_ms, backup=event.backup)
        self._add(task)
        self._open[_key(event.to, event)] = task
        self._stage(event, at_ms)

    def _answered(self, at_ms: float, event: tasks.RpcResponse) -> None:
        task = self._open.pop(_key(event.from_, event), None)
        if task is not None:
            self._finish(task, at_ms, event)
            task.bytes = event.bytes
        if not self._open:
            self._idle_since = at_ms

    def _reported(self, at_ms: float, event: tasks.TaskFinished) -> None:
        """Place a task whose length alone is known: a map task begins with its stage, the others end now."""
        stage, took = self._stage(event, at_ms), number(event.duration_ms) or 0.0
        start = stage.start if event.method == "Map" else max(stage.start, at_ms - took)
        task = _task(event.from_, event, start, backup=False)
        self._add(task)
        self._finish(task, start + took, event)
        self._idle_since = None

    def _add(self, task: Task) -> None:
        self._tasks.append(task)
        self._count += 1
        if task.method in WORK:
            self._totals["attempts"] += 1
            self._totals["backups"] += task.backup
            self._totals["retries"] += (task.attempt or 1) > 1 and not task.backup

    def _finish(self, task: Task, end: float, event: tasks.RpcResponse | tasks.TaskFinished) -> None:
        task.end, task.records, task.reason = end, event.records, event.reason or ""
        if event.status == tasks.SUCCESS:
            task.status = "done"
        else:
            task.status, self._last_failed[task.worker] = "failed", task
            self._totals["failed"] += task.method in WORK
        phases = self._stage(event, task.start).phases
        phases.setdefault(task.method, Phase(task.start, end)).add(task, end)

    def _lost(self, task: Task | None) -> None:
        """Mark an attempt whose worker, or whose run, was gone before its answer came."""
        if task is not None:
            self._totals["failed"] -= task.status == "failed" and task.method in WORK
            self._totals["lost"] += task.method in WORK
            task.status = "lost"

    def _fetched(self, event: tasks.RpcResponse) -> None:
        succeeded = event.status == tasks.SUCCESS
        self._shuffle["bytes"] += (event.bytes or 0) if succeeded else 0
        self._shuffle["fetches" if succeeded else "failed"] += 1

    def _stage(self, event: tasks.StageEvent, at_ms: float) -> Stage:
        found = self._stages.get(event.stage)
        if found is None:
            found = self._stages[event.stage] = Stage(event.stage, event.job, event.iteration, at_ms)
            if len(self._stages) > _KEPT_STAGES:
                del self._stages[next(iter(self._stages))]
        return found


def _key(worker: str, event: tasks.RpcCall | tasks.RpcResponse) -> _Key:
    return event.stage, worker, event.method, event.task, event.attempt


def _task(worker: str, event: tasks.RpcCall | tasks.TaskFinished, start: float, *, backup: bool) -> Task:
    return Task(
        worker=worker,
        method=event.method,
        stage=event.stage,
        job=event.job,
        iteration=event.iteration,
        task=event.task,
        attempt=event.attempt,
        backup=backup,
        start=start,
    )


def _reason(why: Why, start: float, end: float, first: bool) -> str:
    """Say why nothing ran: by the news of that time, or what the master does without any."""
    return why(start - 50, end) or (
        "the workers were starting" if first else "no task was ready: the master worked"
    )
