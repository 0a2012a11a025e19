"""Runs, one after another; each is disturbed, and its result compared with an undisturbed run's."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from common.events.catalogue.base import Event
from common.events.catalogue.run import IterationStarted, RunFinished
from common.events.catalogue.tasks import RpcCall
from common.events.catalogue.workers import WorkerJoined
from scripts.chaos.disturbances import DISTURBANCES
from scripts.chaos.plan import Plan
from scripts.chaos.trial import LABELS, Trial, ViolationError, python

_LOOK_EVERY_S = 0.1
_HANGS_AFTER_S = 300.0
"""From the start of a master to its end: far more than any takes on a loaded machine."""
_MOST_FAULTS = 8
_ENOUGH_RUNS = 20
"""Needed to tell growth of memory from the differences between runs."""
_ENDED = (-9, 143, -15, 129, -1)
"""Exit codes of a master that a disturbance ended; before it could answer a signal, too."""
_CLUSTER_LOST = re.compile(r" has had no living worker for | Dask workers have started in ")
_MAY_GIVE_UP_AFTER = 4
"""So many disturbances; a task must fail at least this often before a run gives up."""

_Moment = Callable[[list[Event]], bool]
_Planned = tuple[_Moment, float, str]
"""Moment, pause in seconds, name of a disturbance."""


def _after(kind: type[Event], **fields: object) -> _Moment:
    """Return a moment: from now on, such an event has happened."""
    return lambda events: any(
        isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
        for event in events
    )


_MOMENTS: list[_Moment] = [
    lambda events: True,
    _after(WorkerJoined),
    *5 * [_after(IterationStarted)],
    _after(RpcCall, job="score"),
    _after(RpcCall, job="label"),
]
"""What must have happened before a run is disturbed, a random while later."""


@dataclass
class Tally:
    """What happened in all runs."""

    runs: int = 0
    resumed: int = 0
    gave_up: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    own_bytes: list[int] = field(default_factory=list)
    master_bytes: list[int] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Return the report."""
        yield f"runs                 {self.runs}"
        yield f"resumed              {self.resumed} times"
        yield f"gave up              {len(self.gave_up)} times, and could be done again undisturbed"
        yield from (f"  {reason}" for reason in self.gave_up)
        yield f"faults               {self.faults.total()}"
        for kind, count in sorted(self.faults.items(), key=lambda item: (-item[1], item[0])):
            yield f"  {count:>5}  {kind}"
        for kind in ("wrong bytes", "hang", "orphan", "leftover", "not ours", "unexpected end", "memory"):
            yield f"{kind:<20} {self.violations[kind]}"
        for who, sizes in (("masters", self.master_bytes), ("the soak", self.own_bytes)):
            first, last = _quarters(sizes)
            yield f"memory of {who:<10} {first:.0f} MiB in the first quarter, {last:.0f} MiB in the last"

    def check_memory(self) -> None:
        """Count it as a violation if the last runs needed more memory than runs differ in."""
        for sizes in (self.master_bytes, self.own_bytes):
            first, last = _quarters(sizes)
            if len(sizes) >= _ENOUGH_RUNS and last > 1.5 * first:
                self.violations["memory"] += 1


def _quarters(sizes: list[int]) -> tuple[float, float]:
    """Return the peaks of the first and of the last quarter, in MiB."""
    quarter = (len(sizes) + 3) // 4
    return max(sizes[:quarter]) / 2**20, max(sizes[-quarter:]) / 2**20


def soak(seed: int, seconds: float, out: Path, certs: Path) -> Tally:
    """Run until the time is over; the folders of runs that went wrong stay in `out`."""
    tally = Tally()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s or not tally.runs:
        tally.runs += 1
        folder = out / f"run_{tally.runs}"
        folder.mkdir()
        rng = Random(f"{seed}/{tally.runs}")
        kept = False
        with Trial(Plan.draw(rng), rng, folder, certs) as trial:
            try:
                _run(trial, tally)
            except ViolationError as violation:
                kept = True
                kind = str(violation).partition(":")[0]
                tally.violations[kind] += 1
                print(f"run {tally.runs} of seed {seed}: {violation}\n  kept in {folder}; its commands:")
                print(*(f"    {command}" for command in trial.commands), sep="\n", flush=True)
                (folder / "commands.txt").write_text("\n".join(trial.commands) + "\n")
            tally.master_bytes.append(trial.peak_bytes)
        if not kept:
            shutil.rmtree(folder)
        tally.own_bytes.append(psutil.Process().memory_info().rss)
    tally.check_memory()
    return tally


def _run(trial: Trial, tally: Tally) -> None:
    """Run, disturb, resume if need be, and check the result."""
    rng, faults_before = trial.rng, tally.faults.total()
    expected = _undisturbed(trial)
    kinds = [*DISTURBANCES, *10 * trial.plan.purpose]
    faults = [
        (rng.choice(_MOMENTS), rng.expovariate(3.0), rng.choice(kinds))
        for _ in range(rng.randint(1, _MOST_FAULTS))
    ]
    while True:
        options = trial.plan.other_options(rng)
        if "--fail-rate" in options:
            tally.faults["--fail-rate"] += 1
        resume = bool(trial.checkpoints)
        tally.resumed += resume
        trial.begin(options, resume=resume)
        code = _disturb(trial, faults, tally)
        trial.undo_due()
        trial.check_processes(over=code == 0)
        trial.check_surroundings()
        output = trial.output_path.read_text()
        if code == 0:
            break
        if trial.killed and code in _ENDED:
            continue
        one_line = output.startswith("Error: ") and output.count("\n") == 1
        if code == 2 and one_line and trial.surroundings.remove_link():
            continue
        excused = trial.disk_was_full or _CLUSTER_LOST.search(output) is not None
        many = tally.faults.total() - faults_before >= _MAY_GIVE_UP_AFTER
        failed = code == 1 or (code == 2 and trial.disk_was_full)
        if not failed or not one_line or not (excused or many):
            raise ViolationError(f"unexpected end: exit code {code}: {output}")
        tally.gave_up.append(output.strip())
        if not excused:
            faults.clear()
    if _results(trial.folder / "data" / "centroids.txt", trial.folder / LABELS) != expected:
        raise ViolationError("wrong bytes: not those of the undisturbed run")
    _check_leftovers(trial)


def _undisturbed(trial: Trial) -> tuple[bytes, bytes]:
    folder = trial.folder
    output = folder / "undisturbed.output.txt"
    alone = ["--engine", "inline", "--mappers", "1", "--reducers", "1", "--quiet"]
    paths = ["--data-dir", "undisturbed", "--dump", "undisturbed.txt", "--labels", "undisturbed_labels.txt"]
    process = python("-m", "master", *trial.plan.result_options, *alone, *paths, folder=folder, output=output)
    if process.wait(_HANGS_AFTER_S) != 0:
        raise ViolationError(f"unexpected end: of the undisturbed run: {output.read_text()}")
    return _results(folder / "undisturbed" / "centroids.txt", folder / "undisturbed_labels.txt")


def _results(centroids: Path, labels: Path) -> tuple[bytes, bytes]:
    return centroids.read_bytes(), labels.read_bytes()


def _disturb(trial: Trial, faults: list[_Planned], tally: Tally) -> int:
    """Disturb the run while its master works; return the master's exit code."""
    assert trial.master is not None
    began_s = time.monotonic()
    moment_s: float | None = None
    while trial.master.poll() is None:
        now_s = time.monotonic()
        if now_s - began_s > _HANGS_AFTER_S:
            raise ViolationError(f"hang: no end after {_HANGS_AFTER_S:g} s")
        trial.processes()
        trial.undo_due(now_s)
        events = trial.events()
        if not _after(RunFinished)(events):
            for worker in trial.remote_workers:
                worker.restart_if_ended(now_s)
        if faults and moment_s is None and faults[0][0](events):
            moment_s = now_s
        if moment_s is not None and now_s >= moment_s + faults[0][1]:
            _, _, kind = faults.pop(0)
            moment_s = None
            if DISTURBANCES[kind](trial):
                tally.faults[kind] += 1
        time.sleep(_LOOK_EVERY_S)
    code: int = trial.master.wait()
    return code


def _check_leftovers(trial: Trial) -> None:
    """Check that no file is left that only the run needed; remote workers that still wait may keep theirs."""
    waiting = [worker.folder for worker in trial.remote_workers if worker.process.poll() != 0]
    left = [
        path
        for path in trial.folder.rglob("*")
        if path.name in (".lock", ".cache", "checkpoints") or path.suffix == ".tmp"
        if not path.is_symlink()
        if not set(waiting) & set(path.parents)
    ]
    if left:
        raise ViolationError(f"leftover: {', '.join(map(str, left))}")
