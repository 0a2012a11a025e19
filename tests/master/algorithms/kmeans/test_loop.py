"""K-Means on the inline engine, against a plain loop."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists, sampled_from

from common.errors import UsageError
from common.events.catalogue.kmeans import Centroid, EmptyCluster, IterationFinished, Stopped
from common.formats.dataset import open_input
from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.nearest import distance
from common.model import FloatArray
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.loop import KMeansResult, fit
from master.engines.inline import InlineEngine
from tests.story import ListLog

Rows = list[list[float]]

FOUR_GROUPS = np.random.default_rng(3).normal(size=(80, 2)) + np.array([[0, 0], [9, 0], [0, 9], [9, 9]] * 20)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[KMeansResult, ListLog]]:
    """Return a function that clusters points, given a configuration's fields."""
    folder = tmp_path_factory.mktemp("inputs")

    def run(
        points: FloatArray, k: int, iterations: int = 300, *, combine: bool = False, **more: Any
    ) -> tuple[KMeansResult, ListLog]:
        path = folder / "points.npy"
        np.save(path, points)
        engine, log = InlineEngine(open_input(path), combine=combine), ListLog()
        return fit(engine, len(points), KMeansConfig(k, iterations, **more), log), log

    return run


Run = Callable[..., tuple[KMeansResult, ListLog]]


# The plain loop


def plain_squared(point: list[float], centroid: list[float]) -> float:
    total = 0.0
    for x, c in zip(point, centroid, strict=True):
        total += (x - c) * (x - c)
    return total


def assign(points: Rows, centroids: Rows) -> tuple[list[int], list[float]]:
    distances = [[plain_squared(point, centroid) for centroid in centroids] for point in points]
    return [row.index(min(row)) for row in distances], [min(row) for row in distances]


def fill_empty(points: Rows, centroids: Rows, labels: list[int], squared: list[float]) -> list[int]:
    """Move the farthest points, the lowest row first, to the clusters that are empty.

    A point that equals its centroid stays.
    """
    empty = [key for key in range(len(centroids)) if key not in labels]
    movable = [row for row, label in enumerate(labels) if points[row] != centroids[label]]
    farthest = sorted(movable, key=lambda row: (-squared[row], row))
    moves = dict(zip(farthest, empty, strict=False))
    return [moves.get(row, label) for row, label in enumerate(labels)]


def mean_of(points: Rows, labels: list[int], key: int, otherwise: list[float]) -> list[float]:
    members = [point for point, label in zip(points, labels, strict=True) if label == key]
    if not members:
        return otherwise
    return [math.fsum(column) / len(members) for column in zip(*members, strict=True)]


def plain_kmeans(
    points: Rows, centroids: Rows, iterations: int, tol: float, on_empty: str
) -> tuple[Rows, list[int], float, int, bool]:
    """Return centroids, sizes, inertia, iterations and whether it converged."""
    n_iter, shift = 0, math.inf
    while n_iter < iterations and shift > tol:
        n_iter += 1
        labels, squared = assign(points, centroids)
        if on_empty == "farthest":
            labels = fill_empty(points, centroids, labels, squared)
        moved = [mean_of(points, labels, key, centroid) for key, centroid in enumerate(centroids)]
        shift = max(map(math.dist, moved, centroids))
        centroids = moved
    labels, squared = assign(points, centroids)
    sizes = [labels.count(key) for key in range(len(centroids))]
    return centroids, sizes, math.fsum(squared), n_iter, shift <= tol


def as_plain(result: KMeansResult) -> tuple[Rows, list[int], float, int, bool]:
    found = result.centroids.tolist(), result.sizes.tolist()
    return *found, result.inertia, result.n_iter, result.converged


# The squares of some differences are 0, those of others are as large as they may be.
COORDINATE = (
    integers(-3, 3).map(float)
    | floats(-100, 100)
    | integers(0, 9).map(lambda units: 1e9 + units * 2.0**-20)
    | sampled_from([1e-200, 2e-200, LARGEST_MAGNITUDE, -LARGEST_MAGNITUDE])
)
POINT = lists(COORDINATE, min_size=2, max_size=2)


@pytest.mark.parametrize("on_empty", ["farthest", "keep"])
@pytest.mark.parametrize(("combine", "much_work"), [(False, None), (True, None), (True, 0)])
@given(
    points=lists(POINT, min_size=1, max_size=25),
    start=lists(POINT, min_size=1, max_size=5),
    iterations=integers(1, 12),
    tol=sampled_from([0.0, 0.5, 1e300]),
)
@settings(max_examples=60)
def test_fit_is_the_plain_loop(
    run: Run,
    on_empty: str,
    combine: bool,
    much_work: int | None,
    points: Rows,
    start: Rows,
    iterations: int,
    tol: float,
) -> None:
    """Also if compiled code does the work, as it does where there is much."""
    options = {"combine": combine, "tol": tol, "on_empty": on_empty, "initial": np.array(start)}
    with pytest.MonkeyPatch.context() as patch:
        if much_work is not None:
            patch.setattr(distance, "_MUCH_WORK", much_work)
        result, _ = run(np.array(points), len(start), iterations, **options)
    assert as_plain(result) == plain_kmeans(points, start, iterations, tol, on_empty)


def test_the_farthest_point_leaves_its_cluster_for_the_empty_one(run: Run) -> None:
    points = np.array([[0.0], [1.0], [5.0], [-5.0], [20.0]])
    result, log = run(points, 3, 1, initial=np.array([[0.0], [19.0], [900.0]]))
    assert result.centroids.tolist() == [[-4 / 3], [20.0], [5.0]]
    move = EmptyCluster(iteration=1, key=2, action="move", row=3, distance=5.0)
    assert log.of(EmptyCluster) == [move]


def test_keep_leaves_the_centroid_of_an_empty_cluster_alone(run: Run) -> None:
    points = np.array([[0.0], [1.0], [5.0]])
    result, log = run(points, 2, 9, on_empty="keep", initial=np.array([[0.0], [900.0]]))
    assert as_plain(result) == ([[2.0], [900.0]], [3, 0], 14.0, 2, True)
    assert log.of(EmptyCluster) == [
        EmptyCluster(iteration=iteration, key=1, action="keep") for iteration in (1, 2)
    ]


# When it stops


def test_it_stops_at_the_iteration_limit(run: Run) -> None:
    result, log = run(np.arange(40.0)[:, None], 2, 3, initial=np.array([[0.0], [1.0]]), tol=0)
    assert (result.n_iter, result.converged) == (3, False)
    assert [event.iteration for event in log.of(IterationFinished)] == [1, 2, 3]
    (stopped,) = log.of(Stopped)
    assert stopped == Stopped(
        reason="not converged: a centroid still moved more than 0", iterations=3, inertia=result.inertia
    )


def test_it_stops_when_no_centroid_moves_more_than_tol(run: Run) -> None:
    start = np.array([[0.0], [1.0]])
    exact, _ = run(np.arange(40.0)[:, None], 2, initial=start, tol=0)
    assert as_plain(exact)[:2] == ([[9.5], [29.5]], [20, 20])
    assert exact.converged
    coarse, log = run(np.arange(40.0)[:, None], 2, initial=start, tol=2.0)
    shifts = [event.shift for event in log.of(IterationFinished)]
    assert [shift <= 2.0 for shift in shifts] == [False] * (coarse.n_iter - 1) + [True]
    assert log.of(Stopped)[0].reason == "converged: no centroid moved more than 2"
    assert coarse.n_iter < exact.n_iter


def test_an_infinite_tol_stops_after_one_iteration(run: Run) -> None:
    result, _ = run(np.array([[0.0], [4.0]]), 1, initial=np.array([[0.0]]), tol=math.inf)
    assert as_plain(result) == ([[2.0]], [2], 8.0, 1, True)


# Starts


def place_of(centroid: Centroid) -> list[float]:
    """Read a logged centroid."""
    return [float(word) for word in centroid.value.split(",")]


def initial_centroids(log: ListLog) -> list[list[float]]:
    return [place_of(event) for event in log.of(Centroid) if event.iteration == 0]


@pytest.mark.parametrize("init", ["random", "k-means++"])
@given(points=lists(POINT, min_size=1, max_size=40), k=integers(1, 6), seed=integers(0, 2**63 - 1))
@settings(max_examples=60)
def test_a_start_is_k_distinct_points(run: Run, init: str, points: Rows, k: int, seed: int) -> None:
    distinct = {tuple(point) for point in points}
    k = min(k, len(distinct))
    _, log = run(np.array(points), k, 1, init=init, seed=seed)
    _, combined = run(np.array(points), k, 1, init=init, seed=seed, combine=True)
    start = initial_centroids(log)
    assert initial_centroids(combined) == start
    chosen = {tuple(value) for value in start}
    assert len(start) == len(chosen) == k
    if init == "random":
        assert chosen <= distinct
    else:  # means of rows
        lowest, highest = np.min(points, axis=0), np.max(points, axis=0)
        slack = 1e-14 * np.maximum(abs(lowest), abs(highest))
        assert np.all((lowest - slack <= start) & (start <= highest + slack))


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_a_start_depends_on_the_seed_alone(run: Run, init: str) -> None:
    def start(**options: Any) -> list[list[float]]:
        return initial_centroids(run(FOUR_GROUPS, 3, 1, init=init, **options)[1])

    assert start(seed=1) == start(seed=1) == start(seed=1, combine=True, tol=5.0)
    assert len({repr(start(seed=seed)) for seed in range(5)}) == 5


def test_random_starts_choose_every_row_alike(run: Run) -> None:
    points = np.arange(5.0)[:, None]
    chosen = [initial_centroids(run(points, 2, 1, seed=seed)[1]) for seed in range(200)]
    counts = [sum([row] in start for start in chosen) for row in points.ravel().tolist()]
    assert sum(counts) == 400
    assert min(counts) > 50
    assert max(counts) < 110


def test_kmeans_plus_plus_finds_far_groups(run: Run) -> None:
    for seed in range(20):
        result, _ = run(FOUR_GROUPS * [1000, 1] + [0, 1e6], 2, init="k-means++", seed=seed)
        assert result.sizes.tolist() == [40, 40]


def test_kmeans_plus_plus_of_rows_whose_squared_distances_underflow(run: Run) -> None:
    result, _ = run(np.array([[0.0], [1e-200]]), 2, init="k-means++")
    assert sorted(result.centroids.tolist()) == [[0.0], [1e-200]]


def test_of_several_starts_the_least_inertia_wins(run: Run) -> None:
    result, log = run(FOUR_GROUPS, 4, n_init=8, seed=2)
    inertias = [event.inertia for event in log.of(Stopped)]
    assert [event.start for event in log.of(Stopped)] == list(range(1, 9))
    assert len(set(inertias)) > 1
    assert result.inertia == min(inertias)
    assert result.inertia < inertias[0]
    first, _ = run(FOUR_GROUPS, 4, n_init=1, seed=2)
    assert first.inertia == inertias[0]


@given(
    points=lists(lists(integers(0, 6), min_size=2, max_size=2), min_size=8, max_size=30),
    combine=sampled_from([False, True]),
    seed=integers(0, 10),
)
@settings(max_examples=60)
def test_starts_side_by_side_are_the_starts_one_by_one(
    run: Run, points: Rows, combine: bool, seed: int
) -> None:
    """Empty clusters too: on a small lattice there are many."""
    k = min(4, len({tuple(point) for point in points}))
    _, log = run(np.array(points, np.float64), k, n_init=3, seed=seed, tol=0, combine=combine)
    for start in (1, 2, 3):
        path = [event for event in log.of(Centroid) if event.start == start]
        initial = np.array([place_of(event) for event in path[:k]])
        alone, its_log = run(np.array(points, np.float64), k, initial=initial, tol=0, combine=combine)
        assert [replace(event, start=start) for event in its_log.of(Centroid)] == path
        (stopped,) = [event for event in log.of(Stopped) if event.start == start]
        assert stopped.inertia == alone.inertia
        assert stopped.iterations == alone.n_iter


# Few rows


@pytest.mark.parametrize("init", ["random", "k-means++"])
@pytest.mark.parametrize(
    ("rows", "k", "text"),
    [
        ([[1.0], [2.0], [1.0]], 3, "--k 3 is more than the input's 2 distinct rows"),
        ([[0.0], [-0.0]], 2, "--k 2 is more than the input's 1 distinct row"),
    ],
)
def test_k_beyond_the_distinct_rows_is_refused(run: Run, init: str, rows: Rows, k: int, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        run(np.array(rows), k, init=init)
    assert str(refused.value) == text


@pytest.mark.parametrize("init", ["random", "k-means++"])
@pytest.mark.parametrize("copies", [1, 300])
def test_k_as_many_as_distinct_rows_finds_them_all(run: Run, init: str, copies: int) -> None:
    rows = [[1.0, 0.0]] * copies + [[2.0, 5.0], [3.0, 0.0], [2.0, 5.0]]
    result, _ = run(np.array(rows), 3, init=init)
    assert sorted(result.centroids.tolist()) == [[1.0, 0.0], [2.0, 5.0], [3.0, 0.0]]
    assert sorted(result.sizes.tolist()) == sorted([copies, 2, 1])
    assert result.inertia == 0.0


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_one_cluster_is_the_mean(run: Run, init: str) -> None:
    result, _ = run(FOUR_GROUPS, 1, init=init, tol=0)
    mean = [math.fsum(column) / 80 for column in FOUR_GROUPS.T.tolist()]
    assert as_plain(result)[:2] == ([mean], [80])
    assert result.inertia == math.fsum(plain_squared(point, mean) for point in FOUR_GROUPS.tolist())


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_all_rows_equal(run: Run, init: str) -> None:
    points = np.full((50, 2), 0.1)
    assert as_plain(run(points, 1, init=init)[0]) == ([[0.1, 0.1]], [50], 0.0, 1, True)
    given = np.array([[0.0, 0.0], [9.0, 9.0]])
    result, _ = run(points, 2, initial=given)
    assert as_plain(result) == ([[0.1, 0.1], [0.1, 0.1]], [50, 0], 0.0, 2, True)
