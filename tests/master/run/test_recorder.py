"""The master's log: what happens keeps its order, whoever makes the events."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import Centroid, InitialCentroids
from common.events.catalogue.run import Checkpoint
from common.events.dump import Dump
from common.events.line import Entry, read_dump
from master.run.recorder import Recorder


class Seen:
    """A view that keeps what it is shown."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def show(self, entries: Sequence[Entry]) -> None:
        self.events += [entry.event for entry in entries]

    def close(self) -> None:
        """Keep all."""


def test_events_made_later_stand_where_they_happened(tmp_path: Path) -> None:
    before, after = InitialCentroids(iteration=0, k=2), Checkpoint(file="x")
    centroids = [Centroid(iteration=0, key=key, value="1,2") for key in range(2)]
    seen = Seen()

    with closing(Dump(tmp_path / "dump.txt")) as dump, closing(Recorder(dump, seen)) as log:
        log.event(before)
        log.later(lambda: centroids)
        log.event(after)
    entries = read_dump(tmp_path / "dump.txt")
    assert [entry.event for entry in entries] == seen.events == [before, *centroids, after]
    assert {entry.process for entry in entries} == {"master"}
    assert sorted(entries, key=lambda entry: entry.time) == entries
