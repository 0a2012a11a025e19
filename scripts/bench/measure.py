"""Run processes, time them, watch their memory; repeat, alternating; medians and ratios."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
_INTERVAL_S = 0.02


class Unavailable(Exception):  # noqa: N818 - not an error: the table says why something is not measured
    """A contender that can't be measured here; the text says why."""


@dataclass(frozen=True)
class Usage:
    """What a process and all below it used at most, and what the process itself used.

    Parameters
    ----------
    anonymous_bytes, file_bytes
        Largest sums over the processes at one moment; pages that several share count once.
        Anonymous is what they allocated; file-backed is what they mapped: libraries, data.
    cpu_s
        Processor time of the first process alone.
    """

    anonymous_bytes: int
    file_bytes: int
    cpu_s: float


@dataclass(frozen=True)
class Finished:
    """A process that ended well."""

    seconds: float
    stdout: str
    usage: Usage | None


@dataclass(frozen=True)
class Sample:
    """One run of one contender.

    Parameters
    ----------
    seconds
        What is compared.
    details
        What else is known of the run, by name.
    usage
        Only if watched.
    """

    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None


Contender = Callable[[bool], Sample]
"""Runs once; True: watch the memory, which may cost time."""


@dataclass(frozen=True)
class Series:
    """The timed runs of one contender; the first, the warm-up, gave the usage and isn't among them."""

    seconds: list[float]
    details: Mapping[str, Any]
    usage: Usage | None

    @property
    def median_s(self) -> float:
        """Return the middle of the times."""
        return median(self.seconds)


def python(*arguments: object) -> list[str]:
    """Return a command of this interpreter."""
    return [sys.executable, *map(str, arguments)]


def run(
    command: Sequence[str],
    folder: Path,
    *,
    watch: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command to its end.

    Raises
    ------
    Unavailable
        It failed; with the last line it wrote on standard error.
    """
    began_s = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, _Watch(process.pid) if watch else _NoWatch() as watched:
        stdout, stderr = process.communicate()
    seconds = time.perf_counter() - began_s
    if process.returncode != 0:
        said = stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise Unavailable(f"failed: {said[-1][:200]}")
    return Finished(seconds, stdout, watched.usage)


def alternate(contenders: Mapping[str, Contender], repeats: int) -> tuple[dict[str, Series], dict[str, str]]:
    """Run each contender in turn: once to warm up and be watched, then `repeats` times.

    Returns
    -------
    tuple
        What each gave, and of those that can't be measured, why.
    """
    warm: dict[str, Sample] = {}
    skipped: dict[str, str] = {}
    for name, contender in contenders.items():
        try:
            warm[name] = contender(True)
        except Unavailable as reason:
            skipped[name] = str(reason)
    timed: dict[str, list[Sample]] = {name: [] for name in warm}
    for _ in range(repeats):
        for name, samples in timed.items():
            samples.append(contenders[name](False))
    series = {
        name: Series([sample.seconds for sample in samples], _middle(samples).details, warm[name].usage)
        for name, samples in timed.items()
    }
    return series, skipped


def _middle(samples: Sequence[Sample]) -> Sample:
    """Return the run of median time (the lower of two)."""
    return sorted(samples, key=lambda sample: sample.seconds)[(len(samples) - 1) // 2]


class _NoWatch:
    usage = None

    def __enter__(self) -> "_NoWatch":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Watch:
    """Looks at the memory of a process and its descendants until the block ends."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = Usage(0, 0, 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_repeatedly)

    @property
    def usage(self) -> Usage:
        return self._peak

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look_repeatedly(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            with suppress(psutil.Error):
                self._look(psutil.Process(self._pid))

    def _look(self, process: psutil.Process) -> None:
        anonymous = file = 0
        for each in [process, *process.children(recursive=True)]:
            memory = proportional_memory(each.pid)
            anonymous += memory[0]
            file += memory[1]
        times = process.cpu_times()
        self._peak = Usage(
            max(self._peak.anonymous_bytes, anonymous),
            max(self._peak.file_bytes, file),
            max(self._peak.cpu_s, times.user + times.system),
        )


def proportional_memory(pid: int) -> tuple[int, int]:
    """Return a process's anonymous and file-backed bytes, its share of what is shared; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    kib = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return kib["Pss_Anon"] * 1024, (kib["Pss_File"] + kib["Pss_Shmem"]) * 1024
