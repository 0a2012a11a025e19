"""K-Means: Lloyd's loop, as jobs for an engine."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from common.events.catalogue import kmeans as events
from common.events.catalogue.run import IterationStarted, Resumed
from common.events.log import RunLog
from common.jobs.base import Engine
from common.jobs.centroids import key_ranges, state_of
from common.jobs.lloyd import LloydStep
from common.model import FloatArray, Key, LongArray
from common.records.text import rows_to_print
from master.algorithms.base import Checkpoints
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.doubts import doubts_about_range, doubts_about_tol
from master.algorithms.kmeans.initial import random_rows, scalable_kmeans_plus_plus
from master.algorithms.kmeans.score import Ranges, measure_spread, score
from master.algorithms.kmeans.starts import Start
from master.algorithms.kmeans.table import as_numbers
from master.algorithms.kmeans.unit import INPUT_UNIT, Unit
from master.algorithms.kmeans.weights import ranges_of

_NONE_KEPT = Checkpoints()


@dataclass(frozen=True)
class KMeansResult:
    """What a fit found.

    Parameters
    ----------
    centroids
        Shape (k, d), in key order.
    sizes
        Shape (k,): rows nearest to each, or their weight.
    inertia
        Sum of the rows' squared distances to their nearest centroids.
    n_iter
        Iterations run.
    converged
        True if the last iteration moved no centroid by more than the tolerance.
    history
        The inertia after each iteration, if the configuration asks for it.
    doubts
        What makes the result doubtful.
    start
        Which of several starts it is from, from 1.
    unit
        The unit of the centroids and the inertia.
    """

    centroids: FloatArray
    sizes: LongArray | FloatArray
    inertia: float
    n_iter: int
    converged: bool
    history: tuple[float, ...] = ()
    doubts: tuple[str, ...] = ()
    start: int | None = None
    unit: Unit = INPUT_UNIT


def fit(
    engine: Engine, rows: int, config: KMeansConfig, log: RunLog, checkpoints: Checkpoints = _NONE_KEPT
) -> KMeansResult:
    """Cluster an input of that many rows; of several starts, return the one of least inertia."""
    (result,) = fit_each(engine, describe_input(engine, rows, config, log), [config], log, checkpoints)
    return result


def describe_input(engine: Engine, rows: int, config: KMeansConfig, log: RunLog) -> Ranges:
    """Find the ranges of an input of that many rows, and log them."""
    ranges = ranges_of(engine, rows, config.weights)
    log.event(
        events.Input(rows=rows, columns=len(ranges.lowest), lowest=ranges.lowest, highest=ranges.highest)
    )
    return ranges


def fit_each(
    engine: Engine,
    ranges: Ranges,
    configs: Sequence[KMeansConfig],
    log: RunLog,
    checkpoints: Checkpoints = _NONE_KEPT,
) -> list[KMeansResult]:
    """Cluster an input by configurations that differ in k and `initial` alone; return a result for each.

    All starts go side by side, each iteration one job for all of them. A result is the one that its
    configuration has alone.
    """
    starts = _resumed(checkpoints, configs, log) or _begin(engine, ranges, configs, log)
    _lloyd(engine, ranges, starts, configs[0], log, checkpoints)
    for start in starts:
        start.centroids = configs[0].as_kept(start.centroids)
    measured = _scores(engine, ranges, starts)
    return [
        _best(ranges, starts[own.start : own.stop], measured[own.start : own.stop], config, log)
        for own, config in zip(key_ranges(config.n_init for config in configs), configs, strict=True)
    ]


def _begin(engine: Engine, ranges: Ranges, configs: Sequence[KMeansConfig], log: RunLog) -> list[Start]:
    """Choose the initial centroids of every start."""
    places, starts = _places(configs), []
    for config in configs:
        rng = np.random.default_rng(config.seed)
        for number, (keys, shown) in enumerate(islice(places, config.n_init)):
            start = Start(keys, shown, _initial(engine, ranges, config, number, rng, log))
            log.event(events.InitialCentroids(**start.fields, k=config.k))
            _log_centroids(log, start, config)
            starts.append(start)
    return starts


def _resumed(checkpoints: Checkpoints, configs: Sequence[KMeansConfig], log: RunLog) -> list[Start]:
    """Take up every start where a checkpoint left it; empty if there is none to go on from."""
    starts = [
        Start(keys, shown, was["centroids"], was["n_iter"].item(), was["shift"].item())
        for was, (keys, shown) in zip(checkpoints.resumed() or (), _places(configs), strict=False)
    ]
    if starts:
        log.event(Resumed(iteration=_iteration(starts), of=configs[0].iterations))
    for start in starts:
        _log_centroids(log, start, configs[0])
    return starts


def _places(configs: Sequence[KMeansConfig]) -> Iterator[tuple[range, int | None]]:
    """Yield the keys of each start's clusters, and its number, or None if there is one start."""
    keys = key_ranges(config.k for config in configs for _ in range(config.n_init))
    return zip(keys, range(1, len(keys) + 1) if len(keys) > 1 else [None], strict=True)


def _iteration(starts: list[Start]) -> int:
    """Return the last iteration that any start has run."""
    return max(start.n_iter for start in starts)


def _initial(
    engine: Engine, ranges: Ranges, config: KMeansConfig, number: int, rng: np.random.Generator, log: RunLog
) -> FloatArray:
    """Choose the initial centroids of a start, shape (k, d)."""
    if config.initial is not None:
        given: FloatArray = config.initial.reshape(-1, *config.initial.shape[-2:])[number]
        return given
    if config.init == "random":
        return random_rows(engine, ranges, config.k, rng)
    return scalable_kmeans_plus_plus(engine, ranges, config.k, rng, log)


def _lloyd(
    engine: Engine,
    ranges: Ranges,
    starts: list[Start],
    config: KMeansConfig,
    log: RunLog,
    checkpoints: Checkpoints,
) -> None:
    """Iterate until no centroid moves by more than the tolerance."""
    job = ranges.step()
    spread = measure_spread(engine, ranges) if config.logged else None
    checkpoints.save(_iteration(starts), [start.progress() for start in starts])
    for iteration in range(_iteration(starts) + 1, config.iterations + 1):
        going = [start for start in starts if start.goes_on(config)]
        if not going:
            return
        log.event(IterationStarted(iteration=iteration, of=config.iterations))
        found = _step(engine, ranges, job, going, iteration, config, log)
        for start in going:
            sizes = start.move(found, iteration)
            _log_centroids(log, start, config)
            inertia = None if spread is None else spread.inertia(start.centroids, sizes)
            end = events.IterationFinished(
                **start.fields, shift=start.shift, sizes=as_numbers(sizes), inertia=inertia
            )
            log.event(end)
        if config.history:
            for start, (_, measured) in zip(going, _scores(engine, ranges, going), strict=True):
                start.history += (measured,)
                log.event(events.Inertia(**start.fields, inertia=measured))
        checkpoints.save(_iteration(starts), [start.progress() for start in starts])


def _best(
    ranges: Ranges,
    starts: Sequence[Start],
    measured: Sequence[tuple[LongArray | FloatArray, float]],
    config: KMeansConfig,
    log: RunLog,
) -> KMeansResult:
    """Choose among a configuration's starts, whose sizes and inertia are measured."""
    results = []
    for start, (sizes, inertia) in zip(starts, measured, strict=True):
        converged = start.shift <= config.tol
        result = KMeansResult(
            start.centroids, sizes, inertia, start.n_iter, converged, start.history, start=start.shown
        )
        why = _why(result, config)
        log.event(events.Stopped(start=start.shown, reason=why, iterations=start.n_iter, inertia=inertia))
        results.append(result)
    best = min(range(len(starts)), key=lambda number: results[number].inertia)
    if len(starts) > 1:
        log.event(
            events.BestStart(start=starts[best].shown or 1, of=len(starts), inertia=results[best].inertia)
        )
    return _doubted(starts[best], results[best], ranges, config, log)


def _doubted(
    start: Start, result: KMeansResult, ranges: Ranges, config: KMeansConfig, log: RunLog
) -> KMeansResult:
    """Add what makes the result doubtful, and log it."""
    of_tol = doubts_about_tol(ranges.widest, start.shift, start.n_iter, config)
    doubts = (*doubts_about_range(ranges.widest, "the input"), *of_tol)
    for doubt in doubts:
        log.event(events.ResultInDoubt(start=start.shown, reason=doubt))
    return replace(result, doubts=doubts)


def _scores(
    engine: Engine, ranges: Ranges, starts: list[Start]
) -> list[tuple[LongArray | FloatArray, float]]:
    return score(engine, ranges, [start.centroids for start in starts])


def _step(
    engine: Engine,
    ranges: Ranges,
    job: LloydStep,
    starts: list[Start],
    iteration: int,
    config: KMeansConfig,
    log: RunLog,
) -> dict[Key, FloatArray]:
    """Run one iteration's job; fill clusters without members if the configuration says so.

    The points farthest from their centroids leave their clusters for the empty ones, and the job
    runs again with them there, so that every centroid is the mean of its members.
    """
    state = state_of([start.keys for start in starts], [start.centroids for start in starts])
    found = engine.map_reduce(job, state, iteration)
    moves = []
    for start in starts:
        empty = [index for index, key in enumerate(start.keys) if key not in found]
        if empty and config.on_empty == "keep":
            for key in empty:
                log.event(events.EmptyCluster(start=start.shown, iteration=iteration, key=key, action="keep"))
        elif empty:
            moves.append(_fill(engine, ranges, start, empty, iteration, log))
    rows, keys = np.concatenate([*moves, np.empty((2, 0), np.int64)], axis=1)
    if not rows.size:
        return found
    return engine.map_reduce(job, state | {"moved_rows": rows, "moved_keys": keys}, iteration)


def _fill(
    engine: Engine, ranges: Ranges, start: Start, empty: list[int], iteration: int, log: RunLog
) -> LongArray:
    """Choose points for empty clusters; return the points' rows and their new keys, shape (2, n).

    If too few differ from their centroids, clusters stay empty.
    """
    found = engine.map_reduce(ranges.jobs.farthest(len(empty)), {"centroids": start.centroids})
    farthest = found.get(0, np.empty((0, 2)))
    rows = farthest[:, 1].astype(np.int64)
    for key, (squared, row) in zip(empty, farthest[:, :2].tolist(), strict=False):
        emptied: dict[str, Any] = {"start": start.shown, "iteration": iteration, "key": key}
        move = events.EmptyCluster(**emptied, action="move", row=int(row) + 1, distance=math.sqrt(squared))
        log.event(move)
    for key in empty[len(rows) :]:
        log.event(events.EmptyCluster(start=start.shown, iteration=iteration, key=key, action="keep"))
    return np.array([rows, np.array(start.keys)[empty[: len(rows)]]])


def _why(result: KMeansResult, config: KMeansConfig) -> str:
    if result.converged:
        return f"converged: no centroid moved more than {config.tol:g}"
    return f"not converged: a centroid still moved more than {config.tol:g}"


def _log_centroids(log: RunLog, start: Start, config: KMeansConfig) -> None:
    """Log a start's centroids for people; as text they would take longer than an iteration without any."""
    if not config.logged:
        return
    fields, centroids = start.fields, start.centroids  # which a later iteration replaces

    def make() -> Iterator[events.Centroid]:
        for key, centroid in enumerate(rows_to_print(centroids)):
            yield events.Centroid(**fields, key=key, value=centroid)

    log.later(make)
