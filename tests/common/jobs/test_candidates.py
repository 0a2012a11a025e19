"""The jobs of k-means||; what they keep from call to call changes nothing."""

from typing import Any

import numpy as np
import pytest

from common.jobs.apply import map_rows
from common.jobs.base import Job
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import KEPT_OF_START, Score
from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from tests.common.jobs.cases import at_once, lloyd, ranges_of

POINTS = np.random.default_rng(0).integers(-9, 10, size=(300, 2)).astype(np.float64)
GROWING = [POINTS[:1], POINTS[:7], POINTS[:7], POINTS[:40], POINTS[50:55], POINTS[50:80]]
"""Candidates of two starts, one after the other."""
GRID = ranges_of(POINTS).distance_grid(POINTS)


def plain(records: Any) -> tuple[list[int], list[list[float]]]:
    return records.keys.tolist(), records.values.tolist()


def state_of(candidates: FloatArray) -> dict[str, Any]:
    return {"centroids": candidates, "cost": np.array([900.0])}


@pytest.mark.parametrize("job", [WeighCandidates(GRID), SampleRows(1, 2, 40.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("piece_rows", [1, 7, 1000])
def test_what_is_kept_changes_nothing(
    job: Job, dtype: type[Any], piece_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.jobs.candidates._PIECE_NUMBERS", 2 * piece_rows)
    memory: dict[str, Any] = {}
    for candidates in GROWING:
        state, rows = state_of(candidates), POINTS.astype(dtype)
        found = map_rows(job, state, rows, 5, combine=True, memory=memory)
        assert plain(found) == plain(map_rows(job, state, POINTS, 5, combine=True))
        assert len(found)


def test_rows_are_compared_with_new_candidates_only(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(points: FloatArray, centroids: FloatArray, *_: FloatArray) -> Any:
        compared.append(len(centroids))
        return nearest(points, centroids)

    for name in ("nearest", "nearest_below"):
        monkeypatch.setattr(f"common.jobs.candidates.{name}", counted)
    memory: dict[str, Any] = {}
    for candidates in GROWING:
        for job in (WeighCandidates(GRID), SampleRows(1, 2, 40.0)):
            map_rows(job, state_of(candidates), POINTS, 0, combine=True, memory=memory)
    assert compared == [1, 6, 33, 5, 25]


def test_candidates_are_weighed_as_clusters_are_scored() -> None:
    state = state_of(POINTS[:40])
    assert at_once(WeighCandidates(GRID), state, POINTS) == at_once(Score(GRID), state, POINTS)


def test_an_iteration_forgets_the_candidates() -> None:
    memory: dict[str, Any] = {}
    map_rows(WeighCandidates(GRID), state_of(POINTS[:5]), POINTS, 0, combine=True, memory=memory)
    assert KEPT_OF_START in memory[f"rows 0 to {len(POINTS)}"]
    map_rows(lloyd(POINTS), state_of(POINTS[:5]), POINTS, 0, combine=True, memory=memory)
    assert KEPT_OF_START not in memory[f"rows 0 to {len(POINTS)}"]


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
