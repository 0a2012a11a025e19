"""Running a job's functions over a split: in which order, and without a copy."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import booleans, integers

from common.jobs import apply
from common.jobs.apply import map_rows, map_split
from common.jobs.centroids import Label, state_of
from common.jobs.entry import scaling
from common.jobs.lloyd import LloydStep
from common.kernels import parallel
from common.kernels.exact import SumGrid
from common.kernels.nearest import distance
from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from master.algorithms.kmeans.weights import WeightedRanges
from tests.common.jobs.cases import (
    CENTROIDS,
    POINTS,
    Case,
    every_job,
    labels_and_squared,
    lloyd,
    with_centroids,
)


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
    state = state_of([range(6), range(12, 18)], [CENTROIDS, CENTROIDS[::-1]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_BLOCK_NUMBERS", block_rows * points.shape[1])
        patch.setattr(parallel, "_THREAD_NUMBERS", 1)
        keys = map_split(lloyd(points), state, points, 0, combine=False, threads=threads).keys
    first, second = (nearest(points, each)[0].tolist() for each in (CENTROIDS, CENTROIDS[::-1]))
    assert keys.tolist() == [*first, *(2 * len(CENTROIDS) + label for label in second)]


@given(points=POINTS, combine=booleans())
def test_rows_that_a_job_emits_are_not_copied(points: FloatArray, combine: bool) -> None:
    job, state = lloyd(points), with_centroids(points)
    records = map_split(job, state, points, 0, combine=combine)
    expected = map_rows(job, state, points, 0, combine=combine)
    assert (records.values is points) != combine
    assert records.keys.tolist() == expected.keys.tolist()
    assert records.values.tolist() == expected.values.tolist()


def test_rows_are_not_copied_as_a_whole_to_leave_out_their_weights() -> None:
    """Files may be greater than memory."""
    points = np.random.default_rng(0).uniform(1.0, 2.0, size=(200_000, 9))
    ranges = WeightedRanges(len(points), (1.0,) * 8, (2.0,) * 8, (1.0,) * 8, 2.0, 1.0)
    middle = np.full((1, 8), 1.5)
    job, state = ranges.scoring(ranges.jobs.spread, middle), {"centroids": middle}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_BLOCK_NUMBERS", 1 << 16)
        patch.setattr(distance, "_MUCH_WORK", 0)
        map_rows(job, state, points[:9000], 0, combine=True)  # loads compiled code
        tracemalloc.start()
        records = map_rows(job, state, points, 0, combine=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    sizes, inertia = job.total(records.values)
    assert sizes == pytest.approx(points[:, -1].sum())
    assert inertia == pytest.approx((points[:, -1:] * (points[:, :-1] - 1.5) ** 2).sum())
    assert peak < points.nbytes / 2


def test_memory_belongs_to_rows_as_they_enter_and_to_the_parts_of_the_threads() -> None:
    """Rows that enter in another way, or in other parts, find nothing of what was left for these."""
    points = np.random.default_rng(0).normal(size=(4000, 2))
    scaled = scaling(np.array([0.5, 0.0]), np.array([0.5, 2.0]))
    job, state, memory = LloydStep(SumGrid((4, 4), 40, 2)), with_centroids(points), dict[str, Any]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "_MUCH_WORK", 0)
        patch.setattr(parallel, "_THREAD_NUMBERS", 1)
        for entry, threads in ({}, 2), (scaled, 2), (scaled, 1), ({}, 1), ({}, 3):
            with_entry = {**state, **entry}
            found, expected = (
                map_rows(job, with_entry, points, 0, combine=True, memory=each, threads=threads)
                for each in (memory, None)
            )
            assert found.keys.tolist() == expected.keys.tolist()
            assert found.values.tolist() == expected.values.tolist()


@every_job
def test_all_else_is_mapped_as_usual(case: Case) -> None:
    job, state = case.make(case.few), case.state_of(case.few)
    for combine in (False, True):
        found, expected = (each(job, state, case.few, 0, combine=combine) for each in (map_split, map_rows))
        assert found.keys.tolist() == expected.keys.tolist()
        assert found.values.tolist() == expected.values.tolist()
