"""What a mapper refuses before it runs, and a map task from its split to its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import InputError, StaleAttemptError
from common.formats.dataset import InputFile, open_input, open_lines, plan_splits
from common.jobs.base import Job, Memory
from common.jobs.centroids import Label
from common.jobs.wordcount import WordCount
from common.kernels.grouping import partition_of
from common.model import Attempt, RecordFormat, Records, Stage, TaskOptions
from common.records import decode
from common.store.names import MAP_OUTPUT, partition_name
from common.store.node import NodeStore
from mapper.task import MapTask, keep_split, run_map_task
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


SUFFIXES = {RecordFormat.TEXT: ".txt", RecordFormat.ARROW: ".arrow"}


def run(job: Job, file: InputFile, folder: Path, partitions: int, options: TaskOptions) -> NodeStore:
    (split,) = plan_splits(file, 1)
    store = NodeStore(folder, 1)
    attempt = Attempt(Stage(1, job.name), 0, 1)
    run_map_task(MapTask(attempt, job, {}, file.input, split, partitions, options), store, {})
    return store


@pytest.mark.parametrize("combine", [False, True])
@pytest.mark.parametrize("kind", RecordFormat)
def test_words_stand_sorted_in_the_partitions_of_their_keys(
    tmp_path: Path, kind: RecordFormat, combine: bool
) -> None:
    path = tmp_path / "text"
    path.write_text('b a "b", 𝄞 \uffff b\n\nb\r\n"b",')
    options = TaskOptions(combine=combine, intermediate=kind)
    run(WordCount(), open_lines(path), tmp_path / "node", 3, options)
    found: dict[str, float] = {}
    for partition in range(3):
        (file,) = (tmp_path / "node").glob(f"**/partition_{partition + 1}{SUFFIXES[kind]}")
        records = Records.concatenate(decode(file.read_bytes(), kind, str))
        keys = records.keys.tolist()
        assert keys == sorted(keys, key=str.encode)
        assert {partition_of(key, 3) for key in keys} <= {partition}
        assert combine <= (len(set(keys)) == len(keys))
        for key, (value,) in zip(keys, records.values.tolist(), strict=True):
            found[key] = found.get(key, 0) + value
    assert found == {"b": 3, "a": 1, '"b",': 2, "𝄞": 1, "\uffff": 1}


def test_the_map_output_alone_is_text_in_the_order_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text('b "b", a\n b\n')
    options = TaskOptions(combine=True, intermediate=RecordFormat.ARROW)
    store = run(WordCount(), open_lines(path), tmp_path / "node", 0, options)
    content = b"".join(store.read(Attempt(Stage(1, "wordcount"), 0, 1), "map_output"))
    assert content == b'b,1\n"""b"",",1\na,1\nb,1\n'


def test_an_open_split_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("1,2\n3,4\n")
    file = open_input(path)
    (split,) = plan_splits(file, 1)
    store = NodeStore(tmp_path / "node", 1)
    memory: Memory = {}
    rows = keep_split(file.input, split, store, memory)
    path.unlink()  # parsed rows need it no more
    assert keep_split(file.input, split, store, memory) is rows
