"""What the jobs over tables find, however the rows are divided."""

import math

import numpy as np
import pytest

from common.jobs.base import Job
from common.jobs.encoding import Column, Encoding, Sample, texts_from_array, texts_to_array
from common.jobs.logistic import Gradient, LocalFit
from common.jobs.models import Score
from common.jobs.tables import NumberRanges, NumberSums, SquaredDeviations, Vocabulary
from common.kernels.exact import round_once
from common.kernels.logistic.objective import Objective
from common.model import Table
from tests.common.jobs.table_cases import (
    ENCODING,
    JOBS_OF_TABLES,
    SAMPLED,
    SEED,
    SHARE,
    SQUARES,
    STATE,
    SUMS,
    TABLE,
    divided,
)

POINTS = TABLE.points
TEST = Sample(SEED, SHARE).test_rows(0, len(TABLE))
NUMBERS = POINTS[~TEST][:, [0, 2]]


@pytest.mark.parametrize("job", JOBS_OF_TABLES, ids=lambda job: job.name)
def test_the_division_of_the_rows_makes_no_difference(job: Job) -> None:
    if job.alone:
        return
    whole = divided(job, [])
    for bounds in ([1], [17, 40], [0, 3, 3, 59], list(range(60))):
        assert divided(job, bounds) == whole


@pytest.mark.parametrize("job", JOBS_OF_TABLES, ids=lambda job: job.name)
def test_results_have_the_shape_that_the_job_announces(job: Job) -> None:
    found = divided(job, [20])
    if (shape := job.result_shape(STATE, 4)) is not None:
        assert {len(values[0]) for values in found.values()} == {shape[1]}
        assert len(found) <= shape[0]


def test_test_rows_are_drawn_by_their_number() -> None:
    parts = [Sample(SEED, SHARE).test_rows(start, 1)[0] for start in range(60)]
    assert parts == TEST.tolist()
    assert 5 <= TEST.sum() <= 25
    assert not Sample(SEED, 0.0).test_rows(0, 60).any()


def test_vocabulary() -> None:
    texts = {1: ("b", "a", "?", "c"), 3: ("yes", "no")}
    expected = {
        f"{column}={text}": [
            [
                float((POINTS[~TEST, column] == i).sum()),
                float((POINTS[TEST, column] == i).sum()),
                float(np.flatnonzero(POINTS[:, column] == i)[0]),
            ]
        ]
        for column, known in texts.items()
        for i, text in enumerate(known)
    }
    assert divided(Vocabulary(*SAMPLED), [30]) == expected


def test_a_text_that_no_row_has_does_not_occur() -> None:
    rows = Table(POINTS, {1: ("b", "a", "?", "c", "nobody"), 3: ("yes", "no")})
    assert "1=nobody" not in divided(Vocabulary(*SAMPLED), [], rows)


def test_rows_that_lack_something_are_skipped() -> None:
    rows = Table(POINTS, {1: ("b", "a", "", "c"), 3: ("yes", "no")})
    complete = ~np.isnan(POINTS[:, 0]) & (POINTS[:, 1] != 2)
    found = divided(Vocabulary(SEED, 0.0, 1), [25], rows)
    assert found["3=yes"][0][0] == (POINTS[complete, 3] == 0).sum()
    assert "1=" not in found


def test_ranges_sums_and_deviations() -> None:
    ranges = divided(NumberRanges(*SAMPLED), [9])
    known = [NUMBERS[~np.isnan(NUMBERS[:, i]), i] for i in range(2)]
    for i, column in enumerate(known):
        assert ranges[i] == [[len(column), column.min(), column.max(), abs(column).min()]]
    ((sums,),) = divided(NumberSums(*SAMPLED, SUMS), [9, 31]).values()
    assert round_once(np.reshape(sums, (SUMS.limbs, 2))).tolist() == [math.fsum(x) for x in known]
    ((squares,),) = divided(SquaredDeviations(*SAMPLED, SQUARES), [9, 31]).values()
    found = round_once(np.reshape(squares, (SQUARES.limbs, 2)))
    expected = [math.fsum((x - mean) ** 2) for x, mean in zip(known, STATE["means"], strict=True)]
    assert found == pytest.approx(expected, rel=1e-10)


def test_a_model_of_a_part_is_that_of_its_rows() -> None:
    """Its gradient by the job over the same rows is the one that it reports."""
    job = next(job for job in JOBS_OF_TABLES if isinstance(job, LocalFit))
    found = divided(job, [30])
    assert list(found) == ["0", "30"]
    for start, rows in (("0", TABLE[:30]), ("30", TABLE[30:])):
        ((count, _iterations, converged, gradient, *theta, _s, _cpu_s, _mb),) = found[start]
        state = {**STATE, "theta": np.reshape(theta, (1, 2, 6))}
        sample = (SEED, 0.0, 0)
        drawn = Table(rows.points[~TEST[int(start) :][:30]], rows.texts)
        assert (count, converged) == (len(drawn), 1.0)
        limbs = divided(Gradient(*sample), [], drawn, state)
        weights = np.where(drawn.points[:, 3] == 0, 1.5, 1.0)
        from common.kernels.logistic.design import Grid

        objective = Objective(
            Grid.from_array(STATE["grid"]), math.fsum(weights), 1.0 / len(drawn), STATE["penalties"]
        )
        sums = np.array([limbs[k][0] for k in range(2)]).reshape(2, 2, -1)
        assert float(abs(objective.value(sums, state["theta"][0])[1]).max()) == gradient <= 1e-8


def test_scores_count_the_rows_of_the_sample() -> None:
    for test in (0, 1):
        found = divided(Score(*SAMPLED, test), [13])
        counts = np.array([found[k][0][:2] for k in range(2)])
        rows = TEST if test else ~TEST
        assert counts.sum(axis=1).tolist() == [(POINTS[rows, 3] == 1).sum(), (POINTS[rows, 3] == 0).sum()]


def test_encodings_go_over_the_wire() -> None:
    assert Encoding.from_array(ENCODING.to_array()) == ENCODING
    without = Encoding((1,), (Column(0, ("é", "")),))
    assert Encoding.from_array(without.to_array()) == without
    assert texts_from_array(texts_to_array(["", "é", "\n"])) == ["", "é", "\n"]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"numbers": [-1], "categories": [], "target": null}',
        b'{"numbers": [true], "categories": [], "target": null}',
        b'{"numbers": [0], "categories": [{"position": 1}], "target": null}',
        b'{"numbers": [0], "categories": [{"position": 1, "texts": [1]}], "target": null}',
        b'{"numbers": [0], "categories": [], "target": 3}',
        b'{"numbers": [0], "categories": [], "target": 0}',
        b'{"numbers": [0], "categories": [], "target": {}}',
        b'{"numbers": [0], "categories": [[]], "target": null}',
        b'{"numbers": [0], "categories": [{"position": 1, "texts": ["\\ud800"]}], "target": null}',
        b"[" * 100_000,
    ],
)
def test_other_bytes_are_no_encoding(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Encoding.from_array(np.frombuffer(content, np.uint8))
    with pytest.raises(ValueError, match=r"."):
        texts_from_array(np.frombuffer(content.replace(b"[]", b'["\\ud800"]'), np.uint8))
