"""Jobs with models of many classes, and what a mapper refuses of one that a master does not make."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from common.errors import BadRequestError
from common.jobs.base import Job
from common.jobs.encoding import Column, Encoding, texts_to_array
from common.jobs.logistic import Curvature, Gradient, LocalFit, packed, unpacked
from common.jobs.models import Classify, Score
from common.jobs.tables import NumberRanges, NumberSums, SquaredDeviations, Vocabulary
from common.kernels.exact import SumGrid
from common.model import Block, State, Table
from tests.common.jobs.table_cases import ENCODING, JOBS_OF_TABLES, SAMPLED, SQUARES, STATE, TABLE

CLASSES, ROWS = 200, 50_000
TEXTS = tuple(map(str, range(CLASSES)))


def many_classes() -> tuple[Table, State]:
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.normal(size=ROWS), rng.integers(CLASSES, size=ROWS)])
    encoding = Encoding((0,), (), Column(1, TEXTS))
    state: State = {
        "encoding": encoding.to_array(),
        "means": np.zeros(1),
        "scales": np.ones(1),
        "class_weights": np.ones(CLASSES),
        "theta": rng.normal(size=(1, CLASSES, 2)),
        "classes": texts_to_array(TEXTS),
    }
    return Table(points, {1: TEXTS}), state


@pytest.mark.parametrize("job", [Score(0, 0.0, 0, 0), Classify(0, 0.0, 0, 0)], ids=lambda job: job.name)
def test_rows_times_classes_are_never_held_at_once(job: Job) -> None:
    """They would be 80 MB."""
    table, state = many_classes()
    job.map(Block(table[:9], 0), state)  # compiles the code
    tracemalloc.start()
    found = (
        job.combine(job.map(Block(table, 0), state)) if job.aggregates else job.map(Block(table, 0), state)
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 << 20
    pieces = [job.map(Block(table[start : start + 9999], start), state) for start in range(0, ROWS, 9999)]
    if job.aggregates:
        total = np.sum([piece.values for piece in pieces], axis=0)
        assert found.values[:, :-2].tolist() == total[:, :-2].tolist()
    else:
        assert found.keys.tolist() == [key for piece in pieces for key in piece.keys.tolist()]


@pytest.mark.parametrize("job", JOBS_OF_TABLES, ids=lambda job: job.name)
def test_what_a_master_makes_passes(job: Job) -> None:
    job.check(STATE, 4)


def grid(*exponents: int) -> np.ndarray:
    return np.array(exponents)


ENCODINGS = [
    Encoding((9, 2), ENCODING.categories, ENCODING.target),
    Encoding((0, 0), ENCODING.categories, ENCODING.target),
    Encoding((0, 2), ENCODING.categories, Column(3, ("no", "yes", "other"))),
    Encoding((0, 2), (Column(1, ("a", "b")),), ENCODING.target),
]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("means", np.zeros(3)),
        ("means", np.zeros(2, np.float32)),
        ("scales", np.zeros((2, 1))),
        ("scales", np.array([1.0, 0.0])),
        ("scales", np.array([1.0, 1e-300])),
        ("theta", np.zeros(6)),
        ("theta", np.zeros((1, 2, 5))),
        ("theta", np.zeros((1, 3, 6))),
        ("theta", np.zeros((0, 2, 6))),
        ("theta", np.zeros((1, 2, 6), np.int64)),
        ("class_weights", np.zeros(3)),
        ("class_weights", np.array([1.0, -1.0])),
        *(("encoding", encoding.to_array()) for encoding in ENCODINGS),
        ("encoding", np.frombuffer(b"[" * 100_000, np.uint8)),
    ],
)
def test_states_that_do_not_fit_are_refused(name: str, array: np.ndarray) -> None:
    for job in (Gradient(*SAMPLED), Score(*SAMPLED, 0), Classify(0, 0.0, 0, 0)):
        with pytest.raises(ValueError, match=r"."):
            job.check({**STATE, name: array}, 4)


def of_many_classes(classes: int) -> State:
    texts = tuple(map(str, range(classes)))
    return {
        **STATE,
        "encoding": replace(ENCODING, target=Column(3, texts)).to_array(),
        "class_weights": np.ones(classes),
        "theta": np.zeros((1, classes, 6)),
        "classes": texts_to_array(texts),
    }


@pytest.mark.parametrize("classes", [0, 1, 501])
def test_a_model_has_two_classes_and_not_too_many_parameters(classes: int) -> None:
    Score(*SAMPLED, 0).check(of_many_classes(500), 4)
    with pytest.raises(ValueError, match=rf"shape \(1, {classes}, 6\)"):
        Score(*SAMPLED, 0).check(of_many_classes(classes), 4)


@pytest.mark.parametrize(
    ("job", "changes"),
    [
        (Vocabulary(0, math.nan, 0), {}),
        (NumberSums(*SAMPLED, SumGrid.covering([1.0] * 3, [1.0] * 3, 9)), {}),
        (SquaredDeviations(*SAMPLED, SQUARES), {"means": np.zeros(3)}),
        (Gradient(*SAMPLED), {"grid": grid(1, 2)}),
        (Gradient(*SAMPLED), {"grid": grid()}),
        (Gradient(*SAMPLED), {"grid": grid(1, 1, 2**62)}),
        (Gradient(*SAMPLED), {"grid": grid(2**62, -(2**62), 1)}),
        (Gradient(*SAMPLED), {"grid": grid(1, 600, 600)}),
        (Gradient(*SAMPLED), {"grid": grid(0, 4, 4)}),
        (Gradient(*SAMPLED), {"grid": np.zeros(3)}),
        (Gradient(*SAMPLED), {"grid": np.zeros((1, 3), np.int32)}),
        (Curvature(*SAMPLED, 0), {}),
        (Score(*SAMPLED, 2), {}),
        (Score(*SAMPLED, 0), {"theta": np.zeros((2**22, 2, 6))}),
        (Classify(0, 0.0, 0, 2), {}),
        (Classify(0, 0.0, 0, 0), {"classes": texts_to_array(["no"])}),
        (LocalFit(*SAMPLED, math.nan, 1, 1e-8, 20), {}),
        (LocalFit(*SAMPLED, -1.0, 1, 1e-8, 20), {}),
        (LocalFit(*SAMPLED, 1.0, 2, 1e-8, 20), {}),
        (LocalFit(*SAMPLED, 1.0, 1, math.inf, 20), {}),
        (LocalFit(*SAMPLED, 1.0, 1, 1e-8, 2**62), {}),
        (LocalFit(*SAMPLED, 1.0, 1, 1e-8, 0), {}),
        (LocalFit(*SAMPLED, 1.0, 1, 1e-8, 20), {"penalties": np.ones(5)}),
        (LocalFit(*SAMPLED, 1.0, 1, 1e-8, 20), {"penalties": -np.ones(6)}),
    ],
)
def test_crafted_jobs_are_refused(job: Job, changes: State) -> None:
    with pytest.raises(ValueError, match=r"."):
        job.check({**STATE, **changes}, 4)


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (NumberRanges(*SAMPLED), "encoding"),
        (Gradient(*SAMPLED), "theta"),
        (Curvature(*SAMPLED, 1), "grid"),
        (LocalFit(*SAMPLED, 1.0, 1, 1e-8, 20), "penalties"),
        (Classify(0, 0.0, 0, 0), "classes"),
    ],
)
def test_a_state_that_lacks_something_is_refused(job: Job, name: str) -> None:
    with pytest.raises(LookupError, match=name):
        job.check({other: array for other, array in STATE.items() if other != name}, 4)


def test_a_column_without_texts_is_no_category() -> None:
    with pytest.raises(BadRequestError, match="column 1 of the rows holds no texts"):
        Gradient(*SAMPLED).map(Block(Table(TABLE.points, {3: ("yes", "no")}), 0), STATE)


@pytest.mark.parametrize(("classes", "parameters", "keys"), [(2, 1, 2), (3, 5, 16), (60, 2, 1012)])
def test_second_derivatives_are_packed_in_few_keys(classes: int, parameters: int, keys: int) -> None:
    rng = np.random.default_rng(0)
    limbs = rng.normal(size=(classes * (classes - 1) // 2, parameters, 2, parameters))
    rows = packed(limbs, weight := np.array([[3.0], [7.0]]))
    sums, again = unpacked(rows, classes, parameters)
    assert (len(rows), again.tolist()) == (keys, weight.tolist())
    assert sums.tolist() == limbs.tolist()
