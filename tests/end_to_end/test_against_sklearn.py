"""The same labels and inertia as scikit-learn's Lloyd from the same start, and starts that are as good.

Each class of data is made such that there is one right answer: where scikit-learn's arithmetic
could decide an exact tie by rounding, the numbers are ones that it holds exactly.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis.strategies import builds, integers, sampled_from
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from common.formats.dataset import open_input
from common.jobs.centroids import Label
from common.model import FloatArray
from common.records.text import decode
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.loop import fit
from master.engines.inline import InlineEngine
from tests.story import ListLog

Compare = Callable[..., None]

RNG = builds(np.random.default_rng, integers(0, 2**32))
twenty = settings(max_examples=20, derandomize=True)


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Compare:
    """Return a function that clusters points from a start in both ways and compares."""
    path: Path = tmp_path_factory.mktemp("inputs") / "points.npy"

    def compare(points: FloatArray, start: FloatArray, rounding: float = 0.0) -> None:
        np.save(path, points)
        engine = InlineEngine(open_input(path), combine=False)
        config = KMeansConfig(len(start), 300, tol=0.0, initial=start)
        ours = fit(engine, len(points), config, ListLog())
        labels = decode(b"".join(engine.map_only(Label(), {"centroids": ours.centroids}))).keys
        theirs = KMeans(len(start), init=start, n_init=1, max_iter=300, tol=0, algorithm="lloyd")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs.fit(points)
        assert ours.converged
        assert labels.tolist() == theirs.labels_.tolist()
        assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-9, abs=rounding)

    return compare


def distinct_rows(points: FloatArray, k: int, rng: np.random.Generator) -> FloatArray:
    return rng.permutation(np.unique(points, axis=0))[:k]


def blobs(rng: np.random.Generator, rows: int, columns: int) -> FloatArray:
    centers = rng.normal(scale=3, size=(4, columns))
    points: FloatArray = centers[rng.integers(4, size=rows)] + rng.normal(size=(rows, columns))
    return points


@pytest.mark.parametrize("rows", [[0, 50, 100], [0, 1, 2], [149, 75, 12]])
def test_iris(compare: Compare, rows: list[int]) -> None:
    points: FloatArray = load_iris().data
    assert points.shape == (150, 4)
    compare(points, points[rows])


@given(rng=RNG, rows=integers(10, 300), columns=integers(1, 6), k=integers(1, 8))
@twenty
def test_plain_data(compare: Compare, rng: np.random.Generator, rows: int, columns: int, k: int) -> None:
    points = blobs(rng, rows, columns)
    compare(points, distinct_rows(points, k, rng))


@given(rng=RNG, rows=integers(30, 300), columns=integers(1, 4), k=integers(1, 6))
@twenty
def test_duplicates(compare: Compare, rng: np.random.Generator, rows: int, columns: int, k: int) -> None:
    few = blobs(rng, 10, columns)
    points = np.concatenate([few, few[rng.integers(10, size=rows)]])
    compare(points, distinct_rows(points, k, rng))


def ties_are_exact(points: FloatArray, centroids: FloatArray) -> bool:
    """Tell whether all ties on the way are between centroids that scikit-learn holds exactly.

    It multiplies a sum by the rounded 1 / count.
    """
    exact = np.full(len(centroids), True)
    while True:
        squared = ((points[:, None] - centroids) ** 2).sum(axis=2)
        nearest = squared <= squared.min(axis=1, keepdims=True) + 1e-9
        if not exact[nearest[nearest.sum(axis=1) > 1].any(axis=0)].all():
            return False
        members = [points[nearest.argmax(axis=1) == key] for key in range(len(centroids))]
        if not all(map(len, members)):
            return False
        moved = np.array([rows.mean(axis=0) for rows in members])
        scaled = np.array([rows.sum(axis=0) * (1 / len(rows)) for rows in members])
        exact = ((moved == scaled) & (moved * 1024 % 1 == 0)).all(axis=1)
        if (moved == centroids).all():
            return True
        centroids = moved


@given(rng=RNG, pairs=integers(4, 40), columns=integers(1, 3), k=sampled_from([2, 4]))
@twenty
def test_ties(compare: Compare, rng: np.random.Generator, pairs: int, columns: int, k: int) -> None:
    """Small integers, symmetric about 0 (so their mean is 0), from opposite starts: 0 is a tie."""
    half = rng.integers(-5, 6, size=(pairs, columns)).astype(np.float64)
    points = np.concatenate([half, np.zeros((1, columns)), -half])
    starts = half[np.flatnonzero(half.any(axis=1))][: k // 2]
    assume(len(starts) == k // 2)
    start = np.concatenate([starts, -starts])
    assume(len(np.unique(start, axis=0)) == k)
    assume(ties_are_exact(points, start))
    compare(points, start)


@given(rng=RNG, rows=integers(20, 200), columns=integers(1, 4), k=integers(1, 4), empty=integers(1, 2))
@twenty
def test_empty_clusters(
    compare: Compare, rng: np.random.Generator, rows: int, columns: int, k: int, empty: int
) -> None:
    """One or two starts are far from all points; scikit-learn sorts no more than the two farthest."""
    points = blobs(rng, rows, columns)
    far = 1000.0 * np.arange(1, empty + 1)[:, None] * np.ones(columns)
    start = rng.permutation(np.concatenate([distinct_rows(points, k, rng), far]))
    compare(points, start)


@given(
    rng=RNG,
    rows=integers(10, 200),
    columns=integers(1, 4),
    k=integers(1, 6),
    spread=sampled_from([0.01, 1.0, 99.0]),
)
@twenty
def test_huge_offsets(
    compare: Compare, rng: np.random.Generator, rows: int, columns: int, k: int, spread: float
) -> None:
    """Near 1e9, rounding a sum and then the mean puts a centroid's coordinate off by up to 3 * 2**-24.

    scikit-learn shifts the points to 0 first and has no such loss. The squared distances of a mean's
    members grow by the square of that on average; only for the least spread is it beyond 1e-9.
    """
    points = 1e9 + spread * blobs(rng, rows, columns)
    compare(points, distinct_rows(points, k, rng), rounding=rows * columns * 9 * 2.0**-48)


@given(rng=RNG, columns=integers(1, 4), k=integers(1, 5), size=sampled_from([2, 4, 8, 16]))
@twenty
def test_huge_offsets_with_the_tiniest_spread(
    compare: Compare, rng: np.random.Generator, columns: int, k: int, size: int
) -> None:
    """Groups some 1e-5 wide, whose means, unlike most, are float64 numbers near 1e9 (2**-23 apart)."""
    centers = rng.permutation(32)[:k, None] * np.ones(columns) * 2.0**-10
    points = 1e9 + np.repeat(centers, size, axis=0) + rng.integers(-8, 9, (k * size, columns)) * 2.0**-19
    assume(len(np.unique(points, axis=0)) > k)
    compare(points, points[::size])


def grid(rng: np.random.Generator) -> FloatArray:
    """Draw clusters at the points of a 10 by 10 grid."""
    return rng.integers(10, size=(4000, 2)) + 0.1 * rng.normal(size=(4000, 2))


def unbalanced(rng: np.random.Generator) -> FloatArray:
    """Draw three clusters of many rows and five of few."""
    centers = np.repeat(rng.uniform(0, 10, size=(8, 2)), [1000] * 3 + [50] * 5, axis=0)
    return centers + 0.15 * rng.normal(size=centers.shape)


def overlapping(rng: np.random.Generator) -> FloatArray:
    """Draw fifteen clusters that overlap."""
    return rng.uniform(0, 10, size=(15, 2))[rng.integers(15, size=2000)] + 0.5 * rng.normal(size=(2000, 2))


def many_columns(rng: np.random.Generator) -> FloatArray:
    """Draw thirty clusters in 32 columns."""
    return rng.uniform(0, 10, size=(30, 32))[rng.integers(30, size=2000)] + rng.normal(size=(2000, 32))


@pytest.mark.parametrize(("draw", "k"), [(grid, 100), (unbalanced, 8), (overlapping, 15), (many_columns, 30)])
def test_a_start_is_as_good_as_scikit_learns(
    draw: Callable[[np.random.Generator], FloatArray], k: int
) -> None:
    points = draw(np.random.default_rng(7))
    engine = InlineEngine(points, combine=True)
    ours, theirs = [], []
    for seed in range(9):
        config = KMeansConfig(k, 300, seed=seed, init="k-means++", logged=False)
        ours.append(fit(engine, len(points), config, ListLog()).inertia)
        theirs.append(KMeans(k, n_init=1, random_state=seed).fit(points).inertia_)
    assert np.median(ours) <= 1.005 * np.median(theirs)
