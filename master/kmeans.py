"""K-Means: Lloyd's loop, as jobs for an engine."""

from dataclasses import dataclass

import numpy as np

from common.events import Log
from common.jobs.kmeans import FarthestRows, LloydStep
from common.kernels.distance import largest_shift
from common.model import FloatArray, LongArray, Step
from master.config import KMeansConfig
from master.engines.base import Engine
from master.initial import random_rows, scalable_kmeans_plus_plus
from master.score import Ranges, describe, score


@dataclass(frozen=True)
class KMeansResult:
    """What a fit found.

    Parameters
    ----------
    centroids
        Shape (k, d), in key order.
    sizes
        Shape (k,): rows nearest to each.
    inertia
        Sum of the rows' squared distances to their nearest centroids.
    n_iter
        Iterations run.
    converged
        True if the last iteration moved no centroid by more than the tolerance.
    """

    centroids: FloatArray
    sizes: LongArray
    inertia: float
    n_iter: int
    converged: bool


def fit(engine: Engine, rows: int, config: KMeansConfig, log: Log) -> KMeansResult:
    """Cluster an input of that many rows; of several starts, return the one of least inertia."""
    ranges = describe(engine, rows)
    log.event("input", rows=rows, columns=len(ranges.lowest), lowest=ranges.lowest, highest=ranges.highest)
    rng = np.random.default_rng(config.seed)
    best: KMeansResult | None = None
    best_start = 0
    for start in range(1, config.n_init + 1):
        initial = _initial(engine, ranges, config, rng, log)
        result = _lloyd(engine, ranges, initial, start if config.n_init > 1 else 0, config, log)
        if best is None or result.inertia < best.inertia:
            best, best_start = result, start
    assert best is not None
    if config.n_init > 1:
        log.event("best_start", start=best_start, of=config.n_init, inertia=best.inertia)
    return best


def _initial(
    engine: Engine, ranges: Ranges, config: KMeansConfig, rng: np.random.Generator, log: Log
) -> FloatArray:
    if config.initial is not None:
        return config.initial
    if config.init == "random":
        return random_rows(engine, ranges.rows, config.k, rng)
    return scalable_kmeans_plus_plus(engine, ranges, config.k, rng, log)


def _lloyd(
    engine: Engine, ranges: Ranges, initial: FloatArray, start: int, config: KMeansConfig, log: Log
) -> KMeansResult:
    """Iterate from the initial centroids until nothing moves by more than the tolerance."""
    initially = _place(Step(0, start))
    job = LloydStep(ranges.column_grid())
    centroids, n_iter, shift = initial, 0, np.inf
    log.event("initial_centroids", **initially, k=len(initial))
    _log_centroids(log, initially, centroids)
    while n_iter == 0 or (n_iter < config.iterations and shift > config.tol):
        n_iter += 1
        step = Step(n_iter, start)
        here = _place(step)
        log.event("iteration_started", **here, of=config.iterations)
        found = _step(engine, job, centroids, step, config, log)
        moved = centroids.copy()
        for key, value in found.items():
            moved[key] = value[0]
        shift = largest_shift(centroids, moved)
        centroids = moved
        _log_centroids(log, here, centroids)
        log.event("iteration_finished", **here, shift=shift)
    sizes, inertia = score(engine, ranges, centroids)
    result = KMeansResult(centroids, sizes, inertia, n_iter, shift <= config.tol)
    which = {"start": start} if start else {}
    log.event("stopped", **which, reason=_why(result, config), iterations=n_iter, inertia=inertia)
    return result


def _step(
    engine: Engine, job: LloydStep, centroids: FloatArray, step: Step, config: KMeansConfig, log: Log
) -> dict[int, FloatArray]:
    """Run one iteration's job; fill clusters without members if the configuration says so.

    The points farthest from their centroids leave their clusters for the empty ones, and the job
    runs again with them there, so that every centroid is the mean of its members.
    """
    found = engine.map_reduce(job, {"centroids": centroids}, step)
    empty = [key for key in range(len(centroids)) if key not in found]
    if not empty:
        return found
    place = _place(step)
    if config.on_empty == "keep":
        for key in empty:
            log.event("empty_cluster", **place, key=key, action="keep")
        return found
    farthest = engine.map_reduce(FarthestRows(len(empty)), {"centroids": centroids})[0]
    rows = farthest[:, 1].astype(np.int64)
    keys = np.array(empty[: len(rows)], np.int32)
    for key, (squared, row) in zip(keys.tolist(), farthest[:, :2].tolist(), strict=True):
        distance = float(np.sqrt(squared))
        log.event(
            "empty_cluster",
            **place,
            key=key,
            action="move",
            row=int(row) + 1,
            distance=distance,
        )
    return engine.map_reduce(job, {"centroids": centroids, "moved_rows": rows, "moved_keys": keys}, step)


def _place(step: Step) -> dict[str, int]:
    """Say in the log where in the loop something happened."""
    return ({"start": step.start} if step.start else {}) | {"iteration": step.iteration}


def _why(result: KMeansResult, config: KMeansConfig) -> str:
    if result.converged:
        return f"converged: no centroid moved more than {config.tol:g}"
    return f"all {config.iterations} iterations done"


def _log_centroids(log: Log, place: dict[str, int], centroids: FloatArray) -> None:
    for key, centroid in enumerate(centroids.tolist()):
        log.event("centroid", **place, key=key, value=centroid)
