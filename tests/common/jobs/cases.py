"""Jobs to be tried, each beside a few plain lines that find what it must find."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy, builds, floats, integers, lists, text

from common.jobs import apply
from common.jobs.apply import map_rows
from common.jobs.base import Job
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import FarthestRows, Label, Score, Spread, state_of
from common.jobs.lloyd import LloydStep
from common.jobs.measures import Means
from common.jobs.rows import Describe, FirstDistinctRows, TakeRows
from common.jobs.wordcount import WordCount
from common.kernels.grouping import groups, sort_by_key
from common.kernels.nearest.distance import nearest
from common.model import Block, FloatArray, Key, Records, Rows, State
from master.algorithms.kmeans.score import Ranges

Matrix = list[list[float]]
Result = dict[Key, Matrix]

CENTROIDS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, -2.0], [5e5, -5e5], [1e9, 1e9], [-9e9, 0.0]])
SEED, ROUND, OVERSAMPLING = 2**62 + 1, 3, 2.5

COORDINATE = (
    integers(-3, 3).map(float) | floats(-1e6, 1e6) | integers(-9, 9).map(lambda i: 1e9 + i * 2.0**-20)
)


def matrices(coordinate: SearchStrategy[float]) -> SearchStrategy[FloatArray]:
    """One to thirty rows of two columns; some rows come twice."""

    def matrix(rows: Matrix, repeated: int) -> FloatArray:
        return np.array(rows + rows[:repeated])

    rows = lists(lists(coordinate, min_size=2, max_size=2), min_size=1, max_size=25)
    return builds(matrix, rows, integers(0, 5))


POINTS = matrices(COORDINATE)
LINES = lists(text(alphabet="ab \x00\t,\u2028😀", max_size=12), min_size=1, max_size=25)


def ranges_of(points: FloatArray) -> Ranges:
    smallest = [min((abs(x) for x in column if x), default=0.0) for column in points.T.tolist()]
    return Ranges(len(points), tuple(points.min(axis=0)), tuple(points.max(axis=0)), tuple(smallest))


def grouped(job: Job, *parts: Records) -> Result:
    """Reduce the map's records, as an engine does."""
    reduced = job.reduce_runs([sort_by_key(part) for part in parts])
    return {key: values.tolist() for key, values in groups(reduced)}


def at_once(job: Job, state: State, rows: Rows) -> Result:
    """Run a job on one block, without combine."""
    return grouped(job, job.map(Block(rows, 0), state))


def in_pieces(
    job: Job, state: State, rows: Rows, bounds: list[int], block_rows: int, combine: bool
) -> Result:
    """Run a job on splits with the given bounds, each mapped in blocks, and reduce the last one first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_BLOCK_NUMBERS", block_rows * 2)
        patch.setattr(apply, "_BLOCK_LINES", block_rows)
        inner = sorted(min(bound, len(rows)) for bound in bounds)
        parts = [
            map_rows(job, state, rows[start:stop], start, combine=combine)
            for start, stop in pairwise([0, *inner, len(rows)])
        ]
    return grouped(job, *reversed(parts))


# Jobs, and what they must find


def with_centroids(points: FloatArray) -> State:
    _, squared = nearest(points, CENTROIDS)
    return {"centroids": CENTROIDS, "cost": np.array([math.fsum(squared.tolist())])}


def with_moves(points: FloatArray) -> State:
    """Move the first row and, if there is another, the last one."""
    rows = sorted({0, len(points) - 1})
    keys = np.array([5, 1], np.int32)[: len(rows)]
    return {"centroids": CENTROIDS, "moved_rows": np.array(rows), "moved_keys": keys}


def with_own_means(points: FloatArray) -> State:
    return {"means": points.mean(axis=0)}


def squares(points: FloatArray) -> Job:
    return ranges_of(points).deviations(points.mean(axis=0))


def with_rows(points: FloatArray) -> State:
    n = len(points)
    return {"rows": np.array([n - 1, 0, n // 2, 0])}


def with_means(points: FloatArray) -> State:
    """Take the centroids for those of two starts, of four and two clusters, and make up their means."""
    labels, _ = nearest(points, CENTROIDS)
    sizes = np.bincount(labels, minlength=len(CENTROIDS)).astype(np.float64)
    more = {"means": CENTROIDS + 0.5, "variances": sizes / 7, "sizes": sizes}
    return state_of([range(1, 5), range(9, 11)], [CENTROIDS[:4], CENTROIDS[4:]]) | more


def dispersion(points: FloatArray) -> Job:
    return ranges_of(points).dispersion(CENTROIDS + 0.5)


def silhouette(points: FloatArray) -> Job:
    return ranges_of(points).silhouette()


def lloyd(points: FloatArray) -> Job:
    return LloydStep(ranges_of(points).column_grid())


def score(points: FloatArray) -> Job:
    return Score(ranges_of(points).distance_grid(CENTROIDS))


def spread(points: FloatArray) -> Job:
    return Spread(ranges_of(points).distance_grid(CENTROIDS))


def weigh(points: FloatArray) -> Job:
    return WeighCandidates(ranges_of(points).distance_grid(CENTROIDS))


def labels_and_squared(points: FloatArray) -> tuple[list[int], list[float]]:
    labels, squared = nearest(points, CENTROIDS)
    return labels.tolist(), squared.tolist()


def members(labels: list[int]) -> dict[int, list[int]]:
    return {key: [i for i, label in enumerate(labels) if label == key] for key in sorted(set(labels))}


def find_ranges(points: FloatArray) -> Result:
    columns = enumerate(points.T.tolist())
    return {i: [[min(c), max(c), min((abs(x) for x in c if x), default=math.inf)]] for i, c in columns}


def find_first_distinct(points: FloatArray) -> Result:
    rows = points.tolist()
    first = [i for i, row in enumerate(rows) if row not in rows[:i]]
    return {0: [[i, *rows[i]] for i in first[:3]]}


def find_rows(points: FloatArray) -> Result:
    return {i: [points[row].tolist()] for i, row in enumerate(with_rows(points)["rows"].tolist())}


def means(points: FloatArray, labels: list[int]) -> Result:
    def mean_and_size(rows: list[int]) -> list[float]:
        return [*(math.fsum(column) / len(rows) for column in points[rows].T.tolist()), len(rows)]

    return {key: [mean_and_size(rows)] for key, rows in members(labels).items()}


def find_means(points: FloatArray) -> Result:
    return means(points, labels_and_squared(points)[0])


def find_means_after_moves(points: FloatArray) -> Result:
    labels, _ = labels_and_squared(points)
    state = with_moves(points)
    for row, key in zip(state["moved_rows"].tolist(), state["moved_keys"].tolist(), strict=True):
        labels[row] = key
    return means(points, labels)


def find_farthest(points: FloatArray) -> Result:
    labels, squared = labels_and_squared(points)
    apart = [i for i, label in enumerate(labels) if points[i].tolist() != CENTROIDS[label].tolist()]
    order = sorted(apart, key=lambda i: (-squared[i], i))[:4]
    return {0: [[squared[i], i, *points[i].tolist()] for i in order]} if order else {}


def find_sample(points: FloatArray) -> Result:
    _, squared = labels_and_squared(points)
    draws = np.random.Generator(np.random.Philox(key=[SEED, ROUND])).random(len(points)).tolist()
    cost = math.fsum(squared)
    drawn = [i for i, draw in enumerate(draws) if draw * cost < OVERSAMPLING * squared[i]]
    return {0: [[i, *points[i].tolist()] for i in drawn]} if drawn else {}


def find_labels(points: FloatArray) -> Result:
    return {key: [[]] * len(rows) for key, rows in members(labels_and_squared(points)[0]).items()}


def find_counts(lines: list[str]) -> Result:
    return {word: [[count]] for word, count in Counter(" ".join(lines).split()).items()}


@dataclass(frozen=True)
class Case:
    """A job, its state, what it must find, and the rows to try it with."""

    make: Callable[[Any], Job]
    state_of: Callable[[Any], State] = lambda _: {}
    find: Callable[[Any], Result] = lambda _: {}
    rows: SearchStrategy[Any] = POINTS
    few: Any = field(default_factory=lambda: np.array([[1.0, 2.0], [3.0, 4.0]]))


CASES: dict[str, Case] = {
    "describe": Case(lambda _: Describe(), find=find_ranges),
    "distinct": Case(lambda _: FirstDistinctRows(3), find=find_first_distinct),
    "take": Case(lambda _: TakeRows(), with_rows, find_rows),
    "lloyd": Case(lloyd, with_centroids, find_means),
    "means": Case(lambda points: Means(ranges_of(points).column_grid()), with_centroids, find_means),
    "lloyd, moved": Case(lloyd, with_moves, find_means_after_moves),
    "farthest": Case(lambda _: FarthestRows(4), with_centroids, find_farthest),
    "sample": Case(lambda _: SampleRows(SEED, ROUND, OVERSAMPLING), with_centroids, find_sample),
    "label": Case(lambda _: Label(), with_centroids, find_labels),
    "wordcount": Case(lambda _: WordCount(), find=find_counts, rows=LINES, few=["a b", "b a, a"]),
}
SCORES = {
    name: Case(make, with_centroids)
    for name, make in (("score", score), ("spread", spread), ("weigh", weigh))
}
MEASURES = {
    "squares": Case(squares, with_own_means),
    "dispersion": Case(dispersion, with_means),
    "silhouette": Case(silhouette, with_means),
}
every_job = pytest.mark.parametrize(
    "case", [*CASES.values(), *SCORES.values(), *MEASURES.values()], ids=[*CASES, *SCORES, *MEASURES]
)
