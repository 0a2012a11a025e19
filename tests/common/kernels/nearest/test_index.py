"""Every fast way gives the labels and the exact sums of the plain formula, ties and near-ties too."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.kernels.exact import SumGrid, sum_by_key
from common.kernels.nearest import distance, plain
from common.kernels.nearest.bounds import BoundsIndex
from common.kernels.nearest.boxes import BoxIndex
from common.kernels.nearest.index import ClusterIndex, build_index
from common.model import FloatArray

Build = Callable[[FloatArray, SumGrid], ClusterIndex]
BUILDS: dict[str, Build] = {
    "boxes": BoxIndex,
    "bounds": BoundsIndex,
    "bounds with the fastest set aside": partial(BoundsIndex, dear_row=0),
    "bounds without tiles": partial(BoundsIndex, dear_row=0, tile_bytes=0),
}


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


def check(build: Build, points: FloatArray, *paths: list[FloatArray], dtype: str = "float64") -> None:
    """Walk along paths of centroids, side by side."""
    stored = points.astype(dtype)
    points = stored.astype(np.float64)
    grid = grid_of(points)
    stored.flags.writeable = False
    index = build(stored, grid)
    for start, centroids in (step for steps in zip(*paths, strict=True) for step in enumerate(steps)):
        counts, sums = index.cluster_sums(centroids, start)
        expected_counts, expected_sums = plain_sums(points, grid, centroids)
        assert counts.tolist() == expected_counts
        assert np.array_equal(sums, expected_sums)


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
def data(draw: st.DrawFn) -> tuple[FloatArray, int, int]:
    """Draw points of a hard kind, a number of centroids and a seed."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n, d = draw(st.integers(1, 700)), draw(st.integers(1, 6))
    k = draw(st.integers(1, 12))
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


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@given(drawn=data(), dtype=st.sampled_from(["float64", "float32"]))
@settings(max_examples=150)
def test_sums_are_those_of_the_plain_formula(
    build: Build, drawn: tuple[FloatArray, int, int], dtype: str
) -> None:
    points, k, seed = drawn
    if np.abs(points).max() > np.finfo(dtype).max:
        points = points / np.abs(points).max()
    check(build, points, walk(points, k, seed), dtype=dtype)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_points_half_way_between_centroids(build: Build) -> None:
    """Ties go to the lowest index; one unit in the last place decides."""
    x = np.array([1.0, np.nextafter(1.0, 0), np.nextafter(1.0, 2)])
    points = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2).repeat(40, axis=0)
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    check(build, points, [corners, corners[::-1].copy(), corners[[3, 0, 0, 1]].copy()])


@given(drawn=data())
@settings(max_examples=150)
def test_compiled_code_gives_the_labels_and_distances_of_the_plain_formula(
    drawn: tuple[FloatArray, int, int],
) -> None:
    points, k, seed = drawn
    for centroids in walk(points, k, seed, steps=2):
        labels, squared = distance.nearest(points, centroids)
        for find in (plain.nearest, distance.nearest_by_products):
            found = find(points, centroids)
            assert np.array_equal(found[0], labels)
            assert np.array_equal(found[1], squared)


@pytest.mark.parametrize("columns", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_many_rows(build: Build, columns: int) -> None:
    """Several blocks, groups and gathers."""
    rng = np.random.default_rng(columns)
    points = rng.normal(size=(20_000, columns)) + 4 * rng.integers(0, 3, size=(20_000, 1))
    check(build, points, walk(points, 20, seed=columns))


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_float32_ceases_to_do_while_whole_chunks_are_assigned(build: Build) -> None:
    """A jump puts the first chunks in doubt as a whole; only in a later one are there near-ties."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(40_000, 6))
    points[25_000:30_000] = 1.0 + 1e-9 * rng.integers(0, 3, size=(5_000, 6))
    far_apart = np.concatenate([rng.normal(size=(10, 6)), np.full((2, 6), -50.0)])
    near_ties = rng.normal(size=(12, 6))
    near_ties[-2], near_ties[-1] = 1.0, 1.0 + 1e-9
    check(build, points, [far_apart, near_ties, near_ties + 1e-9, far_apart])


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_rows_that_float32_cannot_tell_apart_come_late(build: Build) -> None:
    """Most of a later tile is in doubt, which the first ones do not show."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12_000, 6))
    points[9_000:11_000] = 1.0 + 1e-9 * rng.integers(0, 3, size=(2_000, 6))
    path = walk(points, 12, seed=0, steps=3)
    centroids = path[0].copy()
    centroids[:4] = 1.0 + 1e-9 * rng.integers(0, 3, size=(4, 6))
    check(build, points, [centroids, *path])


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@pytest.mark.parametrize("fast", [1, 4, 9])
def test_some_centroids_are_fast(build: Build, fast: int) -> None:
    """They run through the others, some through a lattice's corners, where points are half way between."""
    rng = np.random.default_rng(fast)
    points = np.concatenate([rng.normal(size=(9000, 5)), rng.integers(0, 2, size=(500, 5))])
    path = [points[:: len(points) // 32].copy()]
    for _ in range(8):
        centroids = path[-1] + rng.normal(scale=1e-3, size=path[0].shape)
        centroids[rng.choice(len(centroids), fast, replace=False)] += rng.integers(-1, 2, size=(fast, 5)) / 2
        path.append(centroids)
    check(build, points, path)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_several_starts_side_by_side(build: Build) -> None:
    points = np.random.default_rng(0).normal(size=(3000, 2))
    check(build, points, *(walk(points, k, seed) for seed, k in enumerate([3, 7, 300])))


def test_boxes_are_for_few_columns_that_fit_in_memory() -> None:
    grid = SumGrid((1,) * 5, 48, 1)
    kinds = [
        type(build_index(np.broadcast_to(np.ones((1, columns)), (rows, columns)), grid))
        for rows, columns in ((1, 4), (1, 5), (30_000_000, 3))
    ]
    assert kinds == [BoxIndex, BoundsIndex, BoundsIndex]
