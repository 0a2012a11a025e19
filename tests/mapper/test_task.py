"""A map task from its split to its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import InputError, StaleAttemptError
from common.formats.dataset import open_input, plan_splits
from common.jobs.centroids import Label
from common.model import Attempt, RecordFormat, Records, Stage, TaskOptions
from common.records import decode
from common.store.names import MAP_OUTPUT, partition_name
from common.store.node import NodeStore
from mapper.task import MapTask, run_map_task
from tests.programs import SAMPLE

CENTROIDS = np.array([[0.0, 8.0], [9.0, 1.0]])


@pytest.fixture
def store(tmp_path: Path) -> NodeStore:
    return NodeStore(tmp_path / "M1", 1)


def task(partitions: int, path: Path = SAMPLE, number: int = 1, **options: Any) -> MapTask:
    file = open_input(str(path))
    return MapTask(
        attempt=Attempt(Stage(1, "label"), 0, number),
        job=Label(),
        state={"centroids": CENTROIDS},
        source=file.input,
        split=plan_splits(file, 1)[0],
        partitions=partitions,
        options=TaskOptions(**options),
    )


def read(store: NodeStore, name: str, kind: RecordFormat, number: int = 1) -> Records:
    attempt = Attempt(Stage(1, "label"), 0, number)
    return Records.concatenate(decode(b"".join(store.read(attempt, name)), kind))


@pytest.mark.parametrize("kind", RecordFormat)
def test_partitions_hold_the_map_output_by_key(store: NodeStore, kind: RecordFormat) -> None:
    result = run_map_task(task(2, intermediate=kind), store, {})
    assert (result.map_output.records, sum(file.records for file in result.partitions)) == (31, 31)
    for index, file in enumerate(result.partitions):
        records = read(store, partition_name(index), kind)
        assert set(records.keys.tolist()) == {index}
        assert len(records) == file.records


def test_without_partitions_the_map_output_is_text_whatever_is_asked_for(store: NodeStore) -> None:
    result = run_map_task(task(0, intermediate=RecordFormat.ARROW, combine=True), store, {})
    assert result.partitions == []
    assert len(read(store, MAP_OUTPUT, RecordFormat.TEXT)) == 31


def test_rows_are_parsed_once(store: NodeStore, tmp_path: Path) -> None:
    path, memory = tmp_path / "points.txt", dict[str, Any]()
    path.write_bytes(SAMPLE.read_bytes())
    first = task(1, path)
    run_map_task(first, store, memory)
    path.unlink()
    again = MapTask(**{**vars(first), "attempt": Attempt(Stage(1, "label"), 0, 2)})
    assert run_map_task(again, store, memory).map_output.records == 31
    assert run_map_task(again, store, {}).map_output.records == 31


def test_a_bad_line_names_its_place(store: NodeStore, tmp_path: Path) -> None:
    path = tmp_path / "points.txt"
    path.write_text("1,2\n3,x\n")
    with pytest.raises(InputError, match=r"line 2, column 2"):
        run_map_task(task(1, path), store, {})


def test_an_older_attempt_commits_nothing(store: NodeStore) -> None:
    run_map_task(task(1, number=2), store, {})
    with pytest.raises(StaleAttemptError):
        run_map_task(task(1, number=1), store, {})
