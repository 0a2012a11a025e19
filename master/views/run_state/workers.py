"""What became of each worker, and what it did."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from common.events.catalogue import tasks, workers
from common.events.catalogue.base import Event
from master.views.run_state.tasks import WORK, Task, number
from master.views.run_state.usage import Usage

_STATES: dict[type[Event], str] = {
    workers.WorkerSilent: "silent",
    workers.WorkerSuspected: "suspected",
    workers.WorkerHeard: "up",
    workers.WorkerKilled: "killed",
    workers.WorkerLost: "lost",
    workers.WorkerLeft: "lost",
    workers.WorkerCame: "up",
}
_OVER = ("lost", "killed")


@dataclass
class Worker:
    """A worker: its state, and what it did in all its lives."""

    worker: str
    since_ms: float
    state: str = "up"
    pid: int | None = None
    incarnation: int | None = None
    address: str = ""
    done: int = 0
    failed: int = 0
    backups: int = 0
    busy_ms: float = 0.0
    records: int = 0
    fetched_bytes: int = 0
    served_bytes: int = 0


class Workers:
    """All workers, by name."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._usage: dict[str, Usage] = {}
        self._end_ms: float | None = None

    def take(self, at_ms: float, process: str, event: Event) -> None:
        """Take in an event."""
        match event:
            case tasks.RpcResponse():
                self._answered(at_ms, process, event)
            case tasks.TaskFinished():
                self._of(event.from_, at_ms - (number(event.duration_ms) or 0.0))
                self._worked(at_ms, event)
                self._usage[event.from_].take_task(at_ms, event)
            case workers.WorkerUsage():
                self._of(event.worker, at_ms)
                self._usage[event.worker].take(at_ms, event)
            case tasks.RpcCall(backup=True):
                self._of(event.to, at_ms).backups += 1
            case workers.WorkerStarted():
                found = self._of(event.worker, at_ms)
                found.state, found.pid, found.incarnation = "starting", event.pid, event.incarnation
            case workers.WorkerJoined():
                found = self._of(event.worker, at_ms)
                found.state, found.address = "up", event.address
            case _ if type(event) in _STATES:
                self._of(event.worker, at_ms).state = _STATES[type(event)]  # type: ignore[attr-defined]

    def end(self, at_ms: float) -> None:
        """Take in that the run is over."""
        self._end_ms = at_ms
        for worker in self._workers.values():
            if worker.state not in _OVER:
                worker.state = "ended"

    def snapshot(self, now_ms: float, running: Iterable[Task]) -> list[dict[str, Any]]:
        """Return each worker: also how busy it was, how long it took for a task, and what it used."""
        busy = {name: worker.busy_ms for name, worker in self._workers.items()}
        for task in running:
            if task.method in WORK and task.worker in busy:
                busy[task.worker] += now_ms - task.start
        return [
            asdict(worker)
            | self._usage[name].snapshot()
            | {
                "busy_share": round(busy[name] / max(now_ms - worker.since_ms, 1.0), 4),
                "mean_ms": round(worker.busy_ms / max(worker.done + worker.failed, 1), 3),
            }
            for name, worker in sorted(self._workers.items(), key=lambda item: _natural(item[0]))
        ]

    def _answered(self, at_ms: float, process: str, event: tasks.RpcResponse) -> None:
        if process == "master":
            if event.method in WORK:
                self._worked(at_ms, event)
        elif event.status == tasks.SUCCESS and event.from_ in self._workers:
            self._of(process, at_ms).fetched_bytes += event.bytes or 0
            self._of(event.from_, at_ms).served_bytes += event.bytes or 0

    def _worked(self, at_ms: float, event: tasks.RpcResponse | tasks.TaskFinished) -> None:
        worker = self._of(event.from_, at_ms)
        if event.status == tasks.SUCCESS:
            worker.done += 1
        else:
            worker.failed += 1
        worker.busy_ms += number(event.duration_ms) or 0.0
        worker.records += event.records or 0

    def _of(self, name: str, at_ms: float) -> Worker:
        if name not in self._workers:
            self._workers[name], self._usage[name] = Worker(name, at_ms), Usage(at_ms)
        return self._workers[name]


def _natural(name: str) -> tuple[str, int, str]:
    """Sort M2 before M10."""
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0), name
