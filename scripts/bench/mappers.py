"""The memory of the mappers that this process has started, watched while they work."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_INTERVAL_S = 0.02
_FIELDS = {"VmHWM": "peak_mb", "RssAnon": "anonymous_mb", "RssFile": "file_mb"}


@dataclass
class MapperMemory:
    """Looks at them, a few dozen times a second, until its block ends.

    `seen` has for each process the most of each kind in MB: in all, anonymous, and mapped from files.
    """

    seen: dict[int, dict[str, float]] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "MapperMemory":
        self._watch = threading.Thread(target=self._look_on, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._watch.join()

    def _look_on(self) -> None:
        mappers = [each.pid for each in psutil.Process().children(recursive=True) if each.name() == "mapper"]
        while not self._ended.wait(_INTERVAL_S):
            for pid in mappers:
                self._look(pid)

    def _look(self, pid: int) -> None:
        before = self.seen.setdefault(pid, dict.fromkeys(_FIELDS.values(), 0.0))
        for name, mb in memory_mb(pid).items():
            before[name] = max(before[name], mb)


def memory_mb(pid: int) -> dict[str, float]:
    """Return what a process uses now; nothing if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    values = dict(line.split(":", 1) for line in lines)
    return {_FIELDS[name]: int(values[name].split()[0]) / 1024 for name in _FIELDS if name in values}
