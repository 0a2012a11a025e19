"""The master's log: what happens keeps its order, whoever makes the events."""

import threading
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import Centroid, InitialCentroids, IterationFinished
from common.events.catalogue.run import Checkpoint
from common.events.dump import Dump
from common.events.line import Entry, read_dump
from master.run.recorder import Recorder
from tests.programs import PATIENCE_S


class Seen:
    """A view that keeps what it is shown."""

    def __init__(self) -> None:
        self.events: list[Any] = []

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


def test_events_keep_their_order_if_the_thread_that_makes_them_does_not_keep_up() -> None:
    seen, written, makers = Seen(), threading.Event(), []

    def make(iteration: int) -> list[Event]:
        makers.append(threading.current_thread())
        assert makers[-1] is threading.main_thread() or written.wait(PATIENCE_S)
        return [Centroid(iteration=iteration, key=0, value="1")]

    with closing(Recorder(None, seen)) as log:
        for iteration in range(9):
            log.later(partial(make, iteration))
            log.event(IterationFinished(iteration=iteration, shift=0.5))
        written.set()
    assert [event.iteration for event in seen.events] == [each for each in range(9) for _ in range(2)]
    assert makers.count(threading.main_thread()) >= 9 - 2
