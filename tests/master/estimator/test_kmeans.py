"""The estimator in this process; tests/end_to_end has it on processes, tests/engines on clusters."""

import doctest
import pickle
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_matrix
from sklearn.base import clone
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import master.estimator.kmeans
from common.events.catalogue.kmeans import BestStart, Stopped
from common.jobs import apply
from common.kernels.nearest.distance import nearest
from common.model import FloatArray
from master import KMeans
from tests.master.estimator.samples import POINTS, cloud
from tests.programs import ROOT, SAMPLE
from tests.story import story_of

OF_RANDOM_STARTS = dict.fromkeys(
    ["check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"],
    "weights draw other rows than repeated rows do, in scikit-learn's KMeans, too",
)


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [KMeans(), KMeans(init="random", n_init=2, compute_sse=True)],
    expected_failed_checks=lambda estimator: OF_RANDOM_STARTS if estimator.init == "random" else {},
)
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_scikit_learn_takes_it_for_one_of_its_own(estimator: Any, check: Any) -> None:
    check(estimator)


def test_examples_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(master.estimator.kmeans)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("page", ["README.md", "docs/PYTHON.md", "docs/CHOOSING_K.md"])
def test_examples_of_a_page(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = "\n".join(re.findall(r"```pycon\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    assert test.examples


def test_what_a_fit_leaves() -> None:
    points = cloud()
    model = KMeans(4, random_state=1).fit(points)
    squared = ((points[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    assert model.cluster_centers_.dtype == np.float64
    assert model.labels_.dtype == np.int32
    assert model.labels_.tolist() == squared.argmin(axis=1).tolist()
    assert model.inertia_ == pytest.approx(squared.min(axis=1).sum(), rel=1e-12)
    assert model.transform(points) == pytest.approx(np.sqrt(squared))
    assert model.score(points) == -model.inertia_
    assert 1 < model.n_iter_ <= 300
    assert model.n_features_in_ == 3


def test_same_as_scikit_learn_from_the_same_start() -> None:
    points = cloud()
    ours = KMeans(6, init=points[:6], tol=0).fit(points)
    theirs = TheirKMeans(6, init=points[:6], n_init=1, tol=0).fit(points)
    assert ours.labels_.tolist() == theirs.labels_.tolist()
    assert ours.cluster_centers_ == pytest.approx(theirs.cluster_centers_)
    assert ours.n_iter_ == theirs.n_iter_
    other = cloud(50)
    assert ours.predict(other).tolist() == theirs.predict(other).tolist()
    assert ours.transform(other) == pytest.approx(theirs.transform(other))
    assert ours.score(other) == pytest.approx(theirs.score(other))


@pytest.mark.parametrize("init", ["random", "k-means++"])
@pytest.mark.parametrize("n_init", [1, 3])
def test_inertia_after_each_iteration(init: str, n_init: int) -> None:
    points = cloud()
    model = KMeans(5, init=init, n_init=n_init, random_state=3, compute_sse=True).fit(points)
    history = model.sse_history_
    assert history.shape == (model.n_iter_,)
    assert history[-1] == model.inertia_
    assert (np.diff(history) <= 0).all()
    plain = KMeans(5, init=init, n_init=n_init, random_state=3).fit(points)
    assert plain.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
    assert not hasattr(plain, "sse_history_")
    first = KMeans(5, init=init, n_init=n_init, random_state=3, max_iter=1)
    assert n_init > 1 or first.fit(points).inertia_ == history[0]


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, cloud())
    model = KMeans(2).fit(POINTS)
    for method in (model.predict, model.transform, model.score):
        with pytest.raises(ValueError, match="X has 3 columns, but fit saw 2"):
            method(path)


def test_float32_is_float64_of_the_rounded_numbers() -> None:
    single = cloud().astype(np.float32)
    ours, exact = (KMeans(4, random_state=2).fit(points) for points in (single, single.astype(np.float64)))
    assert ours.cluster_centers_.dtype == np.float32
    assert ours.cluster_centers_.tobytes() == exact.cluster_centers_.astype(np.float32).tobytes()
    exact.cluster_centers_ = ours.cluster_centers_.astype(np.float64)
    assert ours.transform(single).tobytes() == exact.transform(single.astype(float)).tobytes()
    assert ours.labels_.tolist() == exact.predict(single.astype(float)).tolist()
    assert ours.inertia_ == -exact.score(single.astype(float))


def test_the_log_measures_the_centroids_that_a_model_keeps(tmp_path: Path) -> None:
    single = cloud().astype(np.float32)
    model = KMeans(4, random_state=2, n_init=3, dump=tmp_path / "dump.txt").fit(single)
    story = story_of(tmp_path)
    assert min(event.inertia for event in story.of(Stopped)) == model.inertia_
    assert story.of(BestStart)[0].inertia == model.inertia_


@pytest.mark.parametrize("threads", [1, 3])
def test_threads(threads: int) -> None:
    points = cloud(200_000)
    model = KMeans(3, random_state=0, max_iter=3, threads=threads, init="random").fit(points)
    alone = KMeans(3, random_state=0, max_iter=3, init="random", threads=1).fit(points)
    assert model.cluster_centers_.tobytes() == alone.cluster_centers_.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_data_stay_as_they_are(order: Any) -> None:
    points = np.array(cloud(), order=order)
    before = points.copy()
    points.flags.writeable = False
    KMeans(3, random_state=0).fit(points)
    assert points.tobytes() == before.tobytes()


def test_data_frames_in_and_out() -> None:
    frame: Any = pd.DataFrame(POINTS, columns=["x", "y"], index=range(5, 36))
    model: Any = KMeans(2, random_state=0).fit(frame)
    model.set_output(transform="pandas")
    assert model.feature_names_in_.tolist() == ["x", "y"]
    distances = model.transform(frame)
    assert distances.columns.tolist() == model.get_feature_names_out().tolist() == ["kmeans0", "kmeans1"]
    assert distances.index.tolist() == frame.index.tolist()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["y", "x"]])
    model.fit(SAMPLE)
    assert not hasattr(model, "feature_names_in_")


def test_clone_pickle_and_representation() -> None:
    model = KMeans(2, random_state=0, init=POINTS[:2]).fit(POINTS)
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(POINTS).tolist() == model.labels_.tolist()
    copy = clone(model)
    assert not hasattr(copy, "labels_")
    assert copy.fit(POINTS).cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
    assert repr(KMeans(3, engine="grpc")) == "KMeans(engine='grpc', n_clusters=3)"


def test_pipeline_and_grid_search() -> None:
    pipeline = make_pipeline(StandardScaler(), KMeans(random_state=0))
    search = GridSearchCV(pipeline, {"kmeans__n_clusters": [1, 2, 4]}, cv=3).fit(POINTS)
    assert search.best_params_ == {"kmeans__n_clusters": 4}
    assert search.predict(POINTS).shape == (len(POINTS),)


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, coo_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_rows_are_clustered_as_dense_ones(
    monkeypatch: pytest.MonkeyPatch, kind: Any, dtype: Any
) -> None:
    monkeypatch.setattr(apply, "_BLOCK_NUMBERS", 100)
    points = np.where(np.random.default_rng(8).random((120, 7)) < 0.3, cloud(120, 7), 0).astype(dtype)
    sparse, weights = kind(points), np.random.default_rng(9).random(120)
    weights[::7] = 0.0
    for given in (None, weights):
        for init in ("k-means++", "random", points[:4]):
            model = KMeans(4, init=init, random_state=1)
            dense = clone(model).fit(points, sample_weight=given)
            model.fit(sparse, sample_weight=given)
            assert model.cluster_centers_.tobytes() == dense.cluster_centers_.tobytes()
            assert model.labels_.tolist() == dense.labels_.tolist() == model.predict(sparse).tolist()
            assert model.inertia_ == dense.inertia_ == -model.score(sparse, None, given)
            assert model.transform(sparse).tobytes() == dense.transform(points).tobytes()


@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_rows_fill_empty_clusters_as_dense_ones(weighted: bool) -> None:
    points = np.where(np.random.default_rng(8).random((60, 7)) < 0.3, cloud(60, 7), 0)
    weights = np.arange(60) % 3 if weighted else None
    model = KMeans(5, init=points[[3, 3, 3, 3, 9]], threads=2)
    dense = clone(model).fit(points, sample_weight=weights)
    model.fit(csr_matrix(points), sample_weight=weights)
    assert model.cluster_centers_.tobytes() == dense.cluster_centers_.tobytes()
    assert model.labels_.tolist() == dense.labels_.tolist()
    assert len(set(model.labels_)) == 5


def test_sparse_rows_with_wide_indices_and_values_given_twice() -> None:
    values, places, starts = [1.0, 2.0, 5.0, 4.0], [1, 1, 0, 2], [0, 2, 3, 4]
    twice = csr_matrix((values, places, starts), shape=(3, 3))
    twice.indices, twice.indptr = twice.indices.astype(np.int64), twice.indptr.astype(np.int64)
    dense = [[0, 3, 0], [5, 0, 0], [0, 0, 4]]
    model = KMeans(2, init=dense[:2]).fit(twice)
    assert twice.nnz == 4
    assert model.cluster_centers_.tolist() == KMeans(2, init=dense[:2]).fit(dense).cluster_centers_.tolist()


@pytest.mark.parametrize(
    ("rows", "parameters", "text"),
    [
        (POINTS, {"engine": "grpc"}, "sparse rows are clustered in this process alone"),
        ([[1.0, np.nan], [0, 3]], {}, "Input X contains NaN"),
        ([[1.0, 1e200], [0, 3]], {}, "X holds a number beyond ±3.12e+144"),
    ],
)
def test_sparse_rows_that_cannot_be_clustered(rows: Any, parameters: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        KMeans(2, **parameters).fit(csr_matrix(rows))


def test_whole_weights_are_repeated_rows() -> None:
    points, weights = cloud(), np.random.default_rng(5).integers(0, 4, 500)
    repeated = np.repeat(points, weights, axis=0)
    model = KMeans(6, init=points[:6], tol=0, compute_sse=True)
    plain = clone(model).fit(repeated)
    model.fit(points, sample_weight=weights)
    assert model.cluster_centers_.tobytes() == plain.cluster_centers_.tobytes()
    assert model.inertia_ == plain.inertia_
    assert model.sse_history_.tolist() == plain.sse_history_.tolist()
    assert np.repeat(model.labels_, weights).tolist() == plain.labels_.tolist()
    assert model.score(points, None, weights) == plain.score(repeated) == -model.inertia_
    for method in ("fit_predict", "fit_transform"):
        found = getattr(clone(model), method)(points, None, weights)
        assert found.tolist() == getattr(model, method[4:])(points).tolist()


@pytest.mark.parametrize("rows", [500, 300_000])  # many: compiled code
def test_weights_are_exact(rows: int) -> None:
    points, weights = cloud(rows), np.random.default_rng(6).random(rows) * 1e-3
    model = KMeans(3, init=points[:3], max_iter=2).fit(points, sample_weight=weights)
    before = KMeans(3, init=points[:3], max_iter=1).fit(points, sample_weight=weights)
    members = before.labels_ == 1
    weight = total(np.ones(members.sum()), weights[members])
    expected = [total(column, weights[members]) / weight for column in points[members].T]
    assert model.cluster_centers_[1].tolist() == expected
    _, squared = nearest(points, model.cluster_centers_)
    assert model.inertia_ == total(squared, weights)


def total(numbers: FloatArray, weights: FloatArray) -> float:
    """Return the exact sum of products, rounded once; all are multiples of 2**-200."""
    units = sum(
        int(Fraction(number) * Fraction(weight) * 2**200)
        for number, weight in zip(numbers.tolist(), weights.tolist(), strict=True)
    )
    return float(Fraction(units, 2**200))


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_weights_decide_the_start(init: str) -> None:
    points, weights = cloud(), np.zeros(500)
    weights[[3, 50, 200, 499]] = [1e-9, 2, 3, 1e9]
    model = KMeans(4, init=init, n_init=1, random_state=0).fit(points, sample_weight=weights)
    assert sorted(model.cluster_centers_.tolist()) == sorted(points[[3, 50, 200, 499]].tolist())
    assert model.inertia_ == 0
    assert model.labels_.shape == (500,)


@pytest.mark.parametrize("engine", ["inline", "grpc"])
def test_weights_of_a_file_are_one_of_its_columns(tmp_path: Path, engine: str) -> None:
    path, weights = tmp_path / "rows.csv", np.arange(31) % 5 / 3
    frame = pd.DataFrame({"x": POINTS[:, 0], "w": weights, "y": POINTS[:, 1]})
    frame.to_csv(path, index=False)
    here = KMeans(3, random_state=1).fit(POINTS, sample_weight=weights)
    model = KMeans(3, random_state=1, engine=engine, mappers=2).fit(path, sample_weight="w")
    assert model.cluster_centers_.tobytes() == here.cluster_centers_.tobytes()
    assert model.labels_.tolist() == here.labels_.tolist()
    assert model.score(path, sample_weight="w") == -here.inertia_
    frame.assign(w=0).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"^sample_weight w: all weights are 0$"):
        model.fit(path, sample_weight="w")


@pytest.mark.parametrize(("values", "weight"), [(1e143, 1e60), (1e120, 1e80), (1e143, 1e144)])
def test_weights_whose_products_overflow_are_refused(values: float, weight: float) -> None:
    with pytest.raises(ValueError, match="differ too much in size to be multiplied and added exactly"):
        KMeans(2, random_state=0).fit(POINTS * values, sample_weight=np.full(31, weight))


@pytest.mark.parametrize(
    ("data", "weights", "text"),
    [
        (POINTS, np.ones(30), "sample_weight.shape == (30,), expected (31,)!"),
        (POINTS, [-1.0] + [1.0] * 30, "sample_weight, row 1: -1.0 is negative, which a weight must not be"),
        (POINTS, [np.nan] + [1.0] * 30, "Input sample_weight contains NaN."),
        (POINTS, [1e200] + [1.0] * 30, "sample_weight holds a number beyond ±3.12e+144"),
        (POINTS * 2.0**-600, [2.0**-500] + [2.0**479] * 30, "the weights, from 3.05e-151 to 1.56e+144, and"),
        (SAMPLE, [1.0] * 31, "sample_weight is [1.0, 1.0"),
        (SAMPLE, "w", "sample_weight: "),
    ],
)
def test_weights_that_make_no_sense(data: Any, weights: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        KMeans(2).fit(data, sample_weight=weights)


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_not_fitted(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(KMeans(2), method)(POINTS)


def test_a_new_fit_forgets_the_old_one() -> None:
    model = KMeans(2, random_state=0, compute_sse=True).fit(POINTS)
    model.set_params(compute_sse=False, compute_labels=False).fit(cloud())
    assert not hasattr(model, "sse_history_")
    assert not hasattr(model, "labels_")
    assert model.fit_predict(cloud()).shape == (500,)
