"""The estimator's parameters as the configuration of a run."""

import os
import warnings
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions

from common.engines.vectors import is_masked
from common.errors import UsageError
from common.formats.columns import LARGEST, are_usable
from common.kernels.sparse import SparseRows
from common.machine import cores
from common.model import FloatArray, FloatType, PointArray
from master.algorithms.kmeans.config import KMeansConfig
from master.engines.table import ENGINES
from master.estimator.checks import integer, one_of, threads_of
from master.estimator.sources import Data, RunSettings
from master.options.declare import EngineName
from master.options.groups import WorkerOptions

_FROM_1 = Interval(Integral, 1, None, closed="left")
_STARTS_AT_RANDOM = 10

KMEANS_RULES: dict[str, list[Any]] = {
    "n_clusters": [_FROM_1],
    "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
    "n_init": [StrOptions({"auto"}), _FROM_1],
    "max_iter": [_FROM_1],
    "tol": [Interval(Real, 0, None, closed="left")],
    "random_state": [
        Interval(Integral, 0, 2**63 - 1, closed="both"),
        np.random.RandomState,
        np.random.Generator,
        None,
    ],
    "scale": ["boolean"],
    "metric": [StrOptions({"euclidean", "cosine"})],
    "on_empty": [StrOptions({"farthest", "keep"})],
    "engine": [str],  # `run_settings` knows which: their table may grow
    "mappers": [_FROM_1, None],
    "reducers": [_FROM_1],
    "threads": [_FROM_1, None],
    "compute_sse": ["boolean"],
    "compute_scores": ["boolean"],
    "compute_labels": ["boolean"],
    "columns": [str, None],
    "dump": [str, os.PathLike, None],
    "verbose": ["verbose"],
    "algorithm": [StrOptions({"lloyd", "elkan"})],
    "copy_x": ["boolean"],
}
"""What each parameter of KMeans may be, as scikit-learn declares it."""


def run_settings(model: Any, engine: str) -> RunSettings:
    """Return how a model's jobs run on an engine."""
    workers = WorkerOptions(
        engine=EngineName(one_of("engine", engine, *ENGINES)),
        mappers=cores() if model.mappers is None else integer("mappers", model.mappers),
        reducers=integer("reducers", model.reducers),
        threads=threads_of(model),
    )
    dump = None if model.dump is None else Path(model.dump)
    return RunSettings(workers, dump, verbose=bool(model.verbose))


def kmeans_config(model: Any, data: Data) -> KMeansConfig:
    """Return what a model's fit to the data does; its parameters are valid."""
    k = int(model.n_clusters)
    if k > data.rows:
        raise UsageError(f"n_samples={data.rows} should be >= n_clusters={k}")
    if k == 1 and model.algorithm == "elkan":
        only = "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead."
        warnings.warn(only, RuntimeWarning, stacklevel=3)
    named, starts, seed = isinstance(model.init, str), _starts(model), _seed(model.random_state)
    return KMeansConfig(
        k=k,
        iterations=int(model.max_iter),
        tol=float(model.tol),
        init=model.init if named else "random",
        initial=None if named else _given(model.init, k, starts, seed, data),
        n_init=starts,
        on_empty=model.on_empty,
        scale=bool(model.scale),
        metric=model.metric,
        weights=data.weights,
        seed=seed,
        history=bool(model.compute_sse),
        logged=model.dump is not None or bool(model.verbose),
        single=data.dtype == np.float32,
    )


def _starts(model: Any) -> int:
    """Return how many starts to try, by scikit-learn's rules."""
    given = not isinstance(model.init, str) and not callable(model.init)
    if model.n_init == "auto":
        return 1 if given or model.init == "k-means++" else _STARTS_AT_RANDOM
    if given and model.n_init > 1:
        only = (
            "Explicit initial center position passed: performing only one init in KMeans instead of "
            f"n_init={model.n_init}."
        )
        warnings.warn(only, RuntimeWarning, stacklevel=4)
        return 1
    return int(model.n_init)


def _given(init: Any, k: int, starts: int, seed: int, data: Data) -> FloatArray:
    """Return the centroids to start from: an array's, or what a function returns for each start."""
    if not callable(init):
        return _centroids(init, k, data)
    if data.points is None:
        raise UsageError("init is a function of the rows, which are at hand only if X is an array")
    random_state = np.random.RandomState(seed % 2**32)
    rows = _as_given(data.points)
    found = [init(rows, k, random_state=random_state) for _ in range(starts)]
    return np.stack([_centroids(centroids, k, data) for centroids in found])


def _as_given(points: PointArray | SparseRows) -> Any:
    if isinstance(points, SparseRows):
        return csr_array((points.values, points.places, points.starts), shape=points.shape)
    return points


def _centroids(init: Any, k: int, data: Data) -> FloatArray:
    if is_masked(init):
        raise UsageError("init holds masked values; fill in numbers")
    centroids: FloatArray = check_array(init, dtype=np.float64, order="C", copy=True, input_name="init")
    for found, expected, what in (
        (len(centroids), k, "number of clusters"),
        (centroids.shape[1], data.columns, "number of features of the data"),
    ):
        if found != expected:
            shape = f"The shape of the initial centers {centroids.shape}"
            raise UsageError(f"{shape} does not match the {what} {expected}.")
    kind = FloatType(np.dtype(data.dtype).name)
    if not are_usable(centroids, kind):
        raise UsageError(f"init holds a number beyond ±{LARGEST[kind]:.3g}")
    return centroids


def _seed(random_state: Any) -> int:
    if random_state is None:
        random_state = np.random.default_rng()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    return int(random_state)
