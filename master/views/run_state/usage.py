"""What each worker has used of its machine."""

from typing import Any

from common.events.catalogue import tasks, workers
from master.views.run_state.tasks import number

_COUNTERS = ("cpu_s", "read_bytes", "sent_bytes", "received_bytes")
_MEMORY = ("resident_bytes", "anonymous_bytes")


class Usage:
    """What a worker has used in all its lives; of its memory the most that it told of."""

    def __init__(self, since_ms: float) -> None:
        self._since_ms = self._told_ms = since_ms
        self._told: workers.WorkerUsage | None = None
        self._used = dict[str, float]()

    def take(self, at_ms: float, event: workers.WorkerUsage) -> None:
        """Take in what a process has used since it started."""
        told = self._told if self._told is not None and self._told.cpu_s <= event.cpu_s else None
        for name in _COUNTERS:  # those of another process begin at 0 again
            self._add(name, getattr(event, name) - getattr(told, name, 0))
        for name in _MEMORY:
            self._most(name, getattr(event, name))
        self._told, self._told_ms = event, at_ms

    def take_task(self, at_ms: float, event: tasks.TaskFinished) -> None:
        """Take in what a task on Spark or Dask has used."""
        self._add("cpu_s", (event.cpu_ms or 0.0) / 1000)
        self._most("resident_bytes", event.peak_bytes or 0)
        self._told_ms = at_ms

    def snapshot(self) -> dict[str, Any]:
        """Return it; None is what nobody told."""
        known = {name: number(self._used.get(name)) or None for name in (*_COUNTERS, *_MEMORY)}
        cpu_ms, passed_ms = (known["cpu_s"] or 0.0) * 1000, self._told_ms - self._since_ms
        return known | {"cpu_share": round(cpu_ms / passed_ms, 4) if cpu_ms and passed_ms > 0 else None}

    def _add(self, name: str, more: float) -> None:
        self._used[name] = self._used.get(name, 0) + more

    def _most(self, name: str, now: float) -> None:
        self._used[name] = max(self._used.get(name, 0), now)
