"""classify, predict and evaluate: the same model file whatever runs it, and the right one."""

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import master
from common.events.catalogue.run import IterationStarted
from common.events.catalogue.workers import WorkerStarted
from common.kernels.draws import uniforms
from tests.programs import ROOT, BackgroundRun, environment, environment_with_hook, run_here, run_master

JOBS = ROOT / "data" / "input" / "jobs.csv"
TARGET = "Risk_Category"
LEARN = ["classify", "--input", str(JOBS), "--target", TARGET, "--test", "0.2", "--quiet"]
NUMBERS = [
    "Average_Salary",
    "Years_Experience",
    "AI_Exposure_Index",
    "Tech_Growth_Factor",
    "Automation_Probability_2030",
    *(f"Skill_{i}" for i in range(1, 11)),
]
CATEGORIES = ["Job_Title", "Education_Level"]
TABLE = pd.read_csv(JOBS)
IS_TEST = uniforms(0, 0, 0, len(TABLE)) < 0.2


def learn(folder: Path, *more: object) -> bytes:
    return model_of(folder, run_here(folder, *LEARN, *more))


def model_of(folder: Path, done: CompletedProcess[str]) -> bytes:
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "data" / "model.json").read_bytes()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return learn(tmp_path_factory.mktemp("inline"), "--engine", "inline")


@pytest.mark.parametrize(
    ("m", "r", "more"),
    [
        (1, 2, []),
        (2, 1, ["--combine"]),
        (3, 3, ["--intermediate", "arrow"]),
        (5, 2, ["--threads", "2"]),
        (2, 3, ["--fail-rate", "0.5", "--splits", "5"]),
    ],
)
def test_the_same_model_whatever_runs(
    tmp_path: Path, expected: bytes, m: int, r: int, more: list[str]
) -> None:
    assert learn(tmp_path, "--mappers", m, "--reducers", r, *more) == expected


@pytest.mark.parametrize("variable", ["NUMBA_CPU_NAME=generic", "OPENBLAS_CORETYPE=Haswell", "NPY_DISABLE"])
def test_the_same_model_on_other_processors(tmp_path: Path, expected: bytes, variable: str) -> None:
    name, _, value = variable.partition("=")
    features = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
    settings = {name: value} if value else {"NPY_DISABLE_CPU_FEATURES": _known(features)}
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")} if name == "NUMBA_CPU_NAME" else {}
    elsewhere = run_master(tmp_path, *LEARN, "--engine", "inline", env=environment() | settings | cache)
    assert model_of(tmp_path, elsewhere) == expected


def _known(features: str) -> str:
    """Leave out what this NumPy does not know, which it would warn of."""
    from numpy._core._multiarray_umath import __cpu_dispatch__  # type: ignore[import-not-found]

    return " ".join(feature for feature in features.split() if feature in __cpu_dispatch__)


@pytest.mark.parametrize("worker", ["M1", "R2"])
def test_the_same_model_if_a_worker_is_killed(tmp_path: Path, expected: bytes, worker: str) -> None:
    delay = ["--task-delay", "0.05", "--mappers", "2", "--reducers", "2"]
    with BackgroundRun(tmp_path, *LEARN[:-1], *delay) as run:
        run.wait_for(IterationStarted, iteration=3)
        run.worker(worker).kill()
        assert run.end() == (0, "")
    assert len([event for event in run.story().of(WorkerStarted) if event.worker == worker]) == 2
    assert (tmp_path / "data" / "model.json").read_bytes() == expected


@pytest.mark.parametrize("option", ["--l2 0.5", "--missing mean", "--test 0.1", "--categories Skill_1"])
def test_another_fit_does_not_resume(tmp_path: Path, half_done: Path, option: str) -> None:
    copied = shutil.copytree(half_done, tmp_path / "run", symlinks=True)
    done = run_here(copied, *LEARN, "--resume", *option.split())
    assert (done.returncode, option.split()[0] in done.stderr, done.stderr.count("\n")) == (2, True, 1)


@pytest.fixture(scope="module")
def half_done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("half")
    with BackgroundRun(folder, *LEARN[:-1], "--task-delay", "0.05") as run:
        run.wait_for(IterationStarted, iteration=6)
        run.kill()
    return folder


def test_the_same_model_if_the_master_is_killed_and_resumed(
    tmp_path: Path, half_done: Path, expected: bytes
) -> None:
    copied = shutil.copytree(half_done, tmp_path / "run", symlinks=True)
    assert not (copied / "data" / "model.json").exists()
    assert learn(copied, "--resume", "--mappers", "3") == expected


def weights_of(model: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(model["weights"]), np.array(model["intercepts"])


def encoder(numbers: list[str], categories: list[str]) -> ColumnTransformer:
    return ColumnTransformer([("n", StandardScaler(), numbers), ("c", OneHotEncoder(), categories)])


def check_against_sklearn(folder: Path, frame: pd.DataFrame, categories: list[str], *balanced: str) -> None:
    """Compare weights and predictions of a fit to all rows; the target is the last column."""
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    target = frame.columns[-1]
    weigh = ["--class-weight", "balanced"] if balanced else []
    asked = ["--input", path, "--engine", "inline", "--quiet"]
    done = run_here(folder, "classify", *asked, "--target", target, "--tol", "1e-11", *weigh)
    assert (done.returncode, done.stderr) == (0, "")
    model = json.loads((folder / "data" / "model.json").read_text())
    numbers = [name for name in frame.columns[:-1] if name not in categories]
    theirs = LogisticRegression(
        solver="newton-cholesky", tol=1e-12, max_iter=1000, class_weight="balanced" if balanced else None
    )
    pipeline = make_pipeline(encoder(numbers, categories), theirs)
    pipeline.fit(frame[[*numbers, *categories]], frame[target].astype(str))
    weights, intercepts = weights_of(model)
    if len(theirs.classes_) == 2:
        weights, intercepts = weights[1:] - weights[:1], intercepts[1:] - intercepts[:1]
    assert model["classes"] == theirs.classes_.tolist()
    assert np.abs(weights - theirs.coef_).max() < 1e-6
    assert np.abs(intercepts - intercepts.mean() - theirs.intercept_ + theirs.intercept_.mean()).max() < 1e-6
    labelled = run_here(
        folder, "classify", "predict", "--model", "data/model.json", "--labels", "labels", *asked,
        "--data-dir", "labelling", "--dump", "labelling.txt",
    )  # fmt: skip
    assert (labelled.returncode, labelled.stderr) == (0, "")
    labels = (folder / "labels").read_text().split("\n")[:-1]
    assert labels == pipeline.predict(frame).tolist()
    ours = master.LogisticRegression.from_model(folder / "data" / "model.json", target=target)
    assert ours.predict(path).tolist() == ours.predict(frame[ours.feature_names_in_]).tolist() == labels
    assert (
        ours.coef_names_.tolist()
        == master.LogisticRegression().fit(frame[[*numbers, *categories]], labels).coef_names_.tolist()
    )
    assert ours.score(path) == np.mean(np.array(labels) == frame[target].astype(str))


@pytest.mark.parametrize("balanced", [[], ["balanced"]], ids=["plain", "balanced"])
@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_weights_and_predictions_are_those_of_sklearn(tmp_path: Path, load: Any, balanced: list[str]) -> None:
    frame = load(as_frame=True).frame
    check_against_sklearn(tmp_path, frame, [], *balanced)


@pytest.mark.parametrize("balanced", [[], ["balanced"]], ids=["plain", "balanced"])
def test_weights_with_categories_are_those_of_sklearn(tmp_path: Path, balanced: list[str]) -> None:
    check_against_sklearn(tmp_path, TABLE[[*NUMBERS, *CATEGORIES, TARGET]], CATEGORIES, *balanced)


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "data" / "report.json").read_text())
    return found


def test_scores_are_those_of_sklearn(tmp_path: Path) -> None:
    told = json.loads(run_here(tmp_path, *LEARN, "--engine", "inline", "--json").stdout)
    report = report_of(tmp_path)
    assert {name: told[name] for name in report} == report
    done = run_here(
        tmp_path, "classify", "predict", "--model", "data/model.json", "--input", JOBS, "--labels", "labels",
        "--probabilities", "--engine", "inline", "--data-dir", "other", "--quiet",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(",") for line in (tmp_path / "labels").read_text().splitlines()]
    said = np.array([row[0] for row in rows])[IS_TEST]
    probabilities = np.array([row[1:] for row in rows], float)[IS_TEST]
    truth = TABLE[TARGET].to_numpy()[IS_TEST]
    assert report["confusion"] == confusion_matrix(truth, said).tolist()
    expected = {
        "accuracy": accuracy_score(truth, said),
        "weighted_f1": f1_score(truth, said, average="weighted"),
        "macro_f1": f1_score(truth, said, average="macro"),
        "log_loss": log_loss(truth, probabilities),
    }
    assert {name: report[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert (report["training_rows"], report["test_rows"]) == ((~IS_TEST).sum(), IS_TEST.sum())


def test_evaluate_scores_as_sklearn_does(tmp_path: Path) -> None:
    learn(tmp_path, "--engine", "inline")
    done = run_master(
        tmp_path, "classify", "evaluate", "--model", "data/model.json", "--input", JOBS,
        "--mappers", "2", "--data-dir", "other", "--dump", "other.txt",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "other" / "report.json").read_text())
    assert report["rows"] == len(TABLE)
    assert f"accuracy {report['accuracy']:.4f}" in done.stdout
    assert sum(map(sum, report["confusion"])) == len(TABLE)


def weighted_f1(folder: Path, *more: object) -> float:
    learn(folder, "--engine", "inline", *more)
    found: float = report_of(folder)["weighted_f1"]
    return found


def test_what_can_be_learnt_is_learnt_and_no_more(tmp_path: Path) -> None:
    """The title alone tells nearly all; without it and the probability, nothing is there to learn."""
    without_probability = [*NUMBERS[:4], *NUMBERS[5:], *CATEGORIES]
    without_both = [*NUMBERS[:4], *NUMBERS[5:], "Education_Level"]
    assert weighted_f1(tmp_path) >= 0.98
    assert report_of(tmp_path)["iterations"] <= 12
    assert weighted_f1(tmp_path, "--columns", ",".join(without_probability)) >= 0.98
    assert weighted_f1(tmp_path, "--columns", ",".join(without_both)) <= 0.45


def test_models_of_the_parts(tmp_path: Path) -> None:
    learn(tmp_path, "--mappers", "3", "--per-node")
    report = report_of(tmp_path)
    parts = [TABLE[~IS_TEST][(TABLE[~IS_TEST].index // 1000) == i] for i in range(3)]
    assert [node["rows"] for node in report["nodes"]] == list(map(len, parts))
    assert min(node["weighted_f1"] for node in report["nodes"]) >= 0.98
    assert all(node["seconds"] > 0 and node["peak_mb"] > 10 for node in report["nodes"])
    one = tmp_path / "one"
    one.mkdir()
    learn(one, "--engine", "inline", "--per-node")
    (node,) = report_of(one)["nodes"]
    whole = report_of(one)
    assert (node["rows"], node["log_loss"], node["iterations"]) == (
        whole["training_rows"],
        whole["log_loss"],
        whole["iterations"],
    )


def test_separable_classes_without_a_penalty(tmp_path: Path) -> None:
    done = run_here(tmp_path, *LEARN, "--engine", "inline", "--l2", "0")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    assert done.stderr.startswith("warning: the classes are separable and nothing is penalised: ")
    assert not json.loads((tmp_path / "data" / "model.json").read_text())["converged"]


def test_a_fit_that_stops_early_says_so(tmp_path: Path) -> None:
    done = run_here(tmp_path, *LEARN[:-1], "--engine", "inline", "--iters", "2")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("warning: it stopped before it converged, at a derivative of ")
    assert "not converged after 2 iterations" in done.stdout


def test_a_file_for_each_node(tmp_path: Path, expected: bytes) -> None:
    done = run_master(
        tmp_path, "classify", "--input", JOBS.parent / "jobs", "--target", TARGET, "--test", "0.2",
        "--mappers", "3", "--quiet",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "data" / "model.json").read_bytes() == expected


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_pandas_is_never_imported(tmp_path: Path, suffix: str) -> None:
    """pyarrow's usual conversions do so wherever pandas is installed: half a second a process."""
    table = pd.concat([TABLE[[*NUMBERS[:2], *CATEGORIES, TARGET]]] * 3).reset_index(drop=True)
    table.loc[::50, ["Job_Title", "Average_Salary"]] = None
    path = tmp_path / f"table.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path, index=False)
    hook = "if event == 'import' and arguments[0] == 'pandas': os.abort()"
    asked = ["--target", TARGET, "--missing", "mean", "--mappers", "1", "--iters", "2", "--quiet"]
    done = run_master(
        tmp_path, "classify", "--input", path, *asked, env=environment_with_hook(tmp_path, hook)
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("warning: it stopped before it converged, ")
