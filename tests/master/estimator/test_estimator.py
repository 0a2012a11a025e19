"""The estimator on arrays and on files in this process; the engines' processes are for tests/end_to_end."""

import doctest
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import master.estimator.kmeans
from master import KMeans
from tests.inputs import save
from tests.programs import ROOT, SAMPLE, environment

POINTS = np.loadtxt(SAMPLE, delimiter=",")


def cloud(rows: int = 500, columns: int = 3) -> Any:
    return np.random.default_rng(5).normal(size=(rows, columns))


@parametrize_with_checks([KMeans(), KMeans(init="random", n_init=2, compute_sse=True)])  # type: ignore[untyped-decorator]
def test_scikit_learn_takes_it_for_one_of_its_own(estimator: Any, check: Any) -> None:
    check(estimator)


def test_examples_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(master.estimator.kmeans)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("page", ["README.md", "docs/PYTHON.md"])
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


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
def test_file(tmp_path: Path, suffix: str) -> None:
    points, path = cloud(), tmp_path / f"points{suffix}"
    save(path, points)
    ours, of_array = KMeans(4, random_state=2), KMeans(4, random_state=2).fit(points)
    assert ours.fit_predict(path).tolist() == of_array.labels_.tolist()
    assert ours.cluster_centers_.tobytes() == of_array.cluster_centers_.tobytes()
    assert ours.predict(str(path)).tolist() == ours.predict(points).tolist() == ours.labels_.tolist()
    assert ours.transform(path).tobytes() == ours.transform(points).tobytes()
    assert ours.score(path) == ours.score(points) == -ours.inertia_
    assert [path] == list(tmp_path.iterdir())


def test_columns_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("name,x,y\n" + "".join(f"row,{x},{y}\n" for x, y in POINTS.tolist()))
    model = KMeans(2, random_state=0, columns="x,y").fit(path)
    expected = KMeans(2, random_state=0).fit(POINTS)
    assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
    with pytest.raises(ValueError, match="columns is for files"):
        model.fit(POINTS)


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, cloud())
    model = KMeans(2).fit(POINTS)
    for method in (model.predict, model.transform, model.score):
        with pytest.raises(ValueError, match="X has 3 columns, but fit saw 2"):
            method(path)


def test_float32_is_float64_of_the_rounded_numbers() -> None:
    single = cloud().astype(np.float32)
    models = [KMeans(4, random_state=2).fit(points) for points in (single, single.astype(np.float64))]
    assert models[0].cluster_centers_.tobytes() == models[1].cluster_centers_.tobytes()
    assert models[0].transform(single).tobytes() == models[1].transform(single.astype(float)).tobytes()


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


def test_random_state() -> None:
    points = cloud()

    def centroids(random_state: Any) -> bytes:
        return KMeans(4, random_state=random_state).fit(points).cluster_centers_.tobytes()

    for kind in (np.random.RandomState, np.random.default_rng):
        assert centroids(kind(1)) == centroids(kind(1))
        assert len({centroids(state) for state in [kind(1)] * 4}) > 1  # one state goes on
    assert centroids(np.int64(3)) == centroids(3)
    assert len({centroids(None) for _ in range(8)}) > 1


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


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"n_clusters": 0}, "n_clusters is 0, but must be 1 or more"),
        ({"n_clusters": 2.5}, "n_clusters is 2.5, but must be an integer"),
        ({"n_clusters": 32}, "n_samples=31 is less than n_clusters=32"),
        ({"max_iter": 0}, "max_iter is 0, but must be 1 or more"),
        ({"n_init": "many"}, "n_init is 'many', but must be an integer"),
        ({"tol": -1}, "tol is -1.0, but must be 0 or more"),
        ({"tol": float("nan")}, "tol is nan, but must be 0 or more"),
        ({"random_state": -1}, "random_state is -1, but must be 0 or more"),
        ({"random_state": 2**63}, f"random_state is {2**63}, but must be {2**63 - 1} or less"),
        ({"random_state": "seed"}, "random_state is 'seed', but must be an integer"),
        ({"init": "best"}, "init is 'best', but must be one of 'random', 'k-means++'"),
        ({"init": len}, "init must be 'k-means++', 'random' or an array of numbers"),
        ({"init": POINTS[:3]}, "init has the shape (3, 2), but n_clusters and the data want (2, 2)"),
        ({"init": [[0, 1], [2, np.nan]]}, "init holds numbers that cannot be clustered"),
        ({"init": POINTS[:2], "n_init": 2}, "n_init needs starts to choose from, but init gives the one"),
        ({"on_empty": "ignore"}, "on_empty is 'ignore', but must be one of 'farthest', 'keep'"),
        ({"engine": "mpi"}, "engine is 'mpi', but must be one of 'grpc', 'inline'"),
        ({"engine": "grpc", "mappers": 0}, "mappers is 0, but must be 1 or more"),
        ({"reducers": 0}, "reducers is 0, but must be 1 or more"),
        ({"threads": 0}, "threads is 0, but must be 1 or more"),
        ({"dump": "no/such/folder.txt"}, "dump no/such/folder.txt: No such file or directory"),
    ],
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        KMeans(**{"n_clusters": 2, **parameters}).fit(POINTS)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([[1.0, np.nan], [2.0, 3.0]], "NaN"),
        ([[1.0, np.inf], [2.0, 3.0]], "infinity"),
        ([[1.0, 1e200], [2.0, 3.0]], "beyond ±3.12e"),
        ([1.0, 2.0], "Expected 2D array"),
        ([[1.0], [1.0], [1.0]], "n_clusters 2 is more than the input's 1 distinct row"),
        ([["a", "b"], ["c", "d"]], "could not convert|dtype='numeric'"),
        ("no such file.csv", "no such file.csv: cannot be read: No such file"),
        (ROOT / "LICENSE", "LICENSE, line "),
    ],
)
def test_data_that_cannot_be_clustered(data: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        KMeans(2).fit(data)


def test_sparse_rows_and_weights_are_refused() -> None:
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        KMeans(2).fit(csr_matrix(POINTS))
    with pytest.raises(TypeError, match="sample_weight"):
        KMeans(2).fit(POINTS, sample_weight=np.ones(len(POINTS)))  # type: ignore[call-arg]


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


def test_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "dump.txt"
    KMeans(2, random_state=0, dump=dump, compute_sse=True).fit(POINTS)
    text = dump.read_text()
    assert "event=iteration_finished iteration=1 " in text
    assert "event=inertia iteration=1 inertia=" in text
    assert capsys.readouterr().out == ""
    KMeans(2, random_state=0, verbose=True).fit(POINTS)
    assert "iteration 1 of 300" in capsys.readouterr().out


@pytest.mark.parametrize("statement", ["from master import KMeans", "import master.estimator"])
def test_without_scikit_learn_one_line_says_what_to_install(statement: str) -> None:
    code = f"import sys; sys.modules['sklearn'] = None; {statement}"
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    expected = "ImportError: KMeans needs scikit-learn: pip install 'kmeans-mapreduce[sklearn]'"
    assert ended.stderr.splitlines()[-1] == expected
    assert "During handling" not in ended.stderr
    assert ended.returncode == 1


def test_the_command_line_does_not_load_it() -> None:
    code = (
        "import sys, master.cli.commands; print(sorted({'sklearn', 'master.estimator'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=ROOT, env=environment(), timeout=60) == b"[]\n"
    with pytest.raises(AttributeError, match="KMedoids"):
        _ = master.KMedoids
