"""Which results are doubted, and that they are the same results."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans as TheirKMeans

from common.events.catalogue.kmeans import ResultInDoubt
from common.model import FloatArray
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.doubts import SMALLEST_RANGE, doubts_about_range, doubts_about_tol
from master.algorithms.kmeans.loop import KMeansResult, fit
from master.engines.inline import InlineEngine
from tests.story import ListLog

RNG = np.random.default_rng(0)
GROUPS = np.concatenate([RNG.normal(size=(50, 2)), RNG.normal(size=(50, 2)) + 10])
TINY = "lose digits or vanish; multiply all values so that they differ by about 1"


def run(points: FloatArray, k: int = 2, **more: Any) -> tuple[KMeansResult, list[str]]:
    """Return the result, and what is said of it."""
    log = ListLog()
    result = fit(InlineEngine(points, combine=True), len(points), KMeansConfig(k, 50, **more), log)
    reasons = [event.reason for event in log.of(ResultInDoubt)]
    assert tuple(reasons) == result.doubts
    return result, reasons


# Values so small that squared distances vanish


@pytest.mark.parametrize("init", ["random", "k-means++"])
@pytest.mark.parametrize("scale", [1e-156, 1e-170, 1e-200, 1e-308])
def test_values_too_small_for_squares_are_doubted(init: str, scale: float) -> None:
    _, (reason,) = run(GROUPS * scale, init=init, tol=0)
    assert reason.startswith("the values of the input differ by ")
    assert reason.endswith(TINY)


@pytest.mark.parametrize("init", ["random", "k-means++"])
@pytest.mark.parametrize("exponent", [0, -200, -480, -511])
def test_values_down_to_the_limit_give_the_same_clusters(init: str, exponent: int) -> None:
    """The groups spread over more than 2**3: a power of two changes no digit."""
    expected, _ = run(GROUPS, init=init, tol=0)
    result, reasons = run(np.ldexp(GROUPS, exponent), init=init, tol=0)
    assert reasons == []
    assert result.sizes.tolist() == expected.sizes.tolist() == [50, 50]
    assert result.centroids.tolist() == np.ldexp(expected.centroids, exponent).tolist()


@pytest.mark.parametrize(
    ("points", "k"),
    [
        (np.full((5, 2), 1e-200), 1),
        (np.zeros((5, 2)), 1),
        (GROUPS * [1.0, 1e-200], 2),
        (1e-200 + np.array([[0.0], [1.0]]), 2),
    ],
)
def test_small_values_are_no_matter_if_none_differ_or_others_are_large(points: FloatArray, k: int) -> None:
    assert run(points, k)[1] == []


def test_the_limit() -> None:
    assert len(list(doubts_about_range(math.nextafter(SMALLEST_RANGE, 0), "X"))) == 1
    assert list(doubts_about_range(SMALLEST_RANGE, "X")) == []
    assert list(doubts_about_range(0.0, "X")) == []


# A tolerance that is large for the data


def test_a_tol_as_large_as_the_data_is_doubted() -> None:
    """From two rows of one group; scikit-learn, whose tol knows the variance, goes on."""
    small = GROUPS * 1e-5
    coarse, (reason,) = run(small, initial=small[:2])
    exact, reasons = run(small, initial=small[:2], tol=0)
    theirs = TheirKMeans(2, init=small[:2], n_init=1).fit(small)
    assert coarse.inertia > 2 * exact.inertia
    assert theirs.inertia_ == pytest.approx(exact.inertia)
    assert reasons == []
    assert reason == (
        f"--tol 0.0001 ended the run after iteration 1 although a centroid moved by {coarse_shift(small)}, "
        f"which is much for values that differ by {np.ptp(small, axis=0).max():.3g} at most; choose a "
        "smaller --tol, or scale the values"
    )


def coarse_shift(points: FloatArray) -> str:
    result, _ = run(points, initial=points[:2])
    return f"{np.sqrt(((result.centroids - points[:2]) ** 2).sum(axis=1)).max():.3g}"


@pytest.mark.parametrize(
    ("shift", "tol", "k", "doubted"),
    [
        (0.02, 0.1, 2, True),
        (0.02, 0.02, 2, True),
        (0.02, 0.01, 2, False),  # not ended by tol
        (0.009, 0.1, 2, False),
        (0.0, 0.1, 2, False),
        (0.5, math.inf, 2, True),
        (0.5, math.inf, 1, False),  # the mean is the mean
    ],
)
def test_rule(shift: float, tol: float, k: int, doubted: bool) -> None:
    assert len(list(doubts_about_tol(1.0, shift, 1, KMeansConfig(k, 9, tol=tol)))) == doubted


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_ordinary_runs_are_not_doubted(scale: float, seed: int) -> None:
    for init in ("random", "k-means++"):
        result, reasons = run(GROUPS * scale, 4, init=init, seed=seed)
        assert result.converged
        assert reasons == []


def test_a_run_that_ends_at_the_last_iteration_is_not_doubted() -> None:
    log = ListLog()
    fit(InlineEngine(GROUPS, combine=True), len(GROUPS), KMeansConfig(4, 1, initial=GROUPS[:4]), log)
    assert log.of(ResultInDoubt) == []


def test_of_several_starts_the_best_is_doubted() -> None:
    log = ListLog()
    small = GROUPS * 1e-7
    result = fit(InlineEngine(small, combine=True), len(small), KMeansConfig(3, 9, n_init=4), log)
    (event,) = log.of(ResultInDoubt)
    assert event.start in (1, 2, 3, 4)
    assert result.doubts == (event.reason,)
