"""The estimator's parameters become a configuration, or a ValueError that names them."""

import re
from typing import Any

import numpy as np
import pytest

from common.errors import RunFailedError, UsageError
from master import KMeans
from master.estimator.checks import translate_option_names
from tests.master.estimator.samples import POINTS, cloud


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
        ({"n_clusters": 0}, "n_clusters is 0, but must be 1 or more"),
        ({"n_clusters": 2.5}, "n_clusters is 2.5, but must be an integer"),
        ({"n_clusters": 32}, "n_samples=31 is less than n_clusters=32"),
        ({"max_iter": 0}, "max_iter is 0, but must be 1 or more"),
        ({"n_init": "many"}, "n_init is 'many', but must be an integer"),
        ({"tol": -1}, "tol is -1.0, but must be 0 or more"),
        ({"tol": float("nan")}, "tol is nan, but must be 0 or more"),
        ({"random_state": -1}, "random_state is -1, but must be 0 or more"),
        ({"random_state": 2**63}, f"random_state is {2**63}, but must be {2**63 - 1} or less"),
        ({"random_state": "seed"}, "random_state is 'seed', but must be an integer"),
        ({"init": "best"}, "init is 'best', but must be one of 'random', 'k-means++'"),
        ({"init": len}, "init must be 'k-means++', 'random' or an array of numbers"),
        ({"init": POINTS[:3]}, "init has shape (3, 2), expected (2, 2)"),
        ({"init": [[0, 1], [2, np.nan]]}, "init holds nan, infinity or a number that is too large"),
        ({"init": POINTS[:2], "n_init": 0}, "n_init is 0, but must be 1 or more"),
        ({"algorithm": "full"}, "algorithm is 'full', but must be one of 'lloyd', 'elkan'"),
        ({"on_empty": "ignore"}, "on_empty is 'ignore', but must be one of 'farthest', 'keep'"),
        ({"engine": "mpi"}, "engine is 'mpi', but must be one of 'grpc', 'inline'"),
        ({"engine": "grpc", "mappers": 0}, "mappers is 0, but must be 1 or more"),
        ({"reducers": 0}, "reducers is 0, but must be 1 or more"),
        ({"threads": 0}, "threads is 0, but must be 1 or more"),
        ({"dump": "no/such/folder.txt"}, "dump no/such/folder.txt: No such file or directory"),
    ],
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        KMeans(**{"n_clusters": 2, **parameters}).fit(POINTS)


@pytest.mark.parametrize(
    ("init", "starts"), [("k-means++", 1), ("random", 10), (cloud()[:7], 1), (cloud()[:7].tolist(), 1)]
)
def test_auto_is_as_many_starts_as_in_scikit_learn(init: Any, starts: int) -> None:
    def centroids(n_init: Any) -> Any:
        return KMeans(7, init=init, n_init=n_init, random_state=3).fit(cloud()).cluster_centers_.tolist()

    assert centroids("auto") == centroids(starts)
    assert starts == 1 or centroids("auto") != centroids(1)


def test_an_array_is_one_start_and_more_are_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match="^init is the only start; n_init=10 is ignored$") as caught:
        several = KMeans(2, init=POINTS[:2], n_init=10).fit(POINTS)
    assert caught[0].filename == __file__
    one = KMeans(2, init=POINTS[:2]).fit(POINTS)
    assert several.cluster_centers_.tolist() == one.cluster_centers_.tolist()


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
