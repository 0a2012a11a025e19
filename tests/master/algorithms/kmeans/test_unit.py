"""--scale clusters what StandardScaler makes of the rows, and gives centroids in the input's unit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler, normalize

from common.formats.dataset import open_input
from common.jobs.entry import directions
from common.model import FloatArray
from common.records import encode_vectors
from common.records.text import decode
from common.store.names import CENTROIDS
from master.algorithms.base import Checkpoints
from master.algorithms.kmeans.algorithm import KMeansAlgorithm
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.loop import fit
from master.algorithms.kmeans.search import KMeansChoice
from master.algorithms.kmeans.unit import Directions, Standardised, standardise
from master.algorithms.kmeans.weights import ranges_of
from master.engines.inline import InlineEngine
from tests.engines import local_grpc
from tests.story import ListLog

RNG = np.random.default_rng(2)
UNEVEN = (
    RNG.normal(size=(300, 3)) * [1e-7, 1.0, 1e6]
    + [5.0, -3.0, 1e7]
    + RNG.integers(0, 3, (300, 1)) * [1e-6, 9, 0]
)


def standardised(points: FloatArray, *, combine: bool = True, weights: str | None = None) -> Standardised:
    engine = InlineEngine(points, combine=combine)
    return standardise(engine, ranges_of(engine, len(points), weights))


@pytest.mark.parametrize(
    "points",
    [load_iris().data, UNEVEN, np.array([[1.0, 0.1], [3.0, 0.1]]), np.array([[7.0, -2.0]])],
    ids=["iris", "uneven", "a constant column", "a row"],
)
def test_means_and_deviations_are_those_of_the_standard_scaler(points: FloatArray) -> None:
    found, theirs = standardised(points), StandardScaler().fit(points)
    assert found.means == pytest.approx(theirs.mean_, rel=1e-12)
    assert found.deviations == pytest.approx(theirs.scale_, rel=1e-12)
    again = standardised(points, combine=False)
    assert again.means.tobytes() == found.means.tobytes()
    assert again.deviations.tobytes() == found.deviations.tobytes()
    assert found.restore(found.enter(points)) == pytest.approx(points, rel=1e-12)


@pytest.mark.parametrize("fraction", [1, 3], ids=["whole", "fractions"])
def test_weighted_means_and_deviations(fraction: int) -> None:
    points = np.vstack([UNEVEN, [[1e9, 7.0, -1e30]]])  # the last row weighs nothing
    weights = np.append(RNG.integers(0, 5, size=300), 0) / fraction
    found = standardised(np.column_stack([points, weights]), weights="w")
    theirs = StandardScaler().fit(points, sample_weight=weights)
    assert found.means == pytest.approx(theirs.mean_, rel=1e-12)
    assert found.deviations == pytest.approx(theirs.scale_, rel=1e-12)
    if fraction == 1:
        repeated = standardised(np.repeat(points, weights.astype(int), axis=0))
        assert repeated.means.tobytes() == found.means.tobytes()
        assert repeated.deviations.tobytes() == found.deviations.tobytes()


def test_a_column_that_is_constant_where_rows_weigh_anything_is_only_moved() -> None:
    found = standardised(np.array([[0.1, 1, 3], [0.1, 2, 1 / 3], [0.9, 3, 0]]), weights="w")
    assert found.deviations[0] == 1.0


def published(algorithm: Any, engine: Any, path: Path) -> tuple[dict[str, bytes], list[int]]:
    """Run an algorithm as a run does; return its files, and the labels."""
    result = algorithm.run(engine, open_input(path).input, ListLog(), Checkpoints())
    found = algorithm.publish(result)
    labels = decode(b"".join(map(bytes, engine.map_only(found.labels.job, found.labels.state))))
    return {file.name: file.content for file in found.files}, labels.keys.tolist()


def test_the_result_is_that_of_the_scaled_rows_in_the_unit_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, UNEVEN)
    unit = standardised(UNEVEN)
    scaled = (UNEVEN - unit.means) / unit.deviations
    asked: dict[str, Any] = {"iterations": 30, "init": "k-means++", "n_init": 2}
    expected = fit(InlineEngine(scaled, combine=True), 300, KMeansConfig(3, **asked), ListLog())
    centroids = encode_vectors(expected.centroids * unit.deviations + unit.means)

    one, labels = published(
        KMeansAlgorithm(KMeansConfig(3, scale=True, **asked)), InlineEngine(UNEVEN, combine=False), path
    )
    assert one == {CENTROIDS: centroids}
    assert np.bincount(labels).tolist() == expected.sizes.tolist()

    configs = tuple(KMeansConfig(k, scale=True, **asked) for k in (2, 3))
    with local_grpc.grpc_engine(tmp_path, open_input(path), 2, 2) as engine:
        several, labels_of_best = published(KMeansChoice(configs), engine, path)
    assert several["centroids_k3.txt"] == centroids
    if several[CENTROIDS] == centroids:
        assert labels_of_best == labels


def test_cosine_is_k_means_of_directions_with_centroids_that_are_directions(tmp_path: Path) -> None:
    path, points = tmp_path / "rows.npy", load_iris().data
    np.save(path, points)
    start = points[[0, 60, 120]]
    theirs = TheirKMeans(3, init=normalize(start), n_init=1, tol=0).fit(normalize(points))
    algorithm = KMeansAlgorithm(KMeansConfig(3, 300, tol=0.0, initial=start, metric="cosine"))
    files, labels = published(algorithm, InlineEngine(points, combine=False), path)
    with local_grpc.grpc_engine(tmp_path, open_input(path), 2, 2) as engine:
        assert published(algorithm, engine, path) == (files, labels)
    centroids = np.array([line.split(b",") for line in files[CENTROIDS].splitlines()], float)
    assert centroids == pytest.approx(normalize(theirs.cluster_centers_), rel=1e-12)
    assert labels == theirs.labels_.tolist()


def test_directions_of_scaled_rows() -> None:
    points = load_iris().data
    unit = Directions(standardised(points), 4)
    assert unit.enter(points) == pytest.approx(normalize(StandardScaler().fit_transform(points)), abs=1e-12)


def test_lengths_neither_vanish_nor_overflow() -> None:
    points = np.array([[3e-200, 4e-200], [3e140, 4e140], [0.0, -0.0], [-5e-324, 0.0]])
    assert directions(points).tolist() == [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]]


def test_given_centroids_are_in_the_unit_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, UNEVEN)
    unit, asked = standardised(UNEVEN), KMeansConfig(2, 1, initial=UNEVEN[:2], scale=True)
    source = open_input(path).input
    found = KMeansAlgorithm(asked).run(InlineEngine(UNEVEN, combine=True), source, ListLog(), Checkpoints())
    scaled = unit.enter(UNEVEN)
    alone = fit(InlineEngine(scaled, combine=True), 300, KMeansConfig(2, 1, initial=scaled[:2]), ListLog())
    assert found.centroids.tobytes() == alone.centroids.tobytes()
    assert found.inertia == alone.inertia
