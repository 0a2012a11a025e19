"""Logs of small runs, made event by event, to ask a snapshot of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from common.events.catalogue import kmeans, run, tasks, workers
from common.events.catalogue.base import Event
from common.events.line import Entry, parse_line
from master.views.run_state.state import RunState, Snapshot

BEGINNING = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Script:
    """Entries, each some time after the one before."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.now = BEGINNING

    def wait(self, ms: float) -> None:
        self.now += timedelta(milliseconds=ms)

    def say(self, *events: Event, process: str = "master") -> None:
        self.entries += [Entry(self.now, process, event) for event in events]

    def begin(self, columns: Sequence[str] = ("x", "y"), mappers: int = 2, **more: Any) -> None:
        """Start a run with mappers and one reducer."""
        self.say(started(mappers=mappers, **more))
        self.say(run.InputUnderstood(file="in.csv", format="text", header=True, columns=tuple(columns)))
        for pid, worker in enumerate([*(f"M{i + 1}" for i in range(mappers)), "R1"], 100):
            self.say(workers.WorkerStarted(worker=worker, pid=pid, incarnation=1))
            self.say(workers.WorkerJoined(worker=worker, address=f"unix:/tmp/{worker}"))

    def call(self, worker: str, method: str = "Map", *, at: int = 1, task: int = 1, attempt: int = 1) -> None:
        self.say(tasks.RpcCall(**place(at, task, attempt), to=worker, method=method, backup=attempt > 8))

    def answer(
        self,
        worker: str,
        method: str = "Map",
        *,
        at: int = 1,
        task: int = 1,
        attempt: int = 1,
        ms: float = 1.0,
        reason: str | None = None,
    ) -> None:
        status = tasks.SUCCESS if reason is None else tasks.FAILURE
        known: dict[str, Any] = {
            "status": status,
            "duration_ms": ms,
            "reason": reason,
            "records": 3,
            "bytes": 30,
        }
        self.say(tasks.RpcResponse(**place(at, task, attempt), from_=worker, method=method, **known))

    def fetch(self, mapper: str, size_bytes: int, *, at: int = 1) -> None:
        known: dict[str, Any] = {
            "status": tasks.SUCCESS,
            "duration_ms": 1.0,
            "bytes": size_bytes,
            "reduce_task": 1,
        }
        told = tasks.RpcResponse(**place(at, 1, 1), from_=mapper, method="FetchPartition", **known)
        self.say(told, process="R1")

    def iterate(
        self, n: int, of: int, centroids: Sequence[str], shift: float, start: int | None = None
    ) -> None:
        if n:
            self.say(run.IterationStarted(iteration=n, of=of))
            self.wait(10)
        self.say(
            *(kmeans.Centroid(start=start, iteration=n, key=k, value=v) for k, v in enumerate(centroids))
        )
        if n:
            sizes = tuple(range(1, len(centroids) + 1))
            self.say(
                kmeans.IterationFinished(start=start, iteration=n, shift=shift, sizes=sizes, inertia=1.5)
            )

    def state(self) -> RunState:
        """Take in the lines, as they are in dump.txt."""
        state = RunState()
        state.take_all(parse_line(entry.line()) for entry in self.entries)
        return state

    def snapshot(self) -> Snapshot:
        return self.state().snapshot()


def started(**fields: Any) -> run.RunStarted:
    known: dict[str, Any] = {
        "format": 3,
        "input": "in.csv",
        "rows": 31,
        "columns": 2,
        "engine": "grpc",
        "mappers": 2,
        "reducers": 1,
        "combine": False,
        "threads": 1,
        "cores": 2,
        "versions": ("numpy=2.4",),
        "settings": ("k=2", "tol=0.0001"),
    }
    return run.RunStarted(**known | fields)


def place(iteration: int, task: int, attempt: int) -> dict[str, Any]:
    stage: dict[str, Any] = {"stage": iteration, "job": "lloyd", "iteration": iteration}
    return stage | {"task": task, "attempt": attempt}


def tasks_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the tasks with the names of their fields."""
    return [dict(zip(snapshot["task_fields"], row, strict=True)) for row in snapshot["tasks"]]


def worker_of(snapshot: Snapshot, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in snapshot["workers"] if each["worker"] == name)
    return found
