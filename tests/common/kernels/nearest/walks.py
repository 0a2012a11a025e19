"""Walks of centroids through hard kinds of points, and the sums of the plain formula to compare with."""

import numpy as np
from hypothesis import strategies as st

from common.kernels.exact import SumGrid, sum_by_key
from common.kernels.nearest import distance
from common.kernels.nearest.bounds import BoundsIndex
from common.model import FloatArray


def grid_of(points: FloatArray) -> SumGrid:
    magnitudes = np.abs(points)
    smallest = np.where(magnitudes > 0, magnitudes, np.inf).min(axis=0)
    return SumGrid.covering(
        magnitudes.max(axis=0).tolist(), [0.0 if np.isinf(x) else x for x in smallest.tolist()], len(points)
    )


def plain_sums(points: FloatArray, grid: SumGrid, centroids: FloatArray) -> tuple[list[int], FloatArray]:
    labels, _ = distance.nearest(points, centroids)  # too little work for compiled code
    limbs = grid.cut(points).reshape(-1, len(points))
    sums = sum_by_key(labels, limbs, len(centroids))
    return np.bincount(labels, minlength=len(centroids)).tolist(), sums


def check(points: FloatArray, *paths: list[FloatArray], dtype: str = "float64") -> None:
    """Walk along paths of centroids, side by side."""
    stored = points.astype(dtype)
    points = stored.astype(np.float64)
    grid = grid_of(points)
    stored.flags.writeable = False
    index = BoundsIndex(stored, grid)
    for start, centroids in (step for steps in zip(*paths, strict=True) for step in enumerate(steps)):
        counts, sums = index.cluster_sums(centroids, start)
        expected_counts, expected_sums = plain_sums(points, grid, centroids)
        assert counts.tolist() == expected_counts
        assert np.array_equal(sums, expected_sums)
        labels = index.labels(centroids)
        assert labels is not None
        assert np.array_equal(labels, distance.nearest(points, centroids)[0])


def walk(points: FloatArray, k: int, seed: int, steps: int = 6) -> list[FloatArray]:
    """Return centroids as Lloyd's loop meets them, with a jump at the end."""
    rng = np.random.default_rng(seed)
    centroids = points[rng.integers(len(points), size=k)].copy()
    path = [centroids]
    for _ in range(steps):
        labels, _ = distance.nearest(points, centroids)
        centroids = centroids.copy()
        for key in np.unique(labels):
            centroids[key] = points[labels == key].mean(axis=0)
        path.append(centroids)
    return [*path, points[rng.integers(len(points), size=k)].copy()]


@st.composite
def data(draw: st.DrawFn, wide: bool = False) -> tuple[FloatArray, int, int]:
    """Draw points of a hard kind, a number of centroids and a seed."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n, d = draw(st.integers(1, 700)), draw(st.integers(1, 40 if wide else 6))
    k = draw(st.integers(1, 20 if wide else 12))
    kind = draw(
        st.sampled_from(["blobs", "lattice", "nearly lattice", "far", "tiny", "huge", "copies", "line"])
    )
    points = rng.normal(size=(n, d)) + 6 * rng.integers(0, 4, size=(n, 1))
    if kind in ("lattice", "nearly lattice", "copies"):
        points = rng.integers(0, 2 if kind == "copies" else 5, size=(n, d)).astype(np.float64)
    if kind == "nearly lattice":
        points = np.nextafter(points, rng.choice([-np.inf, np.inf], size=points.shape))
    scale = {"far": 1e-6, "tiny": 5e-320, "huge": 1e143}.get(kind, 1.0)
    points = points * scale + (1e9 if kind == "far" else 0.0)
    if kind == "line":
        points[:, 1:] = 0.0
    return points, k, seed
