"""One fit by another library, in a process of its own: `python -m scripts.bench.peers NAME ...`.

Prints what it measured as JSON. The data are in memory, in the type asked for, and the library has done a
little fit before the clock starts.
"""

import contextlib
import io
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MODULES = {
    "sklearn-lloyd": "sklearn",
    "sklearn-elkan": "sklearn",
    "faiss": "faiss",
    "spark": "pyspark",
    "spark-block": "pyspark",
    "dask-ml": "dask_ml",
}
"""The module that each peer needs."""

_WARM_UP_ROWS = 1000
_BLOCK_ROWS = 100_000


@dataclass(frozen=True)
class Task:
    """What to fit.

    Parameters
    ----------
    points
        Shape (rows, d).
    initial
        Shape (k, d), or (n, k, d) to fit from n starts and keep the best (scikit-learn only).
    iterations
        At most.
    threads
        To use.
    count
        Count the iterations of all starts, which takes time (scikit-learn only).
    """

    points: Array
    initial: Array
    iterations: int
    threads: int
    count: bool = False


@dataclass(frozen=True)
class Fit:
    """What came of it.

    Parameters
    ----------
    seconds
        Of the fit alone.
    centroids
        Shape (k, d).
    iterations
        That it ran, of several starts the best one's unless counted; None if the library doesn't tell.
    labels
        Shape (rows,); None if the fit doesn't find them.
    """

    seconds: float
    centroids: Array
    iterations: int | None
    labels: Array | None = None


def _sklearn(task: Task, algorithm: str) -> Fit:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    k = task.initial.shape[-2]
    starts = {"init": task.initial, "n_init": 1}
    if task.initial.ndim == 3:
        # scikit-learn subtracts the mean of the columns before it asks for a start.
        given = iter(task.initial - task.points.mean(axis=0))
        starts = {"init": lambda *_, **__: next(given), "n_init": len(task.initial)}
    model = KMeans(k, **starts, max_iter=task.iterations, tol=0, algorithm=algorithm, verbose=int(task.count))
    said = io.StringIO()
    with threadpool_limits(task.threads), contextlib.redirect_stdout(said):
        began_s = time.perf_counter()
        model.fit(task.points)
        seconds = time.perf_counter() - began_s
    counted = sum(line.startswith("Iteration ") for line in said.getvalue().splitlines())
    return Fit(seconds, model.cluster_centers_, counted or int(model.n_iter_), model.labels_)


def _faiss(task: Task) -> Fit:
    import faiss

    faiss.omp_set_num_threads(task.threads)
    points = np.ascontiguousarray(task.points, np.float32)
    model = faiss.Kmeans(
        points.shape[1],
        len(task.initial),
        niter=task.iterations,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),  # none is left out
    )
    initial = np.ascontiguousarray(task.initial, np.float32)
    began_s = time.perf_counter()
    model.train(points, init_centroids=initial)
    return Fit(time.perf_counter() - began_s, np.asarray(model.centroids), task.iterations)


def _spark_session(threads: int) -> Any:
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", "8g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )


def _spark_block(task: Task) -> Fit:
    """Fit by MLlib's K-Means of data frames with its solver of blocks, its fastest.

    It takes no initial centroids: rows at random. The points are cached before the clock starts.
    """
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.linalg import DenseVector

    spark = _spark_session(task.threads)
    parts = 2 * task.threads
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        file_name = file.name
        np.save(file_name, task.points)
        rows = spark.sparkContext.parallelize(range(parts), parts).flatMap(
            lambda i: (
                (DenseVector(row),) for row in np.array_split(np.load(file_name, mmap_mode="r"), parts)[i]
            )
        )
        frame = rows.toDF(["features"]).cache()
        frame.count()
    model = KMeans(
        k=len(task.initial), maxIter=task.iterations, tol=0.0, initMode="random", seed=0, solver="block"
    )
    began_s = time.perf_counter()
    fitted = model.fit(frame)
    seconds = time.perf_counter() - began_s
    return Fit(seconds, np.array(fitted.clusterCenters()), int(fitted.summary.numIter))


def _spark(task: Task) -> Fit:
    """Fit by MLlib's K-Means of RDDs, the only one of Spark that takes initial centroids.

    The points are cached as Java vectors before the clock starts, so that Python has no part in the fit.
    """
    from pyspark import StorageLevel
    from pyspark.mllib.common import _to_java_object_rdd, callJavaFunc, callMLlibFunc
    from pyspark.mllib.linalg import DenseVector

    spark = _spark_session(task.threads)
    parts = 2 * task.threads
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        file_name = file.name
        np.save(file_name, task.points)  # tasks that carried the points would be sent anew in each iteration
        vectors = _to_java_object_rdd(
            spark.sparkContext.parallelize(range(parts), parts).flatMap(
                lambda i: map(DenseVector, np.array_split(np.load(file_name, mmap_mode="r"), parts)[i])
            )
        )
        vectors.persist(spark.sparkContext._getJavaStorageLevel(StorageLevel.MEMORY_AND_DISK_DESER))
        vectors.count()
    k, initial = len(task.initial), [DenseVector(row) for row in task.initial]
    seed, init_steps, epsilon = 0, 2, 0.0
    began_s = time.perf_counter()
    model = callMLlibFunc(
        "trainKMeansModel",
        *(vectors, k, task.iterations, "random", seed, init_steps, epsilon, initial, "euclidean"),
    )
    seconds = time.perf_counter() - began_s
    centers = callJavaFunc(spark.sparkContext, model.clusterCenters)
    centroids = np.array([center.toArray() for center in centers])
    return Fit(seconds, centroids, None)


def _dask(task: Task) -> Fit:
    import dask
    import dask.array
    from dask_ml.cluster import KMeans
    from threadpoolctl import threadpool_limits

    model = KMeans(len(task.initial), init=task.initial, max_iter=task.iterations, tol=0)
    with dask.config.set(scheduler="threads", num_workers=task.threads), threadpool_limits(1):
        points = dask.array.from_array(task.points, chunks=(-(-len(task.points) // task.threads), -1))
        began_s = time.perf_counter()
        model.fit(points)
        seconds = time.perf_counter() - began_s
    return Fit(seconds, model.cluster_centers_, int(model.n_iter_))


FITS: dict[str, Callable[[Task], Fit]] = {
    "sklearn-lloyd": lambda task: _sklearn(task, "lloyd"),
    "sklearn-elkan": lambda task: _sklearn(task, "elkan"),
    "faiss": _faiss,
    "spark": _spark,
    "spark-block": _spark_block,
    "dask-ml": _dask,
}
"""How to fit with each library."""


def _nearest(points: Array, centroids: Array) -> Array:
    from sklearn.metrics import pairwise_distances_argmin

    labels: Array = pairwise_distances_argmin(points, centroids.astype(points.dtype))
    return labels


def _inertia(points: Array, centroids: Array, labels: Array) -> float:
    """Sum the squared distances of the points to the centroids of their labels, in float64."""
    starts = range(0, len(points), _BLOCK_ROWS)
    blocks = ((points[i : i + _BLOCK_ROWS], labels[i : i + _BLOCK_ROWS]) for i in starts)
    return math.fsum(float(np.square(np.float64(block) - centroids[own]).sum()) for block, own in blocks)


@click.command(help=__doc__)
@click.argument("peer", type=click.Choice(list(FITS)))
@click.option("--points", "points_path", type=Path, required=True)
@click.option("--initial", "initial_path", type=Path, required=True)
@click.option("--iterations", type=int, required=True)
@click.option("--threads", type=int, required=True)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), required=True)
@click.option("--count", is_flag=True, help="Count the iterations of all starts.")
@click.option("--out", type=Path, help="Write centroids and labels here (.npz), after the clock stopped.")
def main(
    peer: str,
    points_path: Path,
    initial_path: Path,
    iterations: int,
    threads: int,
    dtype: str,
    count: bool,
    out: Path | None,
) -> None:
    """Fit, and print what it took."""
    points = np.load(points_path).astype(dtype, copy=False)
    initial = np.load(initial_path).astype(dtype, copy=False)
    few = points[: max(_WARM_UP_ROWS, initial.shape[-2])]
    FITS[peer](Task(few, initial, 2, threads))
    fit = FITS[peer](Task(points, initial, iterations, threads, count))
    found: dict[str, object] = {"seconds": fit.seconds, "iterations": fit.iterations}
    if out is not None:
        labels = _nearest(points, fit.centroids) if fit.labels is None else fit.labels
        found["inertia"] = _inertia(points, fit.centroids, labels)
        np.savez(out, centroids=fit.centroids, labels=labels)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
