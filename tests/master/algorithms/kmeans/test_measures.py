"""The measures are scikit-learn's, and do not depend on how the rows are cut."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from master.algorithms.kmeans.measures import Measures, measure
from master.algorithms.kmeans.score import score
from master.algorithms.kmeans.weights import ranges_of
from master.engines.inline import InlineEngine

RNG = np.random.default_rng(0)
BLOBS = RNG.normal(size=(900, 5)) + 4 * RNG.integers(0, 5, size=(900, 1))
NOT_DEFINED = Measures()


def measured(
    points: FloatArray, *starts: FloatArray, combine: bool = True, weights: str | None = None
) -> list[Measures]:
    engine = InlineEngine(points, combine=combine)
    ranges = ranges_of(engine, len(points), weights)
    sizes = [sizes for sizes, _ in score(engine, ranges, starts)]
    return measure(engine, ranges, list(zip(starts, sizes, strict=True)))


def simplified_silhouette(points: FloatArray, labels: list[int]) -> float:
    """Follow the definition, row by row."""
    rows = points.tolist()
    members = {key: [row for row, label in zip(rows, labels, strict=True) if label == key] for key in labels}
    means = {key: [math.fsum(column) / len(own) for column in zip(*own)] for key, own in members.items()}  # noqa: B905
    total = []
    for row, label in zip(rows, labels, strict=True):
        a = math.dist(row, means[label])
        b = min(math.dist(row, mean) for key, mean in means.items() if key != label)
        total.append((b - a) / max(a, b))
    return math.fsum(total) / len(rows)


@pytest.mark.parametrize(
    "points", [load_iris().data, BLOBS, BLOBS * 1e-9 + 1e-8], ids=["iris", "blobs", "tiny"]
)
def test_measures_are_those_of_scikit_learn(points: FloatArray) -> None:
    starts = [points[RNG.choice(len(points), k, replace=False)] for k in range(2, 9)]
    for start, found in zip(starts, measured(points, *starts), strict=True):
        labels = nearest(points, start)[0].tolist()
        scaled = (points - points.mean(axis=0)) / points.std()  # to scikit-learn, 1e-8 is nothing
        wanted = [
            calinski_harabasz_score(scaled, labels),
            davies_bouldin_score(scaled, labels),
            silhouette_score(scaled, labels, metric="sqeuclidean"),
            simplified_silhouette(scaled, labels),
        ]
        assert list(vars(found).values()) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_a_lone_row_has_the_silhouette_0_and_clusters_without_members_do_not_count() -> None:
    points = np.array([[0.0], [1.0], [50.0]])
    (found,) = measured(points, np.array([[0.5], [9999.0], [50.0]]))
    labels = [0, 0, 1]
    assert found.silhouette == pytest.approx(
        silhouette_score(points, labels, metric="sqeuclidean"), abs=1e-15
    )
    assert found == measured(points, np.array([[0.5], [50.0]]))[0]


def test_several_at_once_are_what_each_is_alone() -> None:
    starts = [BLOBS[:1], BLOBS[:4], BLOBS[3:5], BLOBS]
    alone = [measured(BLOBS, start)[0] for start in starts]
    assert measured(BLOBS, *starts, combine=False) == alone
    assert [each == NOT_DEFINED for each in alone] == [True, False, False, True]


@pytest.mark.parametrize("scale", [1.0, 1e-160], ids=["usual", "tiny"])
def test_a_row_of_weight_w_counts_as_w_rows(scale: float) -> None:
    points, weights = BLOBS * scale, RNG.integers(0, 4, size=900)
    starts = [points[RNG.choice(900, k, replace=False)] for k in (2, 5, 9)]
    found = measured(np.column_stack([points, weights]), *starts, weights="w")
    again = measured(np.column_stack([points, weights]), *starts, weights="w", combine=False)
    assert again == found
    for each, wanted in zip(found, measured(np.repeat(points, weights, axis=0), *starts), strict=True):
        assert list(vars(each).values()) == pytest.approx(list(vars(wanted).values()), rel=1e-12)


def test_fractional_weights_follow_the_same_definition() -> None:
    points, weights = BLOBS[:60], RNG.integers(1, 40, size=60) / 8
    start = points[:3]
    (found,) = measured(np.column_stack([points, weights]), start, weights="w")
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    labels = nearest(points, start)[0]
    mass = np.array([weights[labels == key].sum() for key in range(3)])
    sums = np.column_stack([(squared * weights)[:, labels == key].sum(axis=1) for key in range(3)])
    own = np.arange(3) == labels[:, None]
    a, b = (sums / (mass - 1))[own], np.where(own, np.inf, sums / mass).min(axis=1)
    assert found.silhouette == pytest.approx(np.average((b - a) / np.maximum(a, b), weights=weights))


def test_clusters_that_weigh_no_more_than_a_row_have_no_silhouette() -> None:
    rows = np.array([[0.0, 0.5], [1.0, 0.5], [50.0, 9.0], [51.0, 1.0]])
    (found,) = measured(rows, rows[1:3, :1], weights="w")
    assert found.silhouette == pytest.approx(10 / 11 * 1, abs=1e-2)
    assert measured(rows * [1, 0.1], rows[1:3, :1], weights="w") == [NOT_DEFINED]


def test_clusters_of_equal_rows_are_perfect() -> None:
    points = np.array([[0.0, 1.0]] * 3 + [[4.0, 4.0]] * 2)
    assert measured(points, points[2:4]) == [Measures(1.0, 0.0, 1.0, 1.0)]
