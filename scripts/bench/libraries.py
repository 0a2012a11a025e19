"""One fit by a library, or one use of what it fitted, in a process of its own; prints what it took as JSON.

The data are in memory, for Spark in its cache, in the type asked for, and the library has done a little fit
before the clock starts.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_WARM_UP_ROWS = 1000
_PRINTED = ("seconds", "iterations")
METHODS = ("predict", "transform", "score")
"""What a fitted model is asked for."""


@dataclass(frozen=True)
class Task:
    """What to fit."""

    points: Array  # shape (rows, d)
    initial: Array  # shape (k, d), or (n, k, d): the best of n starts (scikit-learn only)
    iterations: int  # at most
    threads: int
    count: bool = False  # count the iterations of all starts, which takes time (scikit-learn only)


@dataclass(frozen=True)
class Fit:
    """What came of it."""

    seconds: float  # of the fit alone
    centroids: Array  # shape (k, d)
    iterations: int | None = None  # of all starts together; None: not known
    labels: Array | None = None  # shape (rows,); None: the fit doesn't find them


def _timed(fit: Callable[[], Any]) -> tuple[float, Any]:
    began_s = time.perf_counter()
    found = fit()
    return time.perf_counter() - began_s, found


def _sklearn(task: Task, algorithm: str) -> Fit:
    from threadpoolctl import threadpool_limits

    starts: dict[str, Any] = {}
    if several := task.initial.ndim == 3:
        # scikit-learn subtracts the mean of the columns before it asks for a start.
        given = iter(task.initial - task.points.mean(axis=0))
        starts = {"init": lambda *_, **__: next(given), "n_init": len(task.initial)}
    model = _sklearn_model(task, algorithm=algorithm, verbose=int(task.count), **starts)
    said = io.StringIO()
    with threadpool_limits(task.threads), contextlib.redirect_stdout(said):
        seconds, _ = _timed(lambda: model.fit(task.points))
    counted = sum(line.startswith("Iteration ") for line in said.getvalue().splitlines())
    iterations = counted or (None if several else int(model.n_iter_))
    return Fit(seconds, model.cluster_centers_, iterations, model.labels_)


def _sklearn_model(task: Task, **options: Any) -> Any:
    from sklearn.cluster import KMeans

    start = {"init": task.initial, "n_init": 1}
    return KMeans(task.initial.shape[-2], max_iter=task.iterations, tol=0, **start | options)


def _onedal_model(task: Task) -> Any:
    """Return the model of scikit-learn-intelex."""
    from daal4py import daalinit
    from sklearnex.cluster import KMeans

    daalinit(task.threads)
    return KMeans(len(task.initial), init=task.initial, n_init=1, max_iter=task.iterations, tol=0)


def _our_model(task: Task) -> Any:
    from common.kernels.__main__ import make_ready
    from master import KMeans

    make_ready(task.points.dtype.name)  # the little fit is too little for compiled code
    return KMeans(
        len(task.initial), init=task.initial, n_init=1, max_iter=task.iterations, tol=0, threads=task.threads
    )


def _fit(model: Any, task: Task) -> Fit:
    seconds, _ = _timed(lambda: model.fit(task.points))
    return Fit(seconds, model.cluster_centers_, int(model.n_iter_), model.labels_)


def _use(task: Task, name: str, method: str) -> Fit:
    """Time a method on all rows, of a model that one iteration has fitted."""
    from threadpoolctl import threadpool_limits

    model = _MODELS[name](task).set_params(max_iter=1)
    with threadpool_limits(task.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one iteration does not converge
        model.fit(task.points)
        seconds, _ = _timed(lambda: getattr(model, method)(task.points))
    return Fit(seconds, model.cluster_centers_, 1)


def _faiss(task: Task) -> Fit:
    import faiss

    faiss.omp_set_num_threads(task.threads)
    points = np.ascontiguousarray(task.points, np.float32)
    no_point_left_out = {"min_points_per_centroid": 1, "max_points_per_centroid": len(points)}
    model = faiss.Kmeans(points.shape[1], len(task.initial), niter=task.iterations, **no_point_left_out)
    start = {"init_centroids": np.ascontiguousarray(task.initial, np.float32)}
    seconds, _ = _timed(lambda: model.train(points, **start))
    return Fit(seconds, np.asarray(model.centroids), task.iterations)


def _spark_rows(task: Task, vector: Callable[[Array], Any]) -> Any:
    """Start Spark here; return the points as an RDD of vectors, which its tasks read from a file, once."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{task.threads}]").config("spark.driver.memory", "8g")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    path = Path(tempfile.mkdtemp(dir=".")).resolve() / "points.npy"
    np.save(path, task.points)
    parts = 2 * task.threads
    rows = session.sparkContext.parallelize(range(parts), parts)
    return rows.flatMap(lambda i: map(vector, np.array_split(np.load(path, mmap_mode="r"), parts)[i]))


def _spark_block(task: Task) -> Fit:
    """Fit by MLlib's K-Means of data frames, with its fastest solver; it takes no start: rows at random."""
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.linalg import DenseVector

    frame = _spark_rows(task, lambda row: (DenseVector(row),)).toDF(["features"]).cache()
    frame.count()
    options = {"maxIter": task.iterations, "tol": 0.0, "initMode": "random", "seed": 0, "solver": "block"}
    model = KMeans(k=len(task.initial), **options)
    seconds, fitted = _timed(lambda: model.fit(frame))
    return Fit(seconds, np.array(fitted.clusterCenters()), int(fitted.summary.numIter))


def _spark(task: Task) -> Fit:
    """Fit by MLlib's K-Means of RDDs, the only one of Spark that takes initial centroids.

    The points are cached as Java vectors before the clock starts, so that Python has no part in the fit.
    """
    from pyspark import StorageLevel
    from pyspark.mllib.common import _to_java_object_rdd, callJavaFunc, callMLlibFunc
    from pyspark.mllib.linalg import DenseVector

    rows = _spark_rows(task, DenseVector)
    vectors = _to_java_object_rdd(rows)
    vectors.persist(rows.context._getJavaStorageLevel(StorageLevel.MEMORY_AND_DISK_DESER))
    vectors.count()
    initial = [DenseVector(row) for row in task.initial]
    start = ("random", 0, 2, 0.0, initial, "euclidean")  # the numbers: seed, steps of the start, epsilon
    arguments = (vectors, len(task.initial), task.iterations, *start)
    seconds, model = _timed(lambda: callMLlibFunc("trainKMeansModel", *arguments))
    centers = callJavaFunc(rows.context, model.clusterCenters)
    return Fit(seconds, np.array([center.toArray() for center in centers]))


def _dask(task: Task) -> Fit:
    import dask
    import dask.array
    from dask_ml.cluster import KMeans
    from threadpoolctl import threadpool_limits

    model = KMeans(len(task.initial), init=task.initial, max_iter=task.iterations, tol=0)
    with dask.config.set(scheduler="threads", num_workers=task.threads), threadpool_limits(1):
        points = dask.array.from_array(task.points, chunks=(-(-len(task.points) // task.threads), -1))
        seconds, _ = _timed(lambda: model.fit(points))
    return Fit(seconds, model.cluster_centers_, int(model.n_iter_))


_MODELS: dict[str, Callable[[Task], Any]] = {
    "ours": _our_model,
    "sklearn": _sklearn_model,
    "oneDAL": _onedal_model,
}

FITS: dict[str, Callable[[Task], Fit]] = {
    "ours": lambda task: _fit(_our_model(task), task),
    "sklearn-lloyd": lambda task: _sklearn(task, "lloyd"),
    "sklearn-elkan": lambda task: _sklearn(task, "elkan"),
    "oneDAL": lambda task: _fit(_onedal_model(task), task),
    "faiss": _faiss,
    "spark": _spark,
    "spark-block": _spark_block,
    "dask-ml": _dask,
    **{f"{name} {method}": partial(_use, name=name, method=method) for name in _MODELS for method in METHODS},
}


def main(name: str, dtype: str, threads: str, iterations: str, counts: str, *files: str) -> None:
    """Fit points from initial centroids, print what it took, and write the result if it has a file, too."""
    points, initial = (np.load(file).astype(dtype, copy=False) for file in files[:2])
    few = Task(points[: max(_WARM_UP_ROWS, initial.shape[-2])], initial, 2, int(threads))
    FITS[name](few)
    fit = FITS[name](replace(few, points=points, iterations=int(iterations), count=counts == "1"))
    found = {name: value for name, value in vars(fit).items() if name in _PRINTED and value is not None}
    if files[2]:
        from sklearn.metrics import pairwise_distances_argmin as nearest

        labels = nearest(points, fit.centroids.astype(dtype)) if fit.labels is None else fit.labels
        found["inertia"] = float(np.square(np.float64(points) - fit.centroids[labels]).sum())
        np.savez(files[2], centroids=fit.centroids, labels=labels)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
