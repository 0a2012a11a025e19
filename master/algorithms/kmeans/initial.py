"""Choosing the centroids to start from: random rows, or k-means||."""

import numpy as np

from common.errors import UsageError, counted
from common.events.catalogue.kmeans import InitRound
from common.events.log import Log
from common.jobs.base import Engine
from common.kernels.weighted import weighted_kmeans
from common.model import FloatArray
from master.algorithms.kmeans.score import Ranges, score

_ROUNDS = 5
_OVERSAMPLING = 50
"""Plus k: how many rows a round draws on average. Many clusters need no more; for few, more take no time."""


class FewerDistinctRowsError(UsageError):
    """The input has fewer distinct rows than clusters: `points` are all of them, shape (n, d)."""

    def __init__(self, k: int, points: FloatArray) -> None:
        super().__init__(f"--k {k} is more than the input's {counted(len(points), 'distinct row')}")
        self.points = points


class DistinctPoints:
    """Points that differ from each other, in the order in which they came; 0.0 and -0.0 are the same.

    There is room for as many as are expected: with thousands of columns, a copy would take much memory.
    """

    def __init__(self, points: FloatArray, room: int) -> None:
        self._room = np.empty((room, points.shape[1]))  # It takes no memory until it is used.
        self.points = self._room[:0]
        self._known: dict[int, list[int]] = {}
        self.add(points)

    def add(self, points: FloatArray) -> FloatArray:
        """Add those that are new; return all."""
        for point in points:
            alike = self._known.setdefault(hash((point + 0.0).tobytes()), [])
            if not any(np.array_equal(point, self._room[index]) for index in alike):
                alike.append(len(self.points))
                self._append(point)
        return self.points

    def _append(self, point: FloatArray) -> None:
        n = len(self.points)
        if n == len(self._room):
            self._room = np.concatenate([self._room, np.empty_like(self._room)])
        self._room[n] = point
        self.points = self._room[: n + 1]


def random_rows(engine: Engine, ranges: Ranges, k: int, rng: np.random.Generator) -> FloatArray:
    """Choose k distinct points among the input's rows, each row as likely as any other, or by its weight.

    Returns
    -------
    array of shape (k, d)

    Raises
    ------
    FewerDistinctRowsError
        The input has fewer than k distinct rows.
    """
    distinct = _first_distinct(engine, ranges, k)
    most = 16 * k
    draw = ranges.draw(engine, most, rng)
    found = DistinctPoints(draw(k), most)
    if len(found.points) < k:
        found.add(draw(most))
    if len(found.points) < k:  # nearly all rows are copies of few: the first distinct ones fill up
        found.add(distinct)
    return found.points[:k]


def scalable_kmeans_plus_plus(
    engine: Engine, ranges: Ranges, k: int, rng: np.random.Generator, log: Log
) -> FloatArray:
    """Choose k points by k-means|| (Bahmani et al., "Scalable k-means++", PVLDB 5, 2012).

    A few rounds over the input draw some k candidates each, far points more likely; each
    candidate's weight is the number of rows nearest to it, or their weight; the weighted candidates are then
    clustered.

    Returns
    -------
    array of shape (k, d)

    Raises
    ------
    FewerDistinctRowsError
        The input has fewer than k distinct rows.
    """
    weighing = ranges.weighing()
    distinct = _first_distinct(engine, ranges, k)
    seed = int(rng.integers(2**63))
    found = DistinctPoints(ranges.draw_one(engine, rng), _ROUNDS * 2 * (k + _OVERSAMPLING))
    candidates = found.points
    ((sizes, cost),) = score(engine, ranges, [candidates], weighing)
    for number in range(1, _ROUNDS + 1):
        if cost == 0:
            break
        job = ranges.jobs.sample(seed, number, float(k + _OVERSAMPLING))
        drawn = engine.map_reduce(job, {"centroids": candidates, "cost": np.array([cost])})
        if 0 in drawn:
            candidates = found.add(drawn[0][:, 1:])
            ((sizes, cost),) = score(engine, ranges, [candidates], weighing)
        log.event(InitRound(round=number, candidates=len(candidates), cost=cost))
    if len(candidates) < k:
        candidates = found.add(distinct)[:k]
        ((sizes, _),) = score(engine, ranges, [candidates], weighing)
    return weighted_kmeans(candidates, sizes.astype(np.float64), k, rng)


def _first_distinct(engine: Engine, ranges: Ranges, k: int) -> FloatArray:
    found = engine.map_reduce(ranges.jobs.distinct(k), {})[0]
    if len(found) < k:
        raise FewerDistinctRowsError(k, found[:, 1:])
    return found[:, 1:]
