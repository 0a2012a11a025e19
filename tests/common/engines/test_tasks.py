"""The tasks of Spark's and Dask's workers give what a job gives at once, in whatever order pieces come."""

import random
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import DataObject, booleans, data, integers, lists

from common.engines import tasks
from common.engines.rows import FilePart, forget, held
from common.engines.tasks import (
    MeteredTask,
    OpenedPart,
    Order,
    label_part,
    map_part,
    map_runs,
    reduce_pieces,
    reduce_runs,
)
from common.errors import InputError
from common.formats.dataset import open_input, open_lines, plan_splits
from common.jobs.base import Job
from common.jobs.rows import Describe
from common.jobs.wordcount import WordCount
from common.model import FloatArray, Key, State, TaskOptions
from tests.common.jobs.cases import Case, Result, at_once, every_job, grouped


def order_of(job: Job, state: State, starts: tuple[int, ...], combine: bool) -> Order:
    return Order("run", job, state, TaskOptions(combine=combine), starts)


def parts_of(rows: Any, bounds: list[int]) -> tuple[tuple[int, ...], list[Any]]:
    """Cut rows at the bounds; return the first row of each part, and the parts as a task opens them."""
    cuts = [0, *sorted(min(bound, len(rows)) for bound in bounds), len(rows)]
    return tuple(cuts[:-1]), [nullcontext((rows[start:stop], {})) for start, stop in pairwise(cuts)]


@every_job
@settings(max_examples=30)
@given(data=data(), bounds=lists(integers(0, 25), max_size=3), combine=booleans(), seed=integers())
def test_map_and_reduce_in_parts(
    case: Case, data: DataObject, bounds: list[int], combine: bool, seed: int
) -> None:
    rows = data.draw(case.rows)
    job, state = case.make(rows), case.state_of(rows)
    starts, parts = parts_of(rows, bounds)
    order = order_of(job, state, starts, combine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_PIECE_NUMBERS", 4)
        emitted = [pair for part, opened in enumerate(parts) for pair in map_part(order, part, opened)]
    random.Random(seed).shuffle(emitted)
    assert {piece.values.dtype for _, piece in emitted} <= {np.dtype(np.float64)}
    found = {key: values.tolist() for key, values in reduce_pieces(job, emitted)}
    assert found == at_once(job, state, rows)


@every_job
@settings(max_examples=30)
@given(data=data(), bounds=lists(integers(0, 25), max_size=3), combine=booleans(), reducers=integers(1, 3))
def test_map_and_reduce_in_runs(
    case: Case, data: DataObject, bounds: list[int], combine: bool, reducers: int
) -> None:
    rows = data.draw(case.rows)
    job, state = case.make(rows), case.state_of(rows)
    starts, parts = parts_of(rows, bounds)
    order = order_of(job, state, starts, combine)
    runs = [list(map_runs(order, part, opened, reducers)) for part, opened in enumerate(parts)]
    assert {run.values.dtype for row in runs for run in row} == {np.dtype(np.float64)}
    found: Result = {}
    for partition in zip(*runs, strict=True):
        found |= grouped(job, *partition)
    assert found == at_once(job, state, rows)


class Refusing(WordCount):
    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        raise InputError(f"{key}: refused")


@pytest.mark.parametrize("reduced", [reduce_runs, reduce_pieces])
def test_what_reduce_refuses_is_reported(reduced: Any) -> None:
    order = order_of(WordCount(), {}, (0,), combine=True)
    part: OpenedPart = nullcontext((["b"], {}))
    emitted: Any = map_runs(order, 0, part, 1) if reduced is reduce_runs else map_part(order, 0, part)
    task = MeteredTask("Reduce", 0)
    assert list(task.run(reduced(Refusing(), list(emitted)))) == []
    assert task.report("here").refusal == "b: refused"


def test_labels_are_text_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_LABELLED_ROWS", 2)
    order = order_of(WordCount(), {}, (0, 3), combine=True)
    lines = ["b a", "b", '","']
    assert list(label_part(order, 1, nullcontext((lines, {})))) == [b"b,1\na,1\nb,1\n", b'""",""",1\n']


def test_a_part_is_mapped_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("1\n2\n2\n")
    for file, job, expected in (
        (open_lines(path), WordCount(), {"1": [[1.0]], "2": [[2.0]]}),
        (open_input(path), Describe(), {0: [[1.0, 2.0, 1.0]]}),
    ):
        splits = plan_splits(file, 2)
        order = order_of(job, {}, tuple(split.row_start for split in splits), combine=False)
        parts = [FilePart(file.input, split) for split in splits]
        opened = [held("run", part, tmp_path) for part in parts]
        emitted = [pair for i in range(2) for pair in map_part(order, i, opened[i])]
        assert {key: values.tolist() for key, values in reduce_pieces(job, emitted)} == expected
    forget("run")
