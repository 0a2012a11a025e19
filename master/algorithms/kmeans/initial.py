"""Choosing the centroids to start from: random rows, or k-means||."""

import numpy as np

from common.errors import UsageError, counted
from common.events.catalogue.kmeans import InitRound
from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.rows import FirstDistinctRows, TakeRows
from common.kernels.weighted import weighted_kmeans
from common.model import FloatArray, LongArray
from master.algorithms.kmeans.score import Ranges, score

_ROUNDS = 5
_OVERSAMPLING = 50
"""Plus k: how many rows a round draws on average. Many clusters need no more; for few, more take no time."""


class FewerDistinctRowsError(UsageError):
    """The input has fewer distinct rows than clusters: `points` are all of them, shape (n, d)."""

    def __init__(self, k: int, points: FloatArray) -> None:
        super().__init__(f"--k {k} is more than the input's {counted(len(points), 'distinct row')}")
        self.points = points


def random_rows(engine: Engine, rows: int, k: int, rng: np.random.Generator) -> FloatArray:
    """Choose k distinct points among the input's rows, each row as likely as any other.

    Returns
    -------
    array of shape (k, d)

    Raises
    ------
    FewerDistinctRowsError
        The input has fewer than k distinct rows.
    """
    distinct = _first_distinct(engine, k)
    drawn = rng.choice(rows, min(rows, 16 * k), replace=False)
    points = _distinct_in_order(take_rows(engine, drawn[:k]))
    if len(points) < k:
        points = _distinct_in_order(take_rows(engine, drawn))
    if len(points) < k:  # nearly all rows are copies of few: the first distinct ones fill up
        points = _distinct_in_order(np.concatenate([points, distinct]))
    return points[:k]


def scalable_kmeans_plus_plus(
    engine: Engine, ranges: Ranges, k: int, rng: np.random.Generator, log: Log
) -> FloatArray:
    """Choose k points by k-means|| (Bahmani et al., "Scalable k-means++", PVLDB 5, 2012).

    A few rounds over the input draw some k candidates each, far points more likely; each
    candidate's weight is the number of rows nearest to it; the weighted candidates are then clustered.

    Returns
    -------
    array of shape (k, d)

    Raises
    ------
    FewerDistinctRowsError
        The input has fewer than k distinct rows.
    """
    distinct = _first_distinct(engine, k)
    seed = int(rng.integers(2**63))
    candidates = take_rows(engine, rng.integers(ranges.rows, size=1))
    ((sizes, cost),) = score(engine, ranges, candidates[None], WeighCandidates)
    for number in range(1, _ROUNDS + 1):
        if cost == 0:
            break
        job = SampleRows(seed, number, float(k + _OVERSAMPLING))
        drawn = engine.map_reduce(job, {"centroids": candidates, "cost": np.array([cost])})
        if 0 in drawn:
            candidates = _distinct_in_order(np.concatenate([candidates, drawn[0][:, 1:]]))
            ((sizes, cost),) = score(engine, ranges, candidates[None], WeighCandidates)
        log.event(InitRound(round=number, candidates=len(candidates), cost=cost))
    if len(candidates) < k:
        candidates = _distinct_in_order(np.concatenate([candidates, distinct]))[:k]
        ((sizes, _),) = score(engine, ranges, candidates[None], WeighCandidates)
    return weighted_kmeans(candidates, sizes.astype(np.float64), k, rng)


def take_rows(engine: Engine, rows: LongArray) -> FloatArray:
    """Fetch rows of the input by index, shape (n, d)."""
    found = engine.map_reduce(TakeRows(), {"rows": rows.astype(np.int64)})
    return np.concatenate([found[i] for i in range(len(rows))])


def _first_distinct(engine: Engine, k: int) -> FloatArray:
    found = engine.map_reduce(FirstDistinctRows(k), {})[0]
    if len(found) < k:
        raise FewerDistinctRowsError(k, found[:, 1:])
    return found[:, 1:]


def _distinct_in_order(points: FloatArray) -> FloatArray:
    """Drop points that came before; 0.0 and -0.0 are the same."""
    _, first = np.unique(points + 0.0, axis=0, return_index=True)
    return points[np.sort(first)]
