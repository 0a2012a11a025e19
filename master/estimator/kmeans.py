"""K-Means with scikit-learn's interface, on every engine.

An array is clustered in this process, by as many threads as there are cores; a file, given by its
path, is too, or on mapper and reducer processes. The centroids are those of the command line with
the same start and seed, to the last bit:

>>> import numpy as np
>>> from master import KMeans
>>> points = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 0.0], [10.0, 2.0], [10.0, 4.0], [10.0, 0.0]])
>>> model = KMeans(n_clusters=2, random_state=0).fit(points)
>>> np.sort(model.cluster_centers_, axis=0)
array([[ 1.,  2.],
       [10.,  2.]])
>>> model.inertia_
16.0
>>> near, far = model.predict([[0.0, 0.0], [12.0, 3.0]])
>>> bool(near == model.labels_[0]), bool(far == model.labels_[3])
(True, True)
>>> model.transform([[1.0, 5.0]]).min()
np.float64(3.0)

The inertia after each iteration:

>>> model = KMeans(2, init=points[2:4], compute_sse=True).fit(points)
>>> model.sse_history_.tolist(), model.inertia_
([16.0, 16.0], 16.0)

Two mapper processes and a reducer, on a file; `dump` keeps the log of all that happened:

>>> model = KMeans(2, random_state=0, engine="grpc", mappers=2).fit("data/input/points.txt")
>>> model.labels_.shape
(31,)
"""

import math
import os
import warnings
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common.errors import UsageError
from common.formats.dataset import open_input
from common.kernels.nearest.distance import distances
from common.kernels.sparse import SparseRows
from common.machine import cores
from common.model import FloatArray, IntArray, PointArray
from master.algorithms.kmeans.loop import KMeansResult
from master.algorithms.kmeans.measures import Measures
from master.algorithms.kmeans.unit import INPUT_UNIT
from master.engines.inline import load_rows
from master.estimator.arrays import Labelling
from master.estimator.checks import (
    doubts_about_copies,
    threads_of,
    translate_option_names,
    with_parameters,
)
from master.estimator.opening import OpensRows
from master.estimator.parameters import KMEANS_RULES, kmeans_config
from master.estimator.sources import Data, kind_of
from master.estimator.text_file import TextFile


@dataclass(eq=False, repr=False)
class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, OpensRows):  # type: ignore[misc]
    """K-Means by MapReduce: exact, and the same bits whatever engine, mappers, reducers and threads.

    Data, wherever `X` stands: an array, a data frame or a nested list of numbers, all of them there and
    none masked (float32 is kept as it is, in half the memory; sums are float64 anyway); a sparse matrix,
    in this process alone; or the path of a file that the command line can read, or a `TextFile`, which also
    says how. An RDD of vectors or a data frame of Spark's, an
    array or a data frame of Dask's is clustered where it lies, on its own cluster, whatever the engine; its
    rows are not copied to this process, but labels are, 4 bytes a row.

    Parameters
    ----------
    n_clusters
        Number of clusters, from 1 to the number of rows. If fewer rows are distinct, clusters remain empty,
        and there is a ConvergenceWarning.
    init
        "k-means++": points that lie far apart, by scalable k-means++ (k-means||); "random": random rows; an
        array of shape (n_clusters, n_features) to start from; or a function of an array `X`, n_clusters and
        random_state that returns one.
    n_init
        Number of starts to try, side by side; the one with the least inertia is kept. "auto": 10 for
        init "random" or a function, else 1. An array is one start; for more there is a RuntimeWarning.
    max_iter
        Maximum number of iterations.
    tol
        Stop when no centroid moves farther: a Euclidean distance in the unit of the data, for each
        centroid alone, as the command line's --tol. scikit-learn scales its own by the data's variance;
        `tol * np.sqrt(X.var(axis=0).mean())` is of the same kind. 0: stop when nothing moves at all. A tol
        that is too large for the data gives a ConvergenceWarning.
    random_state
        Every random choice follows from it. An integer is the command line's --seed; a
        `numpy.random.RandomState` or `Generator` draws one; None: another one for each fit.
    scale
        Cluster rows whose columns have mean 0 and standard deviation 1, and scale new rows so, too. `tol`,
        `inertia_` and `transform` are in that unit, `cluster_centers_` in that of the data.
    metric
        "euclidean", or "cosine": cluster rows divided by their lengths, as new rows are; `cluster_centers_`
        are divided by theirs at the end. Neither this nor `scale` takes a sparse matrix.
    on_empty
        An empty cluster takes the point "farthest" from its centroid, or with "keep" keeps its centroid.
    engine
        "inline": this process. "grpc": mapper and reducer processes of this machine; they end with the
        fit, and their folders, an array's copy among them, lie in a private temporary folder meanwhile.
        "spark", "dask": the Spark context or the Dask client that there is, or one of its own for the
        time of the fit; for files that every worker can read, and arrays if the workers are on this machine.
        Dask's own workers import the script that starts them: there, fit below `if __name__ == "__main__":`.
    mappers, reducers
        Processes of engine "grpc", tasks of "spark" and "dask"; mappers None: as many as there are cores.
    threads
        Of each mapper, or of this process; None: the mappers share the cores.
    compute_sse
        Keep the inertia after each iteration; it costs one more pass over the data for each.
    compute_scores
        Keep `scores_`; it costs some passes over the data.
    compute_labels
        Keep `labels_`; False spares a pass over the data, and the 4 bytes a row.
    columns
        Of a file: the columns to use, by name or by position from 1 ("x,y" or "1,3-5"); None: all.
    dump
        Path of a log file of all events of a fit; None: no log.
    verbose
        Show what the command line shows, and scikit-learn's lines between.
    algorithm
        "lloyd" or "elkan", as in scikit-learn: here these are the same.
    copy_x
        As in scikit-learn; no effect, because `X` is never changed.

    Attributes
    ----------
    cluster_centers_
        Shape (n_clusters, n_features), float64; float32 if `X` was an array of float32.
    labels_
        Shape (n_samples,), int32: the nearest centroid of each row, ties to the lowest index.
    inertia_
        Sum of the rows' squared distances to their nearest centroids, rounded once.
    n_iter_
        Iterations run.
    sse_history_
        With `compute_sse`: the inertia after each iteration, shape (n_iter_,).
    scores_
        With `compute_scores`: by name, the measures that the command line prints for several `--k`, nan where
        one is not defined.
    n_features_in_, feature_names_in_
        Columns in `fit`; their names if `X` was a data frame that has them.
    """

    n_clusters: int = 8
    _: KW_ONLY
    init: Any = "k-means++"
    n_init: int | str = "auto"
    max_iter: int = 300
    tol: float = 1e-4
    random_state: Any = None
    scale: bool = False
    metric: str = "euclidean"
    on_empty: str = "farthest"
    engine: str = "inline"
    mappers: int | None = None
    reducers: int = 1
    threads: int | None = None
    compute_sse: bool = False
    compute_scores: bool = False
    compute_labels: bool = True
    columns: str | None = None
    dump: str | os.PathLike[str] | None = None
    verbose: int = 0
    algorithm: str = "lloyd"
    copy_x: bool = True

    _parameter_constraints: ClassVar = KMEANS_RULES

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Cluster the rows of `X`; `y` is ignored.

        A row of weight w counts as w rows would, and one of weight 0 as none; all get labels. The weights
        of an array's rows are another array, shape (n_samples,); those of a file are a column of it, by its
        name or by its position from 1, as a text.

        Raises
        ------
        ValueError
            A parameter, the content of `X` or a weight is invalid.
        RunFailedError
            The processes of engine "grpc", or the cluster, could not finish.
        """
        self._validate_params()
        with self._open(X, sample_weight, reset=True) as data:
            config = kmeans_config(self, data)
            result = data.fit(config)
            labels = data.labels(result.centroids, result.unit) if self.compute_labels else None
            scores = data.measures(result) if self.compute_scores else None
        for doubt in (*result.doubts, *doubts_about_copies(result)):
            warnings.warn(with_parameters(doubt), ConvergenceWarning, stacklevel=2)
        self._keep(data, config.n_init, result, labels, scores)
        return self

    def _keep(
        self,
        data: Data,
        n_init: int,
        result: KMeansResult,
        labels: IntArray | None,
        scores: Measures | None,
    ) -> None:
        """Keep what a fit to the data, with so many starts, has found."""
        self._forget("labels_", "sse_history_", "scores_")
        self.cluster_centers_ = result.unit.restore(result.centroids).astype(data.dtype)
        self._unit = result.unit
        self._in_unit = None if result.unit is INPUT_UNIT else result.centroids
        self.inertia_, self.n_iter_, self._n_init = result.inertia, result.n_iter, n_init
        if scores is not None:
            self.scores_ = {name: math.nan if it is None else it for name, it in vars(scores).items()}
        if labels is not None:
            self.labels_ = labels
        if self.compute_sse:
            self.sse_history_ = np.array(result.history)

    def predict(self, X: Any) -> IntArray:
        """Return each row's nearest centroid, int32, shape (n_samples,)."""
        check_is_fitted(self)
        labelling = Labelling(self, self._centroids)
        with self._open(X, reset=False, look=labelling if self._in_unit is None else None) as data:
            if labelling.labels is not None:
                return labelling.labels
            return data.labels(self._centroids, self._unit)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> IntArray:
        """Cluster the rows, and return each one's cluster; else as `fit`."""
        self.fit(X, y, sample_weight)
        return self.labels_ if self.compute_labels else self.predict(X)

    def transform(self, X: Any) -> FloatArray:
        """Return each row's distance to every centroid, float64, shape (n_samples, n_clusters)."""
        check_is_fitted(self)
        kind = kind_of(X)
        if kind == "array":
            return self._distances(self._rows(X, reset=False))
        with translate_option_names():
            if kind != "file":
                raise UsageError("transform accepts an array or a file")
            source = TextFile.of(X, self.columns)
            file = open_input(Path(source.path), source.columns, options=source.options)
            self._check_columns(len(file.input.columns), reset=False)
            return self._distances(cast(PointArray, load_rows(file)))

    def _distances(self, rows: PointArray | SparseRows) -> FloatArray:
        if self._in_unit is not None:
            rows = self._unit.enter(cast(PointArray, rows))
        return distances(rows, self._centroids, threads_of(self) or cores())

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> FloatArray:
        """Cluster the rows, and return each one's distance to every centroid; else as `fit`."""
        return self.fit(X, y, sample_weight).transform(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the negative inertia of the rows, the more the better; else as `fit`."""
        check_is_fitted(self)
        with self._open(X, sample_weight, reset=False) as data:
            return -data.inertia(self._centroids, self._unit)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def _centroids(self) -> FloatArray:
        """The centroids in the unit of the fit."""
        if self._in_unit is None:
            return self.cluster_centers_.astype(np.float64)
        return self._in_unit

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)
