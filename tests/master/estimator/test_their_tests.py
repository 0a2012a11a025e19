"""scikit-learn's own tests of its KMeans, from the installed package, with ours in its place."""

from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sklearn.cluster
from sklearn.cluster import MiniBatchKMeans

from master import KMeans

PRIVATE = {
    "test_relocate_empty_clusters": "calls _relocate_empty_clusters_dense",
    "test_euclidean_distance": "calls _euclidean_dense_dense_wrapper",
    "test_inertia": "calls _inertia_dense",
    "test_is_same_clustering": "calls _is_same_clustering",
    "test_sample_weight_init": "calls KMeans._init_centroids",
    "test_sample_weight_zero": "calls KMeans._init_centroids",
}
"""Tests left out because they test private functions; test_kmeans.py tests how weights decide the start."""

OF_OTHERS = {
    "test_k_means_function": "the function k_means, which makes scikit-learn's KMeans",
    "test_kmeans_plusplus": "the function kmeans_plusplus",
    "test_minibatch": "MiniBatchKMeans",
}
"""Tests left out, by how their names begin, because they test something else."""

OF_THEIR_START = {
    "test_score_max_iter": "takes a start by k-means++ to be worse than where it leads; ours is as good here",
}
"""Tests left out because only scikit-learn's start behaves so."""


def _load() -> ModuleType:
    """Import their module anew, while scikit-learn's KMeans is ours."""
    found = find_spec("sklearn.cluster.tests.test_k_means")
    assert found
    assert found.loader
    module = module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.cluster, "KMeans", KMeans)
        patch.setattr(sklearn.cluster._kmeans, "KMeans", KMeans)
        found.loader.exec_module(module)
    return module


def _cases_of_k_means(mark: pytest.Mark) -> Iterator[pytest.Mark]:
    """Leave out the cases of MiniBatchKMeans."""
    if mark.name != "parametrize":
        yield mark
        return
    names, cases, *_ = mark.args
    kept = [case for case in cases if not _is_of_mini_batch(case)]
    yield pytest.mark.parametrize(names, kept, **mark.kwargs).mark


def _is_of_mini_batch(case: Any) -> bool:
    return any(value is MiniBatchKMeans for value in (case if isinstance(case, tuple) else (case,)))


def _tests() -> Iterator[tuple[str, Any]]:
    for name, test in vars(_load()).items():
        if (
            name.startswith("test_")
            and name not in PRIVATE | OF_THEIR_START
            and not name.startswith(tuple(OF_OTHERS))
        ):
            test.pytestmark = [
                kept for mark in getattr(test, "pytestmark", []) for kept in _cases_of_k_means(mark)
            ]
            yield name, test


globals().update(_tests())


@pytest.fixture
def global_random_seed() -> int:
    return 42


@pytest.fixture(params=[np.float32, np.float64])
def global_dtype(request: pytest.FixtureRequest) -> Any:
    return request.param
