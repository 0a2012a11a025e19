"""The estimator's parameters become a configuration, or a ValueError that names them."""

import re
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from common.errors import RunFailedError, UsageError
from master import KMeans, LogisticRegression
from master.estimator.checks import translate_option_names
from tests.master.estimator.samples import POINTS, cloud
from tests.programs import SAMPLE


def test_random_state() -> None:
    points = cloud()

    def centroids(random_state: Any) -> bytes:
        return KMeans(4, random_state=random_state).fit(points).cluster_centers_.tobytes()

    for kind in (np.random.RandomState, np.random.default_rng):
        assert centroids(kind(1)) == centroids(kind(1))
        assert len({centroids(state) for state in [kind(1)] * 4}) > 1  # one state goes on
    assert centroids(np.int64(3)) == centroids(3)
    assert len({centroids(None) for _ in range(8)}) > 1


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (
            {"n_clusters": 0},
            "The 'n_clusters' parameter of KMeans must be an int in the range [1, inf). Got 0",
        ),
        ({"n_clusters": 2.5}, "The 'n_clusters' parameter of KMeans must be an int in"),
        ({"n_clusters": 32}, "n_samples=31 should be >= n_clusters=32"),
        ({"max_iter": 0}, "The 'max_iter' parameter of KMeans must be an int in the range [1, inf). Got 0"),
        ({"n_init": "many"}, "The 'n_init' parameter of KMeans must be a str among {'auto'} or an int in"),
        ({"tol": -1}, "The 'tol' parameter of KMeans must be a float in the range [0.0, inf). Got -1"),
        (
            {"tol": float("nan")},
            "The 'tol' parameter of KMeans must be a float in the range [0.0, inf). Got nan",
        ),
        (
            {"random_state": -1},
            f"The 'random_state' parameter of KMeans must be an int in the range [0, {2**63 - 1}]",
        ),
        ({"random_state": 2**63}, "The 'random_state' parameter of KMeans must be an int in the range"),
        ({"random_state": "seed"}, "The 'random_state' parameter of KMeans must be an int in the range"),
        ({"init": "best"}, "The 'init' parameter of KMeans must be a str among {"),
        ({"init": 5}, "The 'init' parameter of KMeans must be a str among"),
        (
            {"init": POINTS[:3]},
            "The shape of the initial centers (3, 2) does not match the number of clusters 2.",
        ),
        ({"init": [[0, 1], [2, np.nan]]}, "Input init contains NaN."),
        ({"init": [[0, 1], [2, 1e200]]}, "init holds a number beyond ±3.12e+144"),
        (
            {"init": POINTS[:2], "n_init": 0},
            "The 'n_init' parameter of KMeans must be a str among {'auto'} or",
        ),
        ({"algorithm": "full"}, "The 'algorithm' parameter of KMeans must be a str among"),
        ({"on_empty": "ignore"}, "The 'on_empty' parameter of KMeans must be a str among"),
        ({"engine": "mpi"}, "engine is 'mpi', but must be one of 'grpc', 'inline', 'spark', 'dask'"),
        (
            {"engine": "grpc", "mappers": 0},
            "The 'mappers' parameter of KMeans must be an int in the range [1, inf)",
        ),
        ({"reducers": 0}, "The 'reducers' parameter of KMeans must be an int in the range [1, inf). Got 0"),
        ({"threads": 0}, "The 'threads' parameter of KMeans must be an int in the range [1, inf)"),
        ({"dump": "no/such/folder.txt"}, "dump no/such/folder.txt: No such file or directory"),
    ],
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        KMeans(**{"n_clusters": 2, **parameters}).fit(POINTS)


def test_centroids_to_start_from_that_float32_rows_cannot_keep() -> None:
    points, init = np.array([[0], [1]], np.float32), [[0.0], [1e39]]
    with pytest.raises(ValueError, match=re.escape("init holds a number beyond ±3.4e+38")):
        KMeans(2, init=init, on_empty="keep").fit(points)
    with pytest.warns(ConvergenceWarning, match="Number of distinct clusters"):
        model = KMeans(2, init=init, on_empty="keep").fit(points.astype(float))
    assert model.cluster_centers_[1] == 1e39


@pytest.mark.parametrize(
    ("threads", "text"),
    [
        ("2", "threads is '2', but must be an integer"),
        (1.5, "threads is 1.5, but must be an integer"),
        (0, "threads is 0, but must be 1 or more"),
    ],
)
@pytest.mark.parametrize(
    "method", [KMeans.transform, KMeans.predict, KMeans.score, LogisticRegression.predict]
)
def test_threads_that_make_no_sense_to_a_fitted_model(method: Any, threads: Any, text: str) -> None:
    model = LogisticRegression() if method is LogisticRegression.predict else KMeans(2)
    model.fit(POINTS, POINTS[:, 0] > 0).set_params(threads=threads)
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        method(model, POINTS)


@pytest.mark.parametrize(
    ("init", "starts"), [("k-means++", 1), ("random", 10), (cloud()[:7], 1), (cloud()[:7].tolist(), 1)]
)
def test_auto_is_as_many_starts_as_in_scikit_learn(init: Any, starts: int) -> None:
    def centroids(n_init: Any) -> Any:
        return KMeans(7, init=init, n_init=n_init, random_state=3).fit(cloud()).cluster_centers_.tolist()

    assert centroids("auto") == centroids(starts)
    assert starts == 1 or centroids("auto") != centroids(1)


def test_an_array_is_one_start_and_more_are_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match="^Explicit initial center position passed") as caught:
        several = KMeans(2, init=POINTS[:2], n_init=10).fit(POINTS)
    assert caught[0].filename == __file__
    one = KMeans(2, init=POINTS[:2]).fit(POINTS)
    assert several.cluster_centers_.tolist() == one.cluster_centers_.tolist()


def test_a_function_chooses_each_start() -> None:
    seen = []

    def choose(X: Any, n_clusters: int, random_state: np.random.RandomState) -> Any:
        seen.append(X[random_state.choice(len(X), n_clusters, replace=False)])
        return seen[-1]

    model = KMeans(3, init=choose, n_init=4, random_state=7).fit(POINTS)
    ends = [KMeans(3, init=start).fit(POINTS) for start in seen]
    assert len(seen) == 4
    assert model.inertia_ == min(end.inertia_ for end in ends)
    assert KMeans(3, init=choose, n_init=4, random_state=7).fit(POINTS).inertia_ == model.inertia_
    with pytest.raises(ValueError, match=r"^init is a function of the rows, which are at hand only if X is"):
        KMeans(3, init=choose).fit(SAMPLE)


@pytest.mark.parametrize("init", ["random", "k-means++", [[1, 1], [1, 1], [5, 5]]])
def test_fewer_distinct_rows_than_clusters_leave_clusters_empty(init: Any) -> None:
    rows = [[1, 1], [5, 5], [1, 1], [1, 1]]
    text = r"^Number of distinct clusters \(2\) found smaller than n_clusters \(3\)"
    with pytest.warns(ConvergenceWarning, match=text):
        model = KMeans(3, init=init, random_state=0).fit(rows)
    assert model.inertia_ == 0
    assert len(set(model.labels_)) == 2
    assert model.cluster_centers_[model.labels_].tolist() == rows


def test_algorithm_and_copy_x_change_nothing() -> None:
    points = POINTS.copy()
    fits = [
        KMeans(3, random_state=0, algorithm=algorithm, copy_x=copy_x).fit(points)
        for algorithm, copy_x in (("lloyd", True), ("elkan", True), ("lloyd", False))
    ]
    assert len({fit.cluster_centers_.tobytes() for fit in fits}) == 1
    assert points.tobytes() == POINTS.tobytes()


def test_errors_name_the_parameter_not_the_option() -> None:
    with (
        pytest.raises(ValueError, match=r"^n_clusters 3 and engine differ from init$"),
        translate_option_names(),
    ):
        raise UsageError("--k 3 and --engine differ from --init-centroids")
    with pytest.raises(RunFailedError, match="--k"), translate_option_names():
        raise RunFailedError("--k")
