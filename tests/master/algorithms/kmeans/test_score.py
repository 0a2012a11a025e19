"""What an iteration's inertia is worked out from, held against the sum over all rows."""

import math

import numpy as np
import pytest

from common.events.catalogue.kmeans import IterationFinished
from common.kernels.nearest import distance
from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.loop import fit
from master.algorithms.kmeans.score import describe, measure_spread
from master.engines.inline import InlineEngine
from tests.story import ListLog

BLOBS = np.random.default_rng(5).normal(size=(600, 3)) + 20 * np.eye(3)[np.arange(600) % 3]


def iterations(points: FloatArray, *, logged: bool = True) -> list[IterationFinished]:
    log = ListLog()
    engine = InlineEngine(np.ascontiguousarray(points), combine=True)
    fit(engine, len(points), KMeansConfig(3, 5, tol=0, seed=2, logged=logged), log)
    return log.of(IterationFinished)


def test_each_iteration_has_its_sizes_and_inertia() -> None:
    """The last one has moved nothing: its inertia is that of its own centroids."""
    log = ListLog()
    result = fit(InlineEngine(BLOBS, combine=False), len(BLOBS), KMeansConfig(3, 50, tol=0, seed=2), log)
    found = log.of(IterationFinished)
    assert result.converged
    assert [sum(event.sizes) for event in found] == [len(BLOBS)] * len(found)
    assert found[-1].sizes == tuple(result.sizes.tolist())
    assert found[-1].inertia == pytest.approx(result.inertia, rel=1e-12)
    inertias = [event.inertia or 0.0 for event in found]
    assert inertias == sorted(inertias, reverse=True)


@pytest.mark.parametrize(("offset", "known"), [(0.0, True), (1e4, True), (1e15, False)])
def test_inertia_is_left_out_when_rounding_hides_it(offset: float, known: bool) -> None:
    for event in iterations(BLOBS + offset):
        assert (event.inertia is not None) is known


def test_what_nobody_reads_is_not_measured() -> None:
    assert [event.inertia for event in iterations(BLOBS, logged=False)] == [None] * 5


@pytest.mark.parametrize("much_work", [0, math.inf])
def test_the_spread_is_the_sum_of_squared_distances_to_the_middle(
    monkeypatch: pytest.MonkeyPatch, much_work: float
) -> None:
    """Also if compiled code does the work, as it does where there is much."""
    monkeypatch.setattr(distance, "_MUCH_WORK", much_work)
    engine = InlineEngine(BLOBS, combine=False)
    spread = measure_spread(engine, describe(engine, len(BLOBS)))
    assert spread.point.tolist() == ((BLOBS.min(axis=0) + BLOBS.max(axis=0)) / 2).tolist()
    assert spread.total == math.fsum(nearest(BLOBS, spread.point[None])[1].tolist())
