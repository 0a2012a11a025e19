"""The way of one row of the input through the last iteration of a run: map, partition, shuffle, reduce."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.errors import UsageError, counted, shortened
from common.events.catalogue.kmeans import EmptyCluster
from common.events.catalogue.tasks import SUCCESS, RpcResponse
from common.kernels.grouping import partition_of
from common.model import FloatArray
from common.store.names import CENTROIDS
from master.teaching.evidence import Evidence, gather
from master.teaching.finished import FinishedRun
from master.teaching.oracle import exact_sums, number_of, shown, squared_distances
from master.teaching.outputs import MapOutputs, RecordFile, ReduceOutputs
from master.teaching.reduce_rules import best_start

_SHOWN_CENTROIDS = 5
_SHOWN_COLUMNS = 4
_SHOWN_LINE = 100


@dataclass(frozen=True)
class Way:
    """Where a row, counted from 0, went; `start` is the start whose centroids are the result."""

    found: Evidence
    row: int
    start: int

    @property
    def point(self) -> FloatArray:
        """The row's numbers."""
        point: FloatArray = self.found.oracle.rows[self.row]
        return point

    @property
    def key(self) -> int:
        """The key that its record must have."""
        return int(self.found.oracle.keys[self.start][self.row])

    @property
    def cluster(self) -> int:
        """The index of its centroid."""
        return self.key % self.found.run.k

    @property
    def partition(self) -> int:
        """The partition of its key, from 0."""
        return partition_of(self.key, self.found.run.started.reducers)

    @cached_property
    def mapped(self) -> MapOutputs:
        """The map task that its split belongs to."""
        return next(task for task in self.found.maps if self.row in task.task.rows)

    @cached_property
    def reduced(self) -> ReduceOutputs:
        """The reduce task of its partition."""
        return next(task for task in self.found.reduces if task.task.task == self.partition + 1)

    @cached_property
    def place(self) -> int:
        """Where its record stands in the map output, from 0; a combiner makes one record of a whole key."""
        keys = self.mapped.map_output.records.keys
        if self.found.run.started.combine:
            return int(np.flatnonzero(keys == self.key)[0])
        before = list(self.found.oracle.keys).index(self.start)
        return before * len(self.mapped.task.rows) + self.row - self.mapped.task.rows.start

    @property
    def place_in_partition(self) -> int:
        """Where it stands in the partition, which is sorted by key."""
        keys = self.mapped.map_output.records.keys
        home = keys % self.found.run.started.reducers == self.partition
        return int((home & (keys < self.key)).sum() + (keys[: self.place] == self.key).sum())

    @property
    def place_in_output(self) -> int:
        """Where its centroid stands in the reduce task's output."""
        return int(np.flatnonzero(self.reduced.output.records.keys == self.key)[0])


def explain(run: FinishedRun, row: int) -> Iterator[str]:
    """Yield the way of a row, counted from 1, in words; UsageError if there is no such row or way."""
    if not 1 <= row <= run.started.rows:
        raise UsageError(f"--row {row}: the rows of {run.started.input} are 1 to {run.started.rows}")
    way = Way(gather(run), row - 1, best_start(run))
    if way.start not in way.found.oracle.keys:
        raise UsageError(
            f"the best start, {way.start + 1}, ended before the last iteration, whose files these are; "
            "repeat the run with --n-init 1"
        )
    try:
        yield from [*_mapped(way), *_partitioned(way), *_shuffled(way), *_reduced(way), *_compiled(way)]
    except (StopIteration, IndexError, OSError):
        raise UsageError(
            f"the files do not show the way of row {row}; python -m master verify says what is wrong"
        ) from None


def _mapped(way: Way) -> Iterator[str]:
    run, done = way.found.run, way.mapped.task
    yield f"row {way.row + 1} of {run.started.input}: {shown(way.point)}"
    yield ""
    yield f"Map, in iteration {run.iteration}, the last one"
    yield f"  The row is in split {done.task}, rows {done.rows.start + 1} to {done.rows.stop}."
    yield f"  {done.worker} has mapped it, in attempt {done.attempt}, by the centroids of that time:"
    yield from _distances(way)
    if run.started.combine:
        yield f"  {done.worker} has combined all its points of this key: their count, then exact sums."
    yield from _record(way, way.mapped.map_output, way.place)


def _distances(way: Way) -> Iterator[str]:
    centroids = way.found.oracle.before[way.start]
    distances = np.sqrt([squared_distances(way.point[None], each)[0] for each in centroids])
    order = np.argsort(distances, kind="stable")
    for index in order[:_SHOWN_CENTROIDS].tolist():
        nearest, at = ", the nearest" if index == order[0] else "", shown(centroids[index], _SHOWN_COLUMNS)
        yield f"    {distances[index]:.6g} to centroid {index} {at}{nearest}"
    if len(order) > _SHOWN_CENTROIDS:
        yield f"    ... and {len(order) - _SHOWN_CENTROIDS} others, farther away"
    moved = [event for event in way.found.run.of_iteration(EmptyCluster) if event.row == way.row + 1]
    if any(number_of(event.start) == way.start for event in moved):
        yield f"  Cluster {way.cluster} was empty; it took this row, the farthest from its centroid."
    of_start = "" if way.key == way.cluster else f" (start {way.start + 1}: {way.start} · K + {way.cluster})"
    yield f"  Its key is {way.key}{of_start}."


def _partitioned(way: Way) -> Iterator[str]:
    reducers = way.found.run.started.reducers
    yield ""
    yield "Partition"
    home = way.partition + 1
    yield f"  {way.key} % {reducers} = {way.partition}: the record is for reducer {home} of {reducers}."
    yield "  The partition file is sorted by key."
    yield from _record(way, way.mapped.partitions[way.partition], way.place_in_partition)


def _shuffled(way: Way) -> Iterator[str]:
    yield ""
    yield "Shuffle"
    done, file = way.mapped.task, way.mapped.partitions[way.partition]
    for entry in way.found.run.entries:
        event = entry.event
        if isinstance(event, RpcResponse) and _is_fetch(way, event):
            took = f"{event.bytes} bytes in {event.duration_ms} ms"
            yield f"  {entry.process} has fetched {file.path.name} from {done.worker}: {took}."
            return


def _is_fetch(way: Way, event: RpcResponse) -> bool:
    done = way.mapped.task
    wanted = ("FetchPartition", SUCCESS, way.found.run.stage, done.task, done.attempt, way.partition + 1)
    return wanted == (
        *(event.method, event.status, event.stage, event.task, event.attempt, event.reduce_task),
    )


def _reduced(way: Way) -> Iterator[str]:
    members, output = way.found.oracle.members[way.key], way.reduced.output
    yield ""
    yield "Reduce"
    parts = counted(len(way.found.maps), "partition")
    yield f"  {way.reduced.task.worker} has merged {parts} by key."
    yield f"  Key {way.key} has {counted(len(members), 'row')} in all:"
    for column, total in enumerate(exact_sums(members)[:_SHOWN_COLUMNS]):
        added = f"{float(way.point[column])!r} and {counted(len(members) - 1, 'other')} add up to {total!r}"
        yield f"    column {column + 1}: {added}; {total!r} / {len(members)} = {total / len(members)!r}"
    yield from _record(way, output, way.place_in_output)


def _compiled(way: Way) -> Iterator[str]:
    path = way.found.run.data_dir.result(CENTROIDS)
    lines = path.read_text("utf-8", errors="replace").splitlines()
    yield ""
    yield "Result"
    yield "  The master has read the outputs of all reducers and put the centroids together."
    yield f"  {path}, line {way.cluster + 1}:"
    yield f"    {shortened(lines[way.cluster], _SHOWN_LINE)}"


def _record(way: Way, file: RecordFile, place: int) -> Iterator[str]:
    """Quote a record; IndexError if it is not of this row's key."""
    if file.records.keys[place] != way.key:
        raise IndexError(place)
    yield f"  {file.place(place)}:"
    yield f"    {shortened(file.text(place), _SHOWN_LINE)}"
