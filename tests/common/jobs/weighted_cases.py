"""The jobs for rows with weights, each beside a few plain lines that find what it must find."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis.strategies import builds, floats, integers, lists, sampled_from

from common.jobs.base import Job
from common.jobs.weighted import (
    DrawByWeight,
    WeightedDescribe,
    WeightedDistinct,
    WeightedFarthest,
    WeightedLabel,
    WeightedSample,
)
from common.kernels.logistic.elementary import logs
from common.model import FloatArray, State
from master.algorithms.kmeans.weights import WeightedRanges
from tests.common.jobs.cases import (
    CENTROIDS,
    OVERSAMPLING,
    POINTS,
    ROUND,
    SEED,
    Case,
    Result,
    find_labels,
    find_ranges,
    labels_and_squared,
    members,
    ranges_of,
    with_centroids,
    with_means,
    with_own_means,
)

WEIGHT = integers(0, 3).map(float) | floats(0.01, 10) | sampled_from([2.0**-30, 1 / 3, 1e100])


def with_weights(points: FloatArray, weights: list[float]) -> FloatArray:
    """Put weights beside points; one of them is not 0."""
    return np.column_stack([points, [1.0, *weights][: len(points)]])


WEIGHTED = builds(with_weights, POINTS, lists(WEIGHT, min_size=30, max_size=30))
FEW = np.array([[1.0, 2.0, 0.5], [3.0, 4.0, 0.0]])


def weighted_ranges_of(rows: FloatArray) -> WeightedRanges:
    found, weights = ranges_of(rows[:, :-1]), rows[:, -1]
    lightest = weights[weights > 0].min()
    return WeightedRanges(len(rows), found.lowest, found.highest, found.smallest, weights.max(), lightest)


def step(rows: FloatArray) -> Job:
    return weighted_ranges_of(rows).step()


def find_weighted_ranges(rows: FloatArray) -> Result:
    return find_ranges(rows[rows[:, -1] > 0])


def measuring(kind: str) -> Callable[[FloatArray], Job]:
    def make(rows: FloatArray) -> Job:
        ranges = weighted_ranges_of(rows)
        return ranges.scoring(getattr(ranges.jobs, kind), CENTROIDS)

    return make


def of_points(find: Callable[[FloatArray], Any]) -> Callable[[FloatArray], Any]:
    return lambda rows: find(rows[:, :-1])


def total(numbers: list[float], weights: list[float]) -> Fraction:
    """Return the exact sum of products, rounded once to 53 bits, however small it is."""
    pairs = zip(numbers, weights, strict=True)
    exact = sum((Fraction(number) * Fraction(weight) for number, weight in pairs), Fraction(0))
    size = Fraction(2) ** (exact.numerator.bit_length() - exact.denominator.bit_length())
    return Fraction(float(exact / size)) * size


def find_means(rows: FloatArray) -> Result:
    found: Result = {}
    for key, places in members(labels_and_squared(rows[:, :-1])[0]).items():
        *columns, weights = rows[places].T.tolist()
        if weight := total([1.0] * len(weights), weights):
            found[key] = [[*(float(total(column, weights) / weight) for column in columns), float(weight)]]
    return found


def find_farthest(rows: FloatArray) -> Result:
    labels, squared = labels_and_squared(rows[:, :-1])
    points = rows[:, :-1].tolist()
    apart = [i for i, key in enumerate(labels) if rows[i, -1] and points[i] != CENTROIDS[key].tolist()]
    order = sorted(apart, key=lambda i: (-squared[i], i))[:4]
    return {0: [[squared[i], i, *points[i]] for i in order]} if order else {}


def find_distinct(rows: FloatArray) -> Result:
    points = [row if weight else None for *row, weight in rows.tolist()]
    first = [i for i, point in enumerate(points) if point and point not in points[:i]]
    return {0: [[i, *(points[i] or [])] for i in first[:3]]}


def find_sample(rows: FloatArray) -> Result:
    _, squared = labels_and_squared(rows[:, :-1])
    draws = np.random.Generator(np.random.Philox(key=[SEED, ROUND])).random(len(rows)).tolist()
    cost = with_centroids(rows[:, :-1])["cost"][0]
    pulls = [
        OVERSAMPLING * (each * weight) for each, weight in zip(squared, rows[:, -1].tolist(), strict=True)
    ]
    drawn = [i for i, draw in enumerate(draws) if draw * cost < pulls[i]]
    return {0: [[i, *rows[i, :-1].tolist()] for i in drawn]} if drawn else {}


def find_drawn(rows: FloatArray) -> Result:
    draws = np.random.Generator(np.random.Philox(key=[SEED, 0])).random(len(rows))
    waits = [
        (-log / weight, i)
        for i, (log, weight) in enumerate(zip(logs(1 - draws).tolist(), rows[:, -1].tolist(), strict=True))
        if weight
    ]
    return {0: [[wait, i, *rows[i, :-1].tolist()] for wait, i in sorted(waits)[:3]]}


def case(make: Callable[[Any], Job], find: Callable[[Any], Result], state_of: Any = with_centroids) -> Case:
    return Case(make, of_points(state_of), find, WEIGHTED, FEW)


def no_state(_: FloatArray) -> State:
    return {}


def no_result(_: FloatArray) -> Result:
    return {}


def squares(rows: FloatArray) -> Job:
    return weighted_ranges_of(rows).deviations(rows[:, :-1].mean(axis=0))


WEIGHTED_CASES = {
    "weighted lloyd": case(step, find_means),
    "weighted means": case(lambda rows: weighted_ranges_of(rows).means(), find_means),
    "weighted describe": case(lambda _: WeightedDescribe(), find_weighted_ranges, no_state),
    "weighted farthest": case(lambda _: WeightedFarthest(4), find_farthest),
    "weighted sample": case(lambda _: WeightedSample(SEED, ROUND, OVERSAMPLING), find_sample),
    "weighted label": case(lambda _: WeightedLabel(), of_points(find_labels)),
    "weighted distinct": case(lambda _: WeightedDistinct(3), find_distinct, no_state),
    "draw": case(lambda _: DrawByWeight(3, SEED), find_drawn, no_state),
}
WEIGHTED_SCORES = {
    f"weighted {kind}": Case(measuring(kind), of_points(with_centroids), rows=WEIGHTED, few=FEW)
    for kind in ("score", "spread", "candidates")
} | {
    "weighted squares": case(squares, no_result, with_own_means),
    "weighted dispersion": case(
        lambda rows: weighted_ranges_of(rows).dispersion(CENTROIDS + 0.5), no_result, with_means
    ),
    "weighted silhouette": case(lambda rows: weighted_ranges_of(rows).silhouette(), no_result, with_means),
}
