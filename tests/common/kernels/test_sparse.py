"""Sparse rows give what the same rows give dense, to the last bit."""

from typing import Any

import numpy as np
import pytest

from common.jobs.base import Job
from common.jobs.centroids import FarthestRows
from common.jobs.lloyd import LloydStep
from common.jobs.rows import Describe, FirstDistinctRows
from common.kernels.exact import SumGrid
from common.kernels.nearest.distance import distances, labels_of, nearest
from common.kernels.sparse import SparseRows
from common.kernels.sparse_nearest import nearest_below, squared_to
from common.model import Block, FloatArray, Records

COLUMNS = 1500


def points_of(dtype: Any, *, whole: bool) -> FloatArray:
    """Return rows of which one in a hundred numbers is not 0, some rows twice, some all 0."""
    rng = np.random.default_rng(1)
    points = rng.integers(1, 3, (200, COLUMNS)) if whole else rng.normal(size=(200, COLUMNS))
    found: FloatArray = np.where(rng.random(points.shape) < 1 / 100, points, 0).astype(dtype)
    found[::20], found[7], found[:, 5] = 0, found[8], 0
    return found


def same_bytes(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return [array.tobytes() for array in one] == [array.tobytes() for array in other]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("far", [0.0, 1e-3, 1e9])
def test_labels_and_distances(dtype: Any, whole: bool, far: float) -> None:
    points = points_of(dtype, whole=whole)
    exact = points.astype(np.float64)
    centroids = np.concatenate([exact[:40], [exact[:9].mean(axis=0)], exact[30:45] + far])
    rows = SparseRows.of(points)[30:170]
    assert same_bytes(nearest(rows, centroids), nearest(exact[30:170], centroids))
    assert labels_of(rows, centroids).tolist() == labels_of(exact[30:170], centroids).tolist()
    assert distances(rows, centroids).tobytes() == distances(exact[30:170], centroids).tobytes()


@pytest.mark.parametrize("scale", [1e-250, 1e-30, 1e-3, 1e30, 1e70])
@pytest.mark.parametrize("k", [1, 16, 17])
def test_labels_by_scores_in_float32(scale: float, k: int) -> None:
    """Numbers beyond float32, and differences below its last bit, leave labels to float64."""
    points = points_of(np.float64, whole=False)
    points[50:60] *= 1e60
    means = np.array([points[60 + i :: k].mean(axis=0) for i in range(k)])
    for centroids in (means, np.zeros((k, COLUMNS)) + 1e-9, means[:1] + np.eye(k, COLUMNS) * 1e-12):
        found = labels_of(SparseRows.of(points * scale), centroids * scale)
        assert found.tolist() == labels_of(points * scale, centroids * scale).tolist()


@pytest.mark.parametrize("whole", [True, False])
def test_distances_below_limits(whole: bool) -> None:
    """Limits are the squared distances themselves, some, less and more."""
    points = points_of(np.float64, whole=whole)
    labels, squared = nearest(points, points[:30])
    limits = squared * np.resize([1.0, 0.5, 2.0], len(points))
    found, shorter = nearest_below(SparseRows.of(points), points[:30], limits)
    below = squared < limits
    assert np.isinf(shorter[squared > 1.5 * limits]).all()
    assert same_bytes((found[below], shorter[below]), (labels[below], squared[below]))


def test_tiny_numbers_whose_squares_vanish() -> None:
    points = points_of(np.float64, whole=False) * 1e-162
    centroids = points[:30]
    assert same_bytes(nearest(SparseRows.of(points), centroids), nearest(points, centroids))


@pytest.mark.parametrize("density", [0.003, 0.3])
@pytest.mark.parametrize("lowest", [-540, -40, 0])
@pytest.mark.parametrize("whole", [True, False])
def test_squared_distances_from_one_binade_to_another(density: float, lowest: int, whole: bool) -> None:
    """Totals leave binades in the middle of a tile; squares of powers of two lie half way between units."""
    rng = np.random.default_rng(1)
    numbers = rng.integers(1, 3, (40, 5000)) if whole else rng.normal(size=(40, 5000))
    scaled = np.ldexp(numbers, rng.integers(lowest, 1, (40, 5000)))
    points = np.where(rng.random(scaled.shape) < density, scaled, 0)
    for centroid in (
        scaled[0],
        np.ldexp(1.0, rng.integers(-30, 1, 5000)),
        points[:8].mean(axis=0),
        points[3],
    ):
        expected = np.cumsum((points - centroid) ** 2, axis=1)[:, -1]
        assert squared_to(SparseRows.of(points), centroid[None]).tolist() == expected.tolist()


def combined(job: Job, rows: Any, state: Any) -> Records:
    return job.summarize(Block(rows, 3), state, {}) or job.combine(job.map(Block(rows, 3), state))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranges_sums_and_distinct_rows(dtype: Any) -> None:
    points = points_of(dtype, whole=False)
    exact = points.astype(np.float64)
    grid = SumGrid.covering([8.0] * COLUMNS, [2.0**-40] * COLUMNS, 300)
    moved = {"moved_rows": np.array([5, 90]), "moved_keys": np.array([1, 3])}
    starts = {"centroids": exact[:8], "starts": np.array([[0, 3], [3, 5]])}
    cases: list[tuple[Job, dict[str, Any]]] = [
        (Describe(), {}),
        (FirstDistinctRows(9), {}),
        (FirstDistinctRows(250), {}),
        (FarthestRows(9), {"centroids": exact[:8]}),
        (LloydStep(grid), starts),
        (LloydStep(grid), starts | moved),
    ]
    for job, state in cases:
        found, expected = (combined(job, rows, state) for rows in (SparseRows.of(points), exact))
        assert found.keys.tolist() == expected.keys.tolist()
        assert found.values.tolist() == expected.values.tolist()


def test_farthest_rows_whose_squares_vanish() -> None:
    points = points_of(np.float64, whole=False) * 1e-170
    found, expected = (
        combined(FarthestRows(9), rows, {"centroids": points[:8]}) for rows in (SparseRows.of(points), points)
    )
    assert len(expected) == 9
    assert found.values.tolist() == expected.values.tolist()
