"""The jobs of K-Means."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats

from common.jobs import centroids
from common.jobs.apply import map_rows
from common.jobs.centroids import FarthestRows, Label, Score, state_of
from common.jobs.lloyd import LloydStep
from common.kernels import parallel, sparse_sums
from common.kernels.exact import LARGEST_MAGNITUDE, SumGrid
from common.kernels.nearest import distance
from common.kernels.nearest.distance import nearest
from common.kernels.sparse import SparseRows
from common.model import Block, FloatArray
from tests.common.jobs.cases import CENTROIDS, COORDINATE, at_once, lloyd, matrices, members, ranges_of

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


def test_lloyd_emits_the_rows_unchanged() -> None:
    points = np.array([[1.0, -0.0], [3.0, 4.0]])
    assert LloydStep.emits_rows
    records = lloyd(points).map(Block(points, 0), {"centroids": CENTROIDS})
    assert records.values.tobytes() == points.tobytes()


def test_lloyd_moves_only_rows_of_its_own_block() -> None:
    state = {"centroids": CENTROIDS, "moved_rows": np.array([9, 11, 14]), "moved_keys": np.array([3, 4, 5])}
    records = LloydStep(SumGrid((1, 1), 48, 2)).map(Block(np.zeros((3, 2)), 10), state)
    assert records.keys.tolist() == [0, 4, 0]


@contextmanager
def looking_at_every_row() -> Iterator[None]:
    """Let no compiled code sum up many rows at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "_MUCH_WORK", math.inf)
        yield


@contextmanager
def in_threads(number: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "_THREAD_NUMBERS", 210_000 // number)
        yield


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_an_iterations_bounds_tell_is_what_a_look_at_every_row_finds(dtype: str, threads: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(70_000, 3)).astype(dtype)
    first, second = rng.normal(size=(2, 32, 3))
    both = state_of([range(32), range(32, 64)], [first, second])
    moved = {"moved_rows": np.array([12, 60_007, 69_999]), "moved_keys": np.array([40, 1, 63])}
    step, other = lloyd(rows.astype(np.float64)), LloydStep(SumGrid((3, 3, 3), 30, 4))
    score = Score(ranges_of(rows.astype(np.float64)).distance_grid(first))
    memory: dict[str, Any] = {}
    for job, state in (
        (step, both),
        (step, both | moved),
        (step, both),
        (FarthestRows(4), {"centroids": second}),
        (score, both),
        (score, {"centroids": second + 1e-3}),
        (Label(), {"centroids": second + 1e-3}),
        (other, both),
        (Label(), {"centroids": first}),
    ):
        combine = isinstance(job, LloydStep)
        with in_threads(threads), pytest.MonkeyPatch.context() as patch:
            for name in ("nearest", "labels_of"):
                patch.delattr(centroids, name)  # bounds know better
            found = map_rows(job, state, rows, 7, combine=combine, memory=memory, threads=threads)
        with looking_at_every_row():
            expected = map_rows(job, state, rows, 7, combine=combine)
        assert found.keys.tobytes() == expected.keys.tobytes()
        assert found.values.tobytes() == expected.values.tobytes()
    assert len(memory) == threads


@pytest.mark.parametrize("threads", [1, 2])
def test_sparse_rows_are_labelled_once_for_the_same_centroids(threads: int) -> None:
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((70_000, 6)) < 0.6, rng.normal(size=(70_000, 6)), 0.0)
    rows = SparseRows.of(dense)
    first, second = rng.normal(size=(2, 5, 6))
    moved = {"moved_rows": np.array([12, 60_007, 69_999]), "moved_keys": np.array([4, 1, 3])}
    step, score = lloyd(dense), Score(ranges_of(dense).distance_grid(first))
    memory: dict[str, Any] = {}
    for job, of, more, is_new in (
        (step, first, {}, True),
        (step, second, moved, True),
        (step, second, {}, False),
        (FarthestRows(4), second, {}, False),
        (score, second, {}, False),
        (Label(), second, {}, False),
        (score, first, {}, True),
        (Label(), first.copy(), {}, False),
    ):
        state, combine = {"centroids": of} | more, job is step
        with in_threads(threads), pytest.MonkeyPatch.context() as patch:
            if not is_new:
                patch.delattr(sparse_sums, "labels_of")
            found = map_rows(job, state, rows, 7, combine=combine, memory=memory, threads=threads)
        expected = map_rows(job, state, dense, 7, combine=combine)
        assert found.keys.tobytes() == expected.keys.tobytes()
        assert found.values.tobytes() == expected.values.tobytes()
    assert len(memory) == threads


def test_other_numbers_of_centroids_are_looked_for_without_bounds() -> None:
    rows = np.random.default_rng(0).normal(size=(70_000, 3))
    memory: dict[str, Any] = {}
    map_rows(lloyd(rows), {"centroids": rows[:32].copy()}, rows, 0, combine=True, memory=memory)
    state = {"centroids": rows[:5].copy()}
    found = map_rows(Label(), state, rows, 0, combine=False, memory=memory)
    assert found.keys.tolist() == nearest(rows, rows[:5])[0].tolist()


def test_farthest_ties_go_to_the_lowest_row() -> None:
    points = np.array([[1.0], [-3.0], [3.0], [0.0], [3.0]])
    found = at_once(FarthestRows(2), {"centroids": np.array([[0.0]])}, points)
    assert found == {0: [[9.0, 1.0, -3.0], [9.0, 2.0, 3.0]]}


def test_points_that_equal_their_centroids_are_not_far_but_those_whose_squares_vanish_are() -> None:
    points = np.array([[0.0], [1e-200], [0.0], [2.0]])
    assert at_once(FarthestRows(3), {"centroids": np.array([[0.0]])}, points) == {
        0: [[4.0, 3.0, 2.0], [0.0, 1.0, 1e-200]]
    }
    assert at_once(FarthestRows(3), {"centroids": points[2:]}, points[2:]) == {}
