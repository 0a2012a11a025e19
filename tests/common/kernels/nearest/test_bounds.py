"""Where the way through bounds and single precision is hard."""

from unittest.mock import Mock

import numpy as np
import pytest

from common.kernels.exact import SumGrid
from common.kernels.nearest import bounds
from tests.common.kernels.nearest.walks import check, walk


def test_float32_ceases_to_do_while_whole_batches_are_assigned() -> None:
    """A jump puts the first batches in doubt as a whole; only in a later one are there near-ties."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(40_000, 6))
    points[25_000:30_000] = 1.0 + 1e-9 * rng.integers(0, 3, size=(5_000, 6))
    far_apart = np.concatenate([rng.normal(size=(10, 6)), np.full((2, 6), -50.0)])
    near_ties = rng.normal(size=(12, 6))
    near_ties[-2], near_ties[-1] = 1.0, 1.0 + 1e-9
    check(points, [far_apart, near_ties, near_ties + 1e-9, far_apart])


def test_rows_that_float32_cannot_tell_apart_come_late() -> None:
    """Most of a later batch is in doubt, which the first ones do not show."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12_000, 6))
    points[9_000:11_000] = 1.0 + 1e-9 * rng.integers(0, 3, size=(2_000, 6))
    path = walk(points, 12, seed=0, steps=3)
    centroids = path[0].copy()
    centroids[:4] = 1.0 + 1e-9 * rng.integers(0, 3, size=(4, 6))
    check(points, [centroids, *path])


@pytest.mark.parametrize("fast", [1, 4, 9])
def test_some_centroids_are_fast(fast: int) -> None:
    """They run through the others, some through a lattice's corners, where points are half way between."""
    rng = np.random.default_rng(fast)
    points = np.concatenate([rng.normal(size=(9000, 5)), rng.integers(0, 2, size=(500, 5))])
    path = [points[:: len(points) // 32].copy()]
    for _ in range(8):
        centroids = path[-1] + rng.normal(scale=1e-3, size=path[0].shape)
        centroids[rng.choice(len(centroids), fast, replace=False)] += rng.integers(-1, 2, size=(fast, 5)) / 2
        path.append(centroids)
    check(points, path)


@pytest.mark.parametrize("far", [1e18, 2e19, 1e20, 1e38, 1e140])
def test_a_centroid_comes_back_from_where_squares_overflow_float32(far: float) -> None:
    rng = np.random.default_rng(0)
    points = rng.random((2000, 3))
    near = 0.1 * rng.random((1, 3))
    away, back = np.vstack([near, np.full((1, 3), far)]), np.vstack([near, np.full((1, 3), 0.9)])
    check(points, [away, back, back])


def test_an_iteration_is_one_call_of_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes Python's lock, for which other threads wait."""
    points = np.random.default_rng(0).normal(size=(300_000, 4))
    index = bounds.BoundsIndex(points, SumGrid.covering([8.0] * 4, [2.0**-60] * 4, len(points)))
    index.cluster_sums(points[:8])
    calls = Mock(wraps=bounds._reassign)
    monkeypatch.setattr(bounds, "_reassign", calls)
    counts, _ = index.cluster_sums(points[:8] + 1e-2)
    assert counts.sum() == len(points)
    assert calls.call_count == 1
