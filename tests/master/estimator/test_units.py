"""Scaled rows, rows as directions, and the measures of a model; all as the command line has them."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from common.formats.dataset import read_all
from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from master import KMeans, KMeansSearch
from tests.master.estimator.samples import POINTS
from tests.programs import ROOT, run_master

BLOBS = ROOT / "data" / "input" / "blobs.csv"
UNITS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "scaled": ({"scale": True}, ["--scale"]),
    "cosine": ({"metric": "cosine"}, ["--metric", "cosine"]),
    "both": ({"scale": True, "metric": "cosine"}, ["--scale", "--metric", "cosine"]),
}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_the_bytes_of_the_command_line(tmp_path: Path, name: str) -> None:
    parameters, options = UNITS[name]
    run = ["--mappers", 1, "--reducers", 1, "--iters", 300, "--init", "k-means++", "--input", BLOBS]
    more = ["--k", "2..4", "--engine", "inline", "--labels", "l.txt", "--json"]
    ended = run_master(tmp_path, *run, *options, *more)
    told = json.loads(ended.stdout)
    ours = KMeans(told["k"], random_state=0, compute_scores=True, **parameters).fit(str(BLOBS))
    assert np.array_equal(ours.cluster_centers_, read_all(tmp_path / "data" / "centroids.txt"))
    assert ours.labels_.tolist() == [*map(int, (tmp_path / "l.txt").read_text().split())]
    (of_k,) = (each for each in told["results"] if each["k"] == told["k"])
    assert ours.inertia_ == of_k["inertia"]
    assert ours.scores_ == {measure: of_k[measure] for measure in ours.scores_}

    points = read_all(BLOBS)
    again = pickle.loads(pickle.dumps(ours))
    assert np.array_equal(again.predict(points), ours.labels_)
    assert np.array_equal(again.transform(points).argmin(axis=1), ours.labels_)
    assert again.score(points) == -ours.inertia_
    search = KMeansSearch(KMeans(random_state=0, **parameters), ks=(2, 3, 4)).fit(points)
    assert search.best_k_ == told["k"]
    assert np.array_equal(search.best_estimator_.cluster_centers_, ours.cluster_centers_)
    assert search.best_estimator_.scores_ == ours.scores_
    assert np.array_equal(search.labels_, ours.labels_)


def test_weights_and_single_precision_in_a_unit() -> None:
    points = POINTS.astype(np.float32)
    model = KMeans(2, random_state=0, scale=True).fit(points, sample_weight=np.arange(len(points)) % 3)
    assert model.cluster_centers_.dtype == np.float32
    assert np.array_equal(model.predict(points), model.labels_)


def test_sparse_rows_are_refused_in_a_unit() -> None:
    with pytest.raises(ValueError, match=r"need dense rows; give X\.toarray\(\)"):
        KMeans(2, scale=True).fit(csr_array(POINTS))


def test_scores_are_those_of_the_model() -> None:
    one = KMeans(1, random_state=0, compute_scores=True).fit(POINTS)
    assert np.isnan([*one.scores_.values()]).all()
    assert not hasattr(one.set_params(compute_scores=False).fit(POINTS), "scores_")


def weighed(folder: Path, points: FloatArray, weights: FloatArray) -> None:
    np.savetxt(folder / "w.csv", np.column_stack([points, weights]), fmt="%.17g", delimiter=",")
    np.savetxt(folder / "r.csv", np.repeat(points, weights.astype(int), axis=0), fmt="%.17g", delimiter=",")


def test_given_centroids_of_rows_with_weights(tmp_path: Path) -> None:
    """Whole weights measure as repeated rows do."""
    weights = np.array([i % 3.0 for i in range(len(POINTS))])
    weighed(tmp_path, POINTS, weights)
    given = ["--centroids", tmp_path / "c.csv", "--engine", "inline", "--json"]
    np.savetxt(tmp_path / "c.csv", POINTS[:3], fmt="%.17g", delimiter=",")
    asked = [
        json.loads(run_master(tmp_path, "evaluate", *given, *more).stdout)
        for more in (["--input", "w.csv", "--weights", 3], ["--input", "r.csv"])
    ]
    of_weights, of_rows = ({k: each[k] for k in ("k", "inertia", "silhouette", "sizes")} for each in asked)
    assert of_weights == of_rows
    weighted = ["--input", "w.csv", "--weights", 3]
    predicted = run_master(tmp_path, "predict", *given, *weighted, "--labels", "l.txt")
    assert json.loads(predicted.stdout)["inertia"] == of_rows["inertia"]
    labels = nearest(POINTS, POINTS[:3])[0].tolist()
    assert [*map(int, (tmp_path / "l.txt").read_text().split())] == labels


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("n_init", [1, 3])
def test_a_function_chooses_the_start_in_the_unit_of_the_input(name: str, n_init: int) -> None:
    def first(rows: FloatArray, k: int, random_state: Any) -> FloatArray:
        return rows[:k]

    parameters, _ = UNITS[name]
    chosen = KMeans(3, init=first, n_init=n_init, **parameters).fit(POINTS)
    given = KMeans(3, init=POINTS[:3], n_init=1, **parameters).fit(POINTS)
    assert np.array_equal(chosen.cluster_centers_, given.cluster_centers_)
