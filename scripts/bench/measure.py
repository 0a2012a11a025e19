"""Run Python in processes of its own, time it, watch its memory; repeat, alternating."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from scripts.bench import quiet
from scripts.bench.quiet import Round

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2  # of each library; ours has as many mappers, of one thread each
_INTERVAL_S = 0.02


class Unavailable(Exception):  # noqa: N818 - not an error: the report says why something is not measured
    """A competitor that can't be measured here; the text says why."""


@dataclass(frozen=True)
class Usage:
    """What a process and all below it used at most at one moment; pages that several share count once."""

    anonymous_bytes: int  # allocated
    file_bytes: int  # mapped: libraries, data
    cpu_s: float  # of the first process alone


@dataclass(frozen=True)
class Sample:
    """One run of one competitor."""

    seconds: float  # what is compared
    details: Mapping[str, Any] = field(default_factory=dict)  # what else is known of it
    usage: Usage | None = None  # if it was watched
    stdout: str = ""


Contender = Callable[[bool], Sample]  # runs once; True: watch the memory, which may cost time


@dataclass(frozen=True)
class Series:
    """The timed runs of one competitor, without the warm-up."""

    seconds: list[float]
    details: Mapping[str, Any]  # of the run of median time; what only the warm-up knew is the warm-up's
    usage: Usage | None  # of the warm-up

    @property
    def median_s(self) -> float:
        """The middle of the times."""
        return median(self.seconds)


def environment() -> dict[str, str]:
    """Return the environment of a process that is measured."""
    threads = {f"{library}_NUM_THREADS": str(THREADS) for library in ("OMP", "OPENBLAS")}
    return os.environ | threads | {"PYTHONPATH": str(ROOT)}


def run(arguments: Sequence[object], folder: Path, *, watch: bool = False) -> Sample:
    """Run Python with these arguments to its end; Unavailable, with its last line of errors, if it fails."""
    command, env = [sys.executable, *map(str, arguments)], environment()
    pipe, usage = subprocess.PIPE, Usage(0, 0, 0.0) if watch else None
    began_s = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=_INTERVAL_S if watch else None)
                break
            except subprocess.TimeoutExpired:
                usage = _look(process.pid, usage) if usage else None
    seconds = time.perf_counter() - began_s
    if process.returncode != 0:
        said = stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise Unavailable(f"failed: {said[-1][:200]}")
    return Sample(seconds, {}, usage, stdout)


def _look(pid: int, before: Usage) -> Usage:
    """Return the larger of what was used before and what a process and those below it use now."""
    try:
        process = psutil.Process(pid)
        memory = [proportional_memory(each.pid) for each in (process, *process.children(recursive=True))]
        times = process.cpu_times()
    except psutil.Error:
        return before
    return Usage(
        max(before.anonymous_bytes, sum(anonymous for anonymous, _ in memory)),
        max(before.file_bytes, sum(file for _, file in memory)),
        max(before.cpu_s, times.user + times.system),
    )


def proportional_memory(pid: int) -> tuple[int, int]:
    """Return a process's anonymous and file-backed bytes, its share of what is shared; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    kib = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return kib["Pss_Anon"] * 1024, (kib["Pss_File"] + kib["Pss_Shmem"]) * 1024


@dataclass(frozen=True)
class Alternated:
    """What competitors took that ran in turn."""

    series: Mapping[str, Series]
    skipped: Mapping[str, str]  # who could not run, and why
    loads: Sequence[float]  # of each round that counts: the share of the cores' time that others took


def alternate(
    contenders: Mapping[str, Contender],
    repeats: int,
    measured: Callable[[Callable[[], Any]], Round[Any]] = quiet.measured,
) -> Alternated:
    """Run each in turn, once to warm up and be watched, then in rounds that are `measured`."""
    warm: dict[str, Sample] = {}
    skipped: dict[str, str] = {}
    for name, contender in contenders.items():
        try:
            warm[name] = contender(True)
        except (Unavailable, FileNotFoundError) as reason:  # a file that another one should have written
            skipped[name] = str(reason)
    found = quiet.rounds(repeats, lambda: measured(lambda: {name: contenders[name](False) for name in warm}))
    timed = {name: [each.result[name] for each in found] for name in warm}
    series = {name: _series(warm[name], samples) for name, samples in timed.items()}
    return Alternated(series, skipped, [each.load for each in found])


def _series(warm: Sample, samples: Sequence[Sample]) -> Series:
    middle = sorted(samples, key=lambda sample: sample.seconds)[(len(samples) - 1) // 2]  # the lower of two
    return Series([sample.seconds for sample in samples], {**warm.details, **middle.details}, warm.usage)
