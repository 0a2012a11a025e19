"""Several numbers of clusters with scikit-learn's habits."""

import doctest
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import master.estimator.search
from master import KMeans, KMeansSearch
from tests.master.estimator.samples import cloud
from tests.programs import SAMPLE


@parametrize_with_checks([KMeansSearch(KMeans(random_state=0), ks=[2, 3])])  # type: ignore[untyped-decorator]
def test_scikit_learn_takes_it_for_one_of_its_own(estimator: Any, check: Any) -> None:
    check(estimator)


def test_examples_of_the_documentation() -> None:
    result = doctest.testmod(master.estimator.search)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_each_number_of_clusters_has_the_model_that_it_has_alone(dtype: str, weighted: bool) -> None:
    points = pd.DataFrame(cloud().astype(dtype), columns=["x", "y", "z"])
    weights = np.arange(len(points)) % 4 + 0.5 if weighted else None
    template = KMeans(random_state=3, n_init=2, compute_sse=True, compute_scores=True)
    found = KMeansSearch(template, ks=[5, 2, 3, 2]).fit(points, sample_weight=weights)
    assert found.results_["n_clusters"].tolist() == [2, 3, 5]
    for k, model in found.estimators_.items():
        alone = clone(template).set_params(n_clusters=k).fit(points, sample_weight=weights)
        assert model.get_params() == alone.get_params()
        kept = set(vars(alone)) - ({"labels_"} if k != found.best_k_ else set())
        assert set(vars(model)) == kept
        for name in kept - set(alone.get_params()):
            assert np.array_equal(getattr(model, name), getattr(alone, name)), name


def test_measures_and_the_best_by_each() -> None:
    points = cloud()
    for measure in ("silhouette", "davies_bouldin"):
        found = KMeansSearch(KMeans(random_state=0), ks=range(1, 6), measure=measure).fit(points)
        assert found.best_k_ == found.preferred_[measure]
        assert found.predict(points).tolist() == found.labels_.tolist()
        at = found.results_["n_clusters"].tolist().index(found.best_k_)
        measured = {name: values[at] for name, values in found.results_.items()}
        assert measured["calinski_harabasz"] == pytest.approx(calinski_harabasz_score(points, found.labels_))
        assert measured["davies_bouldin"] == pytest.approx(davies_bouldin_score(points, found.labels_))
        silhouette = silhouette_score(points, found.labels_, metric="sqeuclidean")
        assert measured["silhouette"] == pytest.approx(silhouette)
        assert np.isnan(found.results_["silhouette"][0])


def test_a_file() -> None:
    found = KMeansSearch(KMeans(random_state=0), [2, 4]).fit(SAMPLE)
    assert found.best_estimator_.labels_.shape == (31,)
    assert found.n_features_in_ == 2


@pytest.mark.parametrize(
    ("search", "text"),
    [
        (KMeansSearch(ks=[]), "ks is empty; give some numbers of clusters"),
        (KMeansSearch(ks=[2, 2.5]), "ks is 2.5, but must be an integer"),  # type: ignore[list-item]
        (KMeansSearch(ks=[0, 2]), "n_clusters is 0, but must be 1 or more"),
        (KMeansSearch(ks=[2, 99999]), "n_samples=500 should be >= n_clusters=99999"),
        (KMeansSearch(measure="best"), "measure is 'best', but must be one of 'calinski_harabasz'"),
        (KMeansSearch(KMeans(init=cloud()[:2])), "init must be 'k-means\\+\\+' or 'random' for several"),
    ],
)
def test_what_is_refused(search: KMeansSearch, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        search.fit(cloud())


def test_nothing_is_predicted_before_a_fit() -> None:
    with pytest.raises(NotFittedError):
        KMeansSearch().predict(cloud())
