"""K-Means with several numbers of clusters at once, with scikit-learn's interface, on every engine.

>>> import numpy as np
>>> from master import KMeans, KMeansSearch
>>> points = np.array([[0.0, 0.1], [0.1, 0.0], [0.0, 0.0], [5.0, 5.1], [5.1, 5.0], [9.0, 0.1], [9.1, 0.0]])
>>> search = KMeansSearch(KMeans(random_state=0), ks=range(2, 6)).fit(points)
>>> search.best_k_
3
>>> search.best_estimator_.cluster_centers_.shape
(3, 2)
>>> [round(float(value), 3) for value in search.results_["silhouette"]]
[0.749, 1.0, 0.714, 0.428]
"""

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common.errors import UsageError
from common.model import IntArray
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.measures import MEASURES
from master.algorithms.kmeans.search import search
from master.estimator.checks import integer, one_of, translate_option_names, with_parameters
from master.estimator.kmeans import KMeans
from master.estimator.parameters import kmeans_config
from master.estimator.sources import Data


@dataclass(eq=False, repr=False)
class KMeansSearch(MetaEstimatorMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Try several numbers of clusters side by side, measure the results, and keep the best.

    Each result is the one that `estimator` has with that number of clusters alone. docs/CHOOSING_K.md says
    what the measures are.

    Parameters
    ----------
    estimator
        A `KMeans` with all other parameters, its `init` not an array; None: `KMeans()`.
    ks
        The numbers of clusters to try.
    measure
        What decides which number is the best: "silhouette" (of squared distances), "simplified_silhouette",
        "calinski_harabasz" or "davies_bouldin".

    Attributes
    ----------
    results_
        By name, an array with a value for each number of clusters: "n_clusters", in ascending order,
        "inertia", the measures, nan where one is not defined, and "n_iter".
    preferred_
        The number of clusters that each measure prefers.
    best_k_, best_estimator_, labels_
        The best number of clusters, the `KMeans` with it, and each row's cluster. If the measure is defined
        for no number, the least one.
    estimators_
        The `KMeans` for each number of clusters, all with `scores_`; only the best one has `labels_`.
    n_features_in_, feature_names_in_
        As those of `best_estimator_`.
    """

    estimator: KMeans | None = None
    ks: Sequence[int] = tuple(range(2, 11))
    _: KW_ONLY
    measure: str = "silhouette"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Cluster the rows of `X`, as `KMeans.fit` does, with each number of clusters; `y` is ignored."""
        model = KMeans() if self.estimator is None else clone(self.estimator)
        with translate_option_names():
            one_of("measure", self.measure, *MEASURES)
            ks = sorted({integer("ks", k) for k in self.ks})
            if not ks:
                raise UsageError("ks is empty; give some numbers of clusters")
            if not isinstance(model.init, str):
                raise UsageError("init must be 'k-means++' or 'random' for several numbers of clusters")
        with model._open(X, sample_weight, reset=True) as data:
            configs = _configs(model, ks, data)
            unit = data.unit(configs[0])
            found = search(unit.on(data.engine), data.rows, configs, data.log).in_unit(unit)
            best = found.best_by(self.measure)
            labels = data.labels(best.centroids, unit) if model.compute_labels else None
        self.estimators_ = {}
        for config, result, scores in zip(configs, found.results, found.measures, strict=True):
            self.estimators_[config.k] = fitted = _prepared(model, config.k)
            fitted._keep(data, config.n_init, result, labels if result is best else None, scores)
        self.preferred_, self.best_k_ = found.preferred, len(best.centroids)
        self.best_estimator_ = self.estimators_[self.best_k_]
        renamed = {"k": "n_clusters", "iterations": "n_iter"}
        self.results_ = {
            renamed.get(name, name): np.array(
                [np.nan if row[name] is None else row[name] for row in found.figures]
            )
            for name in found.figures[0]
        }
        for doubt in best.doubts:
            warnings.warn(with_parameters(doubt), ConvergenceWarning, stacklevel=2)
        return self

    def predict(self, X: Any) -> IntArray:
        """Return each row's nearest centroid of the best number of clusters."""
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def labels_(self) -> IntArray:
        """Each row's cluster."""
        return self.best_estimator_.labels_

    @property
    def n_features_in_(self) -> int:
        """Columns in `fit`."""
        features: int = self.best_estimator_.n_features_in_
        return features


def _configs(model: KMeans, ks: Sequence[int], data: Data) -> list[KMeansConfig]:
    """Return what a fit does for each number of clusters; the seed is drawn once."""
    largest = kmeans_config(clone(model).set_params(n_clusters=ks[-1]), data)
    return [replace(largest, k=k) for k in ks]


def _prepared(model: KMeans, k: int) -> KMeans:
    """Return a model of its own for so many clusters, which knows the columns."""
    prepared: KMeans = clone(model).set_params(n_clusters=k)
    prepared.n_features_in_ = model.n_features_in_
    if hasattr(model, "feature_names_in_"):
        prepared.feature_names_in_ = model.feature_names_in_
    return prepared
