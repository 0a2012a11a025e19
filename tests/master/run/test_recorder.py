"""The master's log: what happens keeps its order, whoever makes the events."""

import threading
from contextlib import closing
from functools import partial
from pathlib import Path

from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import Centroid, InitialCentroids, IterationFinished
from common.events.catalogue.run import Checkpoint
from common.events.dump import Dump
from common.events.line import read_dump
from master.run.recorder import Recorder
from tests.programs import PATIENCE_S
from tests.story import ListView


def test_events_made_later_stand_where_they_happened(tmp_path: Path) -> None:
    before, after = InitialCentroids(iteration=0, k=2), Checkpoint(file="x")
    centroids = [Centroid(iteration=0, key=key, value="1,2") for key in range(2)]
    seen = ListView()
    with closing(Dump(tmp_path / "dump.txt")) as dump, closing(Recorder(dump, seen)) as log:
        log.event(before)
        log.later(lambda: centroids)
        log.event(after)
    entries = read_dump(tmp_path / "dump.txt")
    assert entries == seen.entries
    assert [entry.event for entry in entries] == [before, *centroids, after]
    assert {entry.process for entry in entries} == {"master"}
    assert sorted(entries, key=lambda entry: entry.time) == entries


def test_events_keep_their_order_if_the_thread_that_makes_them_does_not_keep_up() -> None:
    seen, written, makers = ListView(), threading.Event(), []

    def make(iteration: int) -> list[Event]:
        makers.append(threading.current_thread())
        assert makers[-1] is threading.main_thread() or written.wait(PATIENCE_S)
        return [Centroid(iteration=iteration, key=0, value="1")]

    with closing(Recorder(None, seen)) as log:
        for iteration in range(9):
            log.later(partial(make, iteration))
            log.event(IterationFinished(iteration=iteration, shift=0.5))
        written.set()
    expected = [(kind, iteration) for iteration in range(9) for kind in ("centroid", "iteration_finished")]
    assert [(entry.event.name, vars(entry.event)["iteration"]) for entry in seen.entries] == expected
    assert makers.count(threading.main_thread()) >= 9 - 2
