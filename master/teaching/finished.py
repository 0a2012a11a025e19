"""A finished K-Means run, as its dump.txt tells it: its last iteration, and who has written which files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from common.errors import UsageError
from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import IterationEvent, IterationFinished
from common.events.catalogue.run import RunFinished, RunStarted
from common.events.catalogue.tasks import SUCCESS, LateAnswerDropped, RpcCall, RpcResponse, StageEvent
from common.events.line import Entry, read_dump
from common.jobs.lloyd import LloydStep
from common.model import RecordFormat, Role
from common.store.folders import DataDir
from common.store.names import ITERATION_FOLDER, TASK_FOLDER
from master.engines.table import ENGINES

_Event = TypeVar("_Event", bound=Event)


@dataclass(frozen=True)
class DoneTask:
    """A map or reduce task, counted from 1, and where the attempt that counts left its files.

    `rows` are those of a map task's split, counted from 0.
    """

    task: int
    attempt: int
    worker: str
    folder: Path
    rows: range = range(0)


@dataclass(frozen=True)
class FinishedRun:
    """The entries of the newest run in a dump.txt, from `run_started` on; `stage` is its last iteration's."""

    entries: Sequence[Entry]
    started: RunStarted
    data_dir: DataDir
    stage: int
    iteration: int

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """The options of the run, by name."""
        return _settings_of(self.started)

    @property
    def k(self) -> int:
        """The number of clusters."""
        return int(self.settings["k"])

    @property
    def kind(self) -> RecordFormat:
        """The format that the workers' files were asked to have."""
        return RecordFormat(self.started.intermediate or RecordFormat.TEXT)

    def of(self, kind: type[_Event]) -> list[_Event]:
        """Return the events of a kind."""
        return [entry.event for entry in self.entries if isinstance(entry.event, kind)]

    def of_iteration(self, kind: type[_Event]) -> list[_Event]:
        """Return those of the last iteration's last stage, or of the iteration itself."""
        return [
            event
            for event in self.of(kind)
            if (isinstance(event, StageEvent) and event.stage == self.stage)
            or (isinstance(event, IterationEvent) and event.iteration == self.iteration)
        ]

    @property
    def starts(self) -> list[int | None]:
        """Which starts took part in the last iteration, as events name them."""
        return [event.start for event in self.of_iteration(IterationFinished)]

    @cached_property
    def map_tasks(self) -> list[DoneTask]:
        """The map tasks of the last iteration that were done, in order."""
        calls = {(call.task, call.attempt): call for call in self._calls("Map")}
        fetched = {(answer.task, answer.attempt) for answer in self._answers("FetchPartition")}
        done = self._done("Map", Role.MAPPER)
        # Of a task that was done twice, reducers have fetched one output; a lost one was made again.
        done.sort(key=lambda answer: ((answer.task, answer.attempt) in fetched, answer.attempt))
        last = {answer.task: answer for answer in done}
        return [
            self._task(answer, Role.MAPPER, _range_of(calls[task, answer.attempt].rows))
            for task, answer in sorted(last.items())
        ]

    @cached_property
    def reduce_tasks(self) -> list[DoneTask]:
        """The reduce tasks of the last iteration that were done, in order."""
        read = self._done("ReadReduceOutput", Role.REDUCER)
        told = [answer for answer in self._done("Reduce", Role.REDUCER) if answer.output_bytes is not None]
        last = {answer.task: answer for answer in sorted([*read, *told], key=lambda answer: answer.attempt)}
        return [self._task(answer, Role.REDUCER) for _, answer in sorted(last.items())]

    def _calls(self, method: str) -> list[RpcCall]:
        return [call for call in self.of_iteration(RpcCall) if call.method == method]

    def _answers(self, method: str) -> Iterator[RpcResponse]:
        for answer in self.of_iteration(RpcResponse):
            if (answer.method, answer.status) == (method, SUCCESS):
                yield answer

    def _done(self, method: str, role: Role) -> list[RpcResponse]:
        dropped = self.of_iteration(LateAnswerDropped)
        late = {(event.task, event.attempt) for event in dropped if event.role == role}
        return [answer for answer in self._answers(method) if (answer.task, answer.attempt) not in late]

    def _task(self, answer: RpcResponse, role: Role, rows: range = range(0)) -> DoneTask:
        folder = self.data_dir.nodes(role) / answer.from_
        if self.settings.get("keep_iterations") == "True":
            folder /= f"{ITERATION_FOLDER}{self.iteration}"
        if answer.from_[1:] != str(answer.task):
            folder /= f"{TASK_FOLDER}{answer.task}"
        return DoneTask(answer.task, answer.attempt, answer.from_, folder, rows)


def open_finished(dump: Path, data_dir: Path) -> FinishedRun:
    """Find the newest run in a dump.txt; UsageError if it has left nothing that K-Means writes."""
    if not data_dir.is_dir():
        raise UsageError(f"--data-dir {data_dir}: there is no such folder")
    entries = _newest_run(dump)
    started = entries[0].event
    assert isinstance(started, RunStarted)
    stage, iteration = _last_iteration(dump, entries, started)
    run = FinishedRun(entries, started, DataDir(data_dir), stage, iteration)
    if run.settings.get("workers") == "remote":
        raise UsageError(f"{dump} is of a run with --workers remote: its files are on the workers' hosts")
    if used := [f"--{name}" for name in ("scale", "metric") if name in run.settings]:
        raise UsageError(f"the run in {dump} used {used[0]}: its files hold other numbers than the input")
    if not run.settings["k"].isdigit():
        raise UsageError(f"the run in {dump} tried several --k; repeat it with one of them")
    return run


def _settings_of(started: RunStarted) -> dict[str, str]:
    return dict(text.split("=", 1) for text in started.settings)


def _newest_run(dump: Path) -> list[Entry]:
    try:
        entries = [entry for entry in read_dump(dump) if entry.process == "master" or _is_fetch(entry.event)]
    except OSError as error:
        raise UsageError(f"--dump {dump}: {error.strerror}") from None
    begins = [place for place, entry in enumerate(entries) if isinstance(entry.event, RunStarted)]
    if not begins:
        raise UsageError(f"--dump {dump}: it holds no run")
    newest = entries[begins[-1] :]
    if not any(isinstance(entry.event, RunFinished) for entry in newest):
        raise UsageError(f"the run in {dump} has not ended well; run it to the end first, with --resume, say")
    return newest


def _is_fetch(event: Event) -> bool:
    """Tell whether a worker says it of its own calls; all else a run is told by the master."""
    return isinstance(event, RpcCall | RpcResponse) and event.method == "FetchPartition"


def _last_iteration(dump: Path, entries: Sequence[Entry], started: RunStarted) -> tuple[int, int]:
    """Return the last stage of the last iteration, and the iteration."""
    calls = [entry.event for entry in entries if isinstance(entry.event, RpcCall)]
    found = [(call.stage, call.iteration) for call in calls if call.job == LloydStep.name and call.iteration]
    if started.command not in (None, "run"):
        raise UsageError(
            f"the run in {dump} was one of {started.command}; verify and explain need one of K-Means"
        )
    if found:
        return max(found)
    if "weights" in _settings_of(started):
        raise UsageError(f"the run in {dump} used --weights; verify and explain read runs without it")
    if not ENGINES[started.engine].writes_files:
        raise UsageError(f"the run in {dump} used --engine {started.engine}, whose tasks write no files here")
    raise UsageError(f"the run in {dump} has no iteration of K-Means")


def _range_of(rows: str | None) -> range:
    """Undo how a split is shown: "16..31", counted from 1, or "none"."""
    first, _, last = (rows or "").partition("..")
    return range(int(first) - 1, int(last)) if last else range(0)
