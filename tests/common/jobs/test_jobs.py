"""Each job against a few plain lines, and against itself with the input cut into other blocks."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy, booleans, builds, floats, integers, lists

from common.jobs import JOBS, apply
from common.jobs.apply import map_keys, map_rows, reduce_runs
from common.jobs.base import Job
from common.jobs.centroids import FarthestRows, Label, LloydStep, SampleRows, Score
from common.jobs.rows import Describe, FirstDistinctRows, TakeRows
from common.kernels.exact import LARGEST_MAGNITUDE, SumGrid
from common.kernels.grouping import groups, sort_by_key
from common.kernels.nearest.distance import nearest
from common.model import Block, FloatArray, Records, State
from master.algorithms.kmeans.score import Ranges

Rows = list[list[float]]
Result = dict[int, Rows]

CENTROIDS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, -2.0], [5e5, -5e5], [1e9, 1e9], [-9e9, 0.0]])
SEED, ROUND, OVERSAMPLING = 2**62 + 1, 3, 2.5

COORDINATE = (
    integers(-3, 3).map(float) | floats(-1e6, 1e6) | integers(-9, 9).map(lambda i: 1e9 + i * 2.0**-20)
)


def matrices(coordinate: SearchStrategy[float]) -> SearchStrategy[FloatArray]:
    """One to thirty rows of two columns; some rows come twice."""

    def matrix(rows: Rows, repeated: int) -> FloatArray:
        return np.array(rows + rows[:repeated])

    rows = lists(lists(coordinate, min_size=2, max_size=2), min_size=1, max_size=25)
    return builds(matrix, rows, integers(0, 5))


POINTS = matrices(COORDINATE)


def ranges_of(points: FloatArray) -> Ranges:
    smallest = [min((abs(x) for x in column if x), default=0.0) for column in points.T.tolist()]
    return Ranges(len(points), tuple(points.min(axis=0)), tuple(points.max(axis=0)), tuple(smallest))


def grouped(job: Job, *parts: Records) -> Result:
    """Reduce the map's records, as an engine does."""
    reduced = reduce_runs(job, [sort_by_key(part) for part in parts])
    return {key: values.tolist() for key, values in groups(reduced)}


def at_once(job: Job, state: State, points: FloatArray) -> Result:
    """Run a job on one block, without combine."""
    return grouped(job, job.map(Block(points, 0), state))


def in_pieces(
    job: Job, state: State, points: FloatArray, bounds: list[int], block_rows: int, combine: bool
) -> Result:
    """Run a job on splits with the given bounds, each mapped in blocks, and reduce the last one first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_BLOCK_NUMBERS", block_rows * points.shape[1])
        inner = sorted(min(bound, len(points)) for bound in bounds)
        parts = [
            map_rows(job, state, points[start:stop], start, combine=combine)
            for start, stop in pairwise([0, *inner, len(points)])
        ]
    return grouped(job, *reversed(parts))


# Jobs, and what they must find


def with_centroids(points: FloatArray) -> State:
    _, squared = nearest(points, CENTROIDS)
    return {"centroids": CENTROIDS, "cost": np.array([math.fsum(squared.tolist())])}


def with_moves(points: FloatArray) -> State:
    """Move the first row and, if there is another, the last one."""
    rows = sorted({0, len(points) - 1})
    keys = np.array([5, 1], np.int32)[: len(rows)]
    return {"centroids": CENTROIDS, "moved_rows": np.array(rows), "moved_keys": keys}


def with_rows(points: FloatArray) -> State:
    n = len(points)
    return {"rows": np.array([n - 1, 0, n // 2, 0])}


def lloyd(points: FloatArray) -> Job:
    return LloydStep(ranges_of(points).column_grid())


def score(points: FloatArray) -> Job:
    return Score(ranges_of(points).distance_grid(CENTROIDS))


def labels_and_squared(points: FloatArray) -> tuple[list[int], list[float]]:
    labels, squared = nearest(points, CENTROIDS)
    return labels.tolist(), squared.tolist()


def members(labels: list[int]) -> dict[int, list[int]]:
    return {key: [i for i, label in enumerate(labels) if label == key] for key in sorted(set(labels))}


def find_ranges(points: FloatArray) -> Result:
    columns = enumerate(points.T.tolist())
    return {i: [[min(c), max(c), min((abs(x) for x in c if x), default=math.inf)]] for i, c in columns}


def find_first_distinct(points: FloatArray) -> Result:
    rows = points.tolist()
    first = [i for i, row in enumerate(rows) if row not in rows[:i]]
    return {0: [[i, *rows[i]] for i in first[:3]]}


def find_rows(points: FloatArray) -> Result:
    return {i: [points[row].tolist()] for i, row in enumerate(with_rows(points)["rows"].tolist())}


def means(points: FloatArray, labels: list[int]) -> Result:
    def mean(rows: list[int]) -> list[float]:
        return [math.fsum(column) / len(rows) for column in points[rows].T.tolist()]

    return {key: [mean(rows)] for key, rows in members(labels).items()}


def find_means(points: FloatArray) -> Result:
    return means(points, labels_and_squared(points)[0])


def find_means_after_moves(points: FloatArray) -> Result:
    labels, _ = labels_and_squared(points)
    state = with_moves(points)
    for row, key in zip(state["moved_rows"].tolist(), state["moved_keys"].tolist(), strict=True):
        labels[row] = key
    return means(points, labels)


def find_farthest(points: FloatArray) -> Result:
    _, squared = labels_and_squared(points)
    order = sorted(range(len(points)), key=lambda i: (-squared[i], i))[:4]
    return {0: [[squared[i], i, *points[i].tolist()] for i in order]}


def find_sample(points: FloatArray) -> Result:
    _, squared = labels_and_squared(points)
    draws = np.random.Generator(np.random.Philox(key=[SEED, ROUND])).random(len(points)).tolist()
    cost = math.fsum(squared)
    drawn = [i for i, draw in enumerate(draws) if draw * cost < OVERSAMPLING * squared[i]]
    return {0: [[i, *points[i].tolist()] for i in drawn]} if drawn else {}


def find_labels(points: FloatArray) -> Result:
    return {key: [[]] * len(rows) for key, rows in members(labels_and_squared(points)[0]).items()}


Make = Callable[[FloatArray], Job]
Case = tuple[Make, Callable[[FloatArray], State], Callable[[FloatArray], Result]]
CASES: dict[str, Case] = {
    "describe": (lambda _: Describe(), lambda _: {}, find_ranges),
    "distinct": (lambda _: FirstDistinctRows(3), lambda _: {}, find_first_distinct),
    "take": (lambda _: TakeRows(), with_rows, find_rows),
    "lloyd": (lloyd, with_centroids, find_means),
    "lloyd, moved": (lloyd, with_moves, find_means_after_moves),
    "farthest": (lambda _: FarthestRows(4), with_centroids, find_farthest),
    "sample": (lambda _: SampleRows(SEED, ROUND, OVERSAMPLING), with_centroids, find_sample),
    "label": (lambda _: Label(), with_centroids, find_labels),
}
SCORE: Case = (score, with_centroids, lambda _: {})
every_job = pytest.mark.parametrize(
    ("make", "state_of"), [case[:2] for case in (*CASES.values(), SCORE)], ids=[*CASES, "score"]
)


@pytest.mark.parametrize(("make", "state_of", "find"), CASES.values(), ids=CASES.keys())
@given(points=POINTS)
@settings(max_examples=50)
def test_result(
    make: Make,
    state_of: Callable[[FloatArray], State],
    find: Callable[[FloatArray], Result],
    points: FloatArray,
) -> None:
    assert at_once(make(points), state_of(points), points) == find(points)


@pytest.mark.parametrize("rows", [63, 64, 65, 1000])
@pytest.mark.parametrize("columns", [1, 3])
def test_ranges_of_many_rows(rows: int, columns: int) -> None:
    """They are found for many rows at a time."""
    drawn = np.random.default_rng(rows).normal(size=(rows, columns)).round(1)
    assert 0 in drawn or rows < 1000
    points = drawn + np.arange(columns)
    assert at_once(Describe(), {}, points) == find_ranges(points)
    assert at_once(Describe(), {}, points[::-1]) == find_ranges(points)


@every_job
@given(
    points=POINTS, bounds=lists(integers(0, 30), max_size=4), block_rows=integers(1, 8), combine=booleans()
)
@settings(max_examples=50)
def test_blocks_and_combine_make_no_difference(
    make: Make,
    state_of: Callable[[FloatArray], State],
    points: FloatArray,
    bounds: list[int],
    block_rows: int,
    combine: bool,
) -> None:
    job, state = make(points), state_of(points)
    assert in_pieces(job, state, points, bounds, block_rows, combine) == at_once(job, state, points)


@every_job
@given(points=POINTS)
@settings(max_examples=30)
def test_combining_twice_is_combining_once(
    make: Make, state_of: Callable[[FloatArray], State], points: FloatArray
) -> None:
    job = make(points)
    once = job.combine(job.map(Block(points, 0), state_of(points)))
    twice = job.combine(once)
    assert (twice.keys.tolist(), twice.values.tolist()) == (once.keys.tolist(), once.values.tolist())


@every_job
def test_an_empty_block_gives_nothing(make: Make, state_of: Callable[[FloatArray], State]) -> None:
    points = np.array([[1.0, 2.0], [3.0, 4.0]])
    job, state = make(points), state_of(points)
    nothing = job.map(Block(points[:0], 1), state)
    assert len(nothing) == 0
    assert len(job.combine(nothing)) == 0
    assert len(map_rows(job, state, points[:0], 1, combine=True)) == 0
    something = job.map(Block(points, 0), state)
    expected = grouped(job, something)
    assert grouped(job, nothing, something, nothing) == expected
    assert grouped(job, Records.concatenate([nothing, something, nothing])) == expected


@every_job
def test_a_job_survives_the_wire(make: Make, state_of: Callable[[FloatArray], State]) -> None:
    job = make(CENTROIDS)
    assert JOBS[job.name] is type(job)
    assert JOBS[job.name].from_parameters(job.parameters()) == job


def test_every_job_has_its_own_name_and_is_tested_here() -> None:
    assert {make(CENTROIDS).name for make, _, _ in (*CASES.values(), SCORE)} == set(JOBS)
    assert len({job.name for job in JOBS.values()}) == len(JOBS) == 8


EXTREME = floats(-LARGEST_MAGNITUDE, LARGEST_MAGNITUDE) | floats(-1e-30, 1e-30) | COORDINATE


def check_score(points: FloatArray, centroids: FloatArray) -> None:
    labels, squared = nearest(points, centroids)
    found = at_once(Score(ranges_of(points).distance_grid(centroids)), {"centroids": centroids}, points)
    assert {key: (row[0], math.fsum(row[1:])) for key, (row,) in found.items()} == {
        key: (len(rows), math.fsum(squared[rows].tolist())) for key, rows in members(labels.tolist()).items()
    }


@given(points=matrices(EXTREME), centroids=matrices(EXTREME))
def test_score_counts_and_sums_exactly(points: FloatArray, centroids: FloatArray) -> None:
    check_score(points, points[:3])
    check_score(points, centroids[:3])


@pytest.mark.parametrize("rows", [1, 31, 32, 1023, 1024])
def test_score_sums_exactly_if_all_rows_are_as_far_as_can_be(rows: int) -> None:
    check_score(np.full((rows, 2), 1e6 / 3), np.full((1, 2), -1e6 / 3))


@given(points=POINTS, block_rows=integers(1, 8))
def test_labels_come_in_input_order(points: FloatArray, block_rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_BLOCK_NUMBERS", block_rows * points.shape[1])
        records = map_rows(Label(), {"centroids": CENTROIDS}, points, 0, combine=False)
    assert records.keys.tolist() == labels_and_squared(points)[0]
    assert records.values.shape == (len(points), 0)


@given(points=POINTS, block_rows=integers(1, 8), threads=integers(1, 3))
def test_keys_come_in_input_order_start_after_start(
    points: FloatArray, block_rows: int, threads: int
) -> None:
    state = {"centroids": np.stack([CENTROIDS, CENTROIDS[::-1]]), "starts": np.array([0, 2])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_BLOCK_NUMBERS", block_rows * points.shape[1])
        patch.setattr(apply, "_THREAD_ROWS", 1)
        keys = map_keys(lloyd(points), state, points, 0, threads)
    first, second = (nearest(points, each)[0].tolist() for each in state["centroids"])
    assert keys.tolist() == [*first, *(2 * len(CENTROIDS) + label for label in second)]


def test_lloyd_emits_the_rows_unchanged() -> None:
    points = np.array([[1.0, -0.0], [3.0, 4.0]])
    assert LloydStep.emits_rows
    records = lloyd(points).map(Block(points, 0), {"centroids": CENTROIDS})
    assert records.values.tobytes() == points.tobytes()


def test_lloyd_moves_only_rows_of_its_own_block() -> None:
    state = {"centroids": CENTROIDS, "moved_rows": np.array([9, 11, 14]), "moved_keys": np.array([3, 4, 5])}
    records = LloydStep(SumGrid((1, 1), 48, 2)).map(Block(np.zeros((3, 2)), 10), state)
    assert records.keys.tolist() == [0, 4, 0]


def test_distinct_rows_are_found_far_down() -> None:
    points = np.array([[0.0, 7.0]] * 500 + [[-0.0, 7.0], [1.0, 7.0], [0.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    found = at_once(FirstDistinctRows(3), {}, points)
    assert found == {0: [[0.0, 0.0, 7.0], [501.0, 1.0, 7.0], [503.0, 2.0, 7.0]]}


def test_farthest_ties_go_to_the_lowest_row() -> None:
    points = np.array([[1.0], [-3.0], [3.0], [0.0], [3.0]])
    found = at_once(FarthestRows(2), {"centroids": np.array([[0.0]])}, points)
    assert found == {0: [[9.0, 1.0, -3.0], [9.0, 2.0, 3.0]]}


def test_sample_draws_every_row_that_is_far_enough_and_none_at_a_centroid() -> None:
    points = np.array([[0.0], [1.0], [0.0], [2.0]])
    state = {"centroids": np.array([[0.0]]), "cost": np.array([5.0])}
    assert at_once(SampleRows(1, 1, 5.0), state, points) == {0: [[1.0, 1.0], [3.0, 2.0]]}


def test_sample_draws_differ_by_seed_and_round() -> None:
    points = np.ones((200, 1))
    state = {"centroids": np.array([[0.0]]), "cost": np.array([200.0])}
    drawn = [at_once(SampleRows(*key, 100.0), state, points)[0] for key in ((1, 1), (2, 1), (1, 2))]
    assert [70 < len(rows) < 130 for rows in drawn] == [True] * 3
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]
