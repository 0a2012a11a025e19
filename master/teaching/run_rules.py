"""The rules for a run as a whole: which files there are, where keys go, manifests, calls."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

from common.events.catalogue.base import Event
from common.events.catalogue.tasks import SUCCESS, RpcCall, RpcResponse
from common.events.catalogue.workers import WorkerKilled, WorkerLost
from common.events.line import Entry
from common.jobs.lloyd import LloydStep
from common.kernels.grouping import partition_of
from common.store.names import is_output_name
from master.teaching.evidence import Evidence, Verdict
from master.teaching.outputs import Outputs, RecordFile


def files_there(found: Evidence) -> Verdict:
    """Check that each map task has a map output and R partitions, each reduce task an output; no more."""
    reducers = found.run.started.reducers
    faults = [f"{file.path}: {file.problem}" for file in found.files if file.problem]
    surplus = [fault for task in found.tasks for fault in _surplus_files(task)]
    done = {task.task.task for task in found.reduces}
    undone = [f"reduce task {task} has no output" for task in range(1, reducers + 1) if task not in done]
    checked = f"{len(found.maps)}·{reducers} partitions, {len(found.maps)} + {reducers} outputs"
    return Verdict("M·R partition files and M + R outputs", checked, [*faults, *surplus, *undone])


def partition_is_key_modulo(found: Evidence) -> Verdict:
    """Check that records are in the partitions, and reduced ones in the outputs, of their keys."""
    files = [(file, place) for task in found.maps for place, file in enumerate(task.partitions)]
    files += [(task.output, task.task.task - 1) for task in found.reduces]
    faults = [fault for file, place in files for fault in _misplaced(file, place, found.run.started.reducers)]
    records = sum(len(file.records) for file, _ in files)
    return Verdict("partition = key % R", f"{records} records", faults)


def manifests_right(found: Evidence) -> Verdict:
    """Check that manifests name the attempt that counts, and sizes, records and checksums."""
    faults = [fault for task in found.tasks for fault in _wrong_lines(found, task)]
    return Verdict("manifests have sizes and checksums", f"{len(found.tasks)} manifests", faults)


def calls_answered(found: Evidence) -> Verdict:
    """Check that each call has an answer, or was made by a process that was lost then, or came too late.

    Of a task that another attempt has done, nobody waits for the answer when the run ends.
    """
    calls = found.run.of(RpcCall)
    done = {_work_of(event) for event in found.run.of(RpcResponse) if event.status == SUCCESS}
    faults = [
        _shown_call(entry)
        for entry in _unanswered(found.run.entries)
        if not _died(found, entry) and _work_of(entry.event) not in done
    ]
    return Verdict("every call is answered", f"{len(calls)} calls", faults)


def _surplus_files(task: Outputs) -> Iterator[str]:
    known = {task.manifest, *(file.path for file in task.records.values())}
    for path in sorted(task.task.folder.glob("*")):
        if is_output_name(path.name) and path not in known:
            yield f"{path}: no file of this run"


def _misplaced(file: RecordFile, partition: int, partitions: int) -> Iterator[str]:
    keys = file.records.keys.tolist()
    for place, key in enumerate(keys):
        if (home := partition_of(key, partitions)) != partition:
            yield f"{file.place(place)}: key {key} belongs to partition {home + 1}"


def _wrong_lines(found: Evidence, task: Outputs) -> Iterator[str]:
    done = task.task
    first = f"attempt={done.attempt} task={done.task} job={LloydStep.name} iteration={found.run.iteration}"
    wanted = Counter([first, *(file.vouched for file in task.records.values())])
    lines = Counter(task.manifest_lines)
    yield from (f"{task.manifest}: it should say {line}" for line in wanted - lines)
    yield from (f"{task.manifest}: it should not say {line}" for line in lines - wanted)


def _work_of(event: Event) -> tuple[object, ...]:
    """Return what all attempts at a call have in common."""
    assert isinstance(event, RpcCall | RpcResponse)
    return event.method, event.stage, event.task, event.reduce_task


def _call_of(entry: Entry) -> tuple[object, ...]:
    """Return what a call and its answer have in common."""
    event = entry.event
    assert isinstance(event, RpcCall | RpcResponse)
    worker = event.to if isinstance(event, RpcCall) else event.from_
    return entry.process, worker, event.method, event.stage, event.task, event.attempt, event.reduce_task


def _unanswered(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the calls without an answer; of equal calls, an answer belongs to the last one before it.

    The lines of one process stand in their order.
    """
    waiting: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        if isinstance(entry.event, RpcCall):
            waiting.setdefault(_call_of(entry), []).append(entry)
        elif isinstance(entry.event, RpcResponse) and waiting.get(_call_of(entry)):
            waiting[_call_of(entry)].pop()
    yield from chain.from_iterable(waiting.values())


def _died(found: Evidence, entry: Entry) -> bool:
    """Tell whether the process that made a call was lost after it."""
    ends: list[datetime] = [
        each.time
        for each in found.run.entries
        if isinstance(each.event, WorkerLost | WorkerKilled) and each.event.worker == entry.process
    ]
    return any(end >= entry.time for end in ends)


def _shown_call(entry: Entry) -> str:
    event = entry.event
    assert isinstance(event, RpcCall)
    what = f"{event.method} of {event.job} task {event.task} attempt {event.attempt}, stage {event.stage}"
    return f"{entry.time:%H:%M:%S.%f}: {entry.process} called {event.to} ({what}); no answer follows"
