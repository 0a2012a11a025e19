"""The measures are scikit-learn's, and do not depend on how the rows are cut."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from master.algorithms.kmeans.measures import Measures, measure
from master.algorithms.kmeans.score import describe, score
from master.engines.inline import InlineEngine

RNG = np.random.default_rng(0)
BLOBS = RNG.normal(size=(900, 5)) + 4 * RNG.integers(0, 5, size=(900, 1))
NOT_DEFINED = Measures()


def measured(points: FloatArray, *starts: FloatArray, combine: bool = True) -> list[Measures]:
    engine = InlineEngine(points, combine=combine)
    ranges = describe(engine, len(points))
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


def test_clusters_of_equal_rows_are_perfect() -> None:
    points = np.array([[0.0, 1.0]] * 3 + [[4.0, 4.0]] * 2)
    assert measured(points, points[2:4]) == [Measures(1.0, 0.0, 1.0, 1.0)]
