"""The laws of map, combine and reduce, for every job, their names, and their parameters as arrays."""

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import DataObject, booleans, data, integers, lists

from common.jobs import JOBS
from common.jobs.apply import map_rows
from common.jobs.base import Job, job_from, parameters_of
from common.jobs.rows import FirstDistinctRows, TakeRows
from common.model import Block, Records
from tests.common.jobs.cases import CASES, MEASURES, SCORES, Case, at_once, grouped, in_pieces
from tests.common.jobs.table_cases import JOBS_OF_TABLES
from tests.common.jobs.weighted_cases import WEIGHTED_CASES, WEIGHTED_SCORES
from tests.programs import PATIENCE_S, ROOT, environment

WITH_RESULTS = CASES | WEIGHTED_CASES
ALL = WITH_RESULTS | SCORES | WEIGHTED_SCORES
every_job = pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())


@pytest.mark.parametrize("case", WITH_RESULTS.values(), ids=WITH_RESULTS.keys())
@given(data=data())
@settings(max_examples=50)
def test_result(case: Case, data: DataObject) -> None:
    rows = data.draw(case.rows)
    assert at_once(case.make(rows), case.state_of(rows), rows) == case.find(rows)


@every_job
@given(data=data(), bounds=lists(integers(0, 30), max_size=4), block_rows=integers(1, 8), combine=booleans())
@settings(max_examples=50)
def test_blocks_and_combine_make_no_difference(
    case: Case, data: DataObject, bounds: list[int], block_rows: int, combine: bool
) -> None:
    rows = data.draw(case.rows)
    job, state = case.make(rows), case.state_of(rows)
    assert in_pieces(job, state, rows, bounds, block_rows, combine) == at_once(job, state, rows)


@every_job
@given(data=data())
@settings(max_examples=30)
def test_combining_twice_is_combining_once(case: Case, data: DataObject) -> None:
    rows = data.draw(case.rows)
    job = case.make(rows)
    once = job.combine(job.map(Block(rows, 0), case.state_of(rows)))
    twice = job.combine(once)
    assert (twice.keys.tolist(), twice.values.tolist()) == (once.keys.tolist(), once.values.tolist())


@every_job
def test_an_empty_block_gives_nothing(case: Case) -> None:
    job, state = case.make(case.few), case.state_of(case.few)
    nothing = job.map(Block(case.few[:0], 1), state)
    assert len(nothing) == 0
    assert len(job.combine(nothing)) == 0
    assert len(map_rows(job, state, case.few[:0], 1, combine=True)) == 0
    something = job.map(Block(case.few, 0), state)
    expected = grouped(job, something)
    assert grouped(job, nothing, something, nothing) == expected
    assert grouped(job, Records.concatenate([nothing, something, nothing])) == expected


LOAD_OF_ALL = """
import sys
import numpy as np
from tests.common.jobs.test_base import ALL, in_pieces

del ALL["draw"]  # compiled code loads them itself
for case in ALL.values():
    rows = case.few * 2 if isinstance(case.few, list) else np.tile(case.few, (2, 1))
    in_pieces(case.make(rows), case.state_of(rows), rows, [2], 4, combine=True)
print("numpy.ma" in sys.modules)
"""


def test_no_job_makes_a_worker_load_masked_arrays() -> None:
    """NumPy loads them where its functions of sets first need them: as long as an iteration of few rows."""
    command = [sys.executable, "-c", LOAD_OF_ALL]
    assert subprocess.check_output(command, cwd=ROOT, env=environment(), timeout=PATIENCE_S) == b"False\n"


@every_job
def test_keys_are_of_the_type_that_the_job_declares(case: Case) -> None:
    job, state = case.make(case.few), case.state_of(case.few)
    for rows in (case.few, case.few[:0]):
        records = map_rows(job, state, rows, 0, combine=False)
        assert (records.keys.dtype == object) == (job.key_type is str)
        assert {type(key) for key in records.keys.tolist()} <= {job.key_type}


def test_every_job_has_its_own_name_and_is_tested_here() -> None:
    of_rows = {case.make(case.few).name for case in (*ALL.values(), *MEASURES.values())}
    assert of_rows | {job.name for job in JOBS_OF_TABLES} == set(JOBS)
    assert len({job.name for job in JOBS.values()}) == len(JOBS) == 38


def define(name: str) -> None:
    """Define a job of that name."""
    type("Other", (TakeRows,), {"name": name})


def test_a_second_job_of_the_same_name_is_refused() -> None:
    with pytest.raises(TypeError, match="two jobs are called 'take'"):
        define("take")
    assert JOBS["take"] is TakeRows


def test_a_base_of_jobs_needs_no_name() -> None:
    before = dict(JOBS)
    type("Base", (Job,), {})
    assert before == JOBS


def test_a_job_may_be_defined_anew() -> None:
    """As a decorator does that makes a class of a class."""
    try:

        @dataclass(frozen=True, slots=True)
        class Again(TakeRows):
            name: ClassVar[str] = "again"

        assert JOBS["again"] is Again
    finally:
        JOBS.pop("again")


@every_job
def test_a_job_survives_the_wire(case: Case) -> None:
    job = case.make(case.few)
    assert JOBS[job.name] is type(job)
    assert job_from(JOBS[job.name], parameters_of(job)) == job


@pytest.mark.parametrize("limit", [np.array([1.0]), np.array([1, 2]), np.array(1), np.array([], np.int64)])
def test_a_parameter_of_another_type_is_refused(limit: np.ndarray) -> None:
    with pytest.raises(ValueError, match="where one <class 'int'> is expected"):
        job_from(FirstDistinctRows, {"limit": limit})


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(KeyError, match="limit"):
        job_from(FirstDistinctRows, {})
