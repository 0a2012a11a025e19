"""The classifier with scikit-learn's interface: its weights are scikit-learn's, on every engine the same."""

import doctest
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import master.estimator.classifier
from common.events.catalogue.logistic import FitFinished, StepFinished, TableLearned
from common.events.line import read_dump
from master import LogisticRegression
from tests.master.estimator.samples import labelled, people
from tests.story import Story


def theirs(**parameters: Any) -> Any:
    return TheirLogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=10_000, **parameters)


def weights(model: Any) -> bytes:
    return bytes(model.coef_.tobytes() + model.intercept_.tobytes())


@parametrize_with_checks([LogisticRegression(), LogisticRegression(C=np.inf, class_weight="balanced")])  # type: ignore[untyped-decorator]
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_takes_it_for_one_of_its_own(estimator: Any, check: Any) -> None:
    check(estimator)


def test_examples_of_the_documentation() -> None:
    result = doctest.testmod(master.estimator.classifier)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5}])
@pytest.mark.parametrize("C", [1.0, 0.01])
def test_weights_are_those_of_scikit_learn(load: Any, class_weight: Any, C: float) -> None:
    X, y = load(return_X_y=True)
    ours = LogisticRegression(C=C, class_weight=class_weight, tol=1e-12).fit(X, y)
    other = theirs(C=C, class_weight=class_weight).fit(X, y)
    assert ours.coef_.shape == other.coef_.shape
    assert ours.coef_ == pytest.approx(other.coef_, rel=0, abs=1e-6)
    assert ours.intercept_ == pytest.approx(other.intercept_, rel=0, abs=1e-6)


def test_the_default_tol_is_enough_for_six_digits() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    assert LogisticRegression().fit(X, y).coef_ == pytest.approx(theirs().fit(X, y).coef_, abs=1e-6)


def test_parameters_of_scikit_learn_that_change_nothing() -> None:
    X, y = labelled()
    model = LogisticRegression(solver="saga", random_state=3, n_jobs=-1).fit(X, y)
    assert weights(model) == weights(LogisticRegression().fit(X, y))
    with pytest.raises(ValueError, match=r"^solver is 'liblinear', but must be one of 'lbfgs', "):
        LogisticRegression(solver="liblinear").fit(X, y)


def test_without_a_penalty() -> None:
    X, y = labelled()
    free = LogisticRegression(penalty=None).fit(X, y)
    assert weights(free) == weights(LogisticRegression(C=np.inf).fit(X, y))
    assert free.coef_ == pytest.approx(theirs(C=np.inf).fit(X, y).coef_, abs=1e-6)


@pytest.mark.parametrize("C", [1e-12, 1.0, 1e9])
def test_the_weights_are_the_best_whatever_the_units_and_the_penalty(C: float) -> None:
    X, y = labelled()
    X = X * np.array([1e-6, 1.0, 1e8])
    model = LogisticRegression(C=C, tol=1e-12).fit(X, y)
    excess = 1 / (1 + np.exp(-(X @ model.coef_[0] + model.intercept_))) - y
    derivatives = C * X.T @ excess + model.coef_[0]
    assert (np.abs(derivatives) < 1e-9 * C * np.abs(X).T @ np.abs(excess)).all()
    assert abs(excess.sum()) < 1e-9 * len(y)


def test_what_a_fit_leaves() -> None:
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression().fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.coef_.shape, model.intercept_.shape, model.n_iter_.shape) == ((3, 4), (3,), (1,))
    assert model.n_features_in_ == 4
    assert model.feature_names_in_.tolist() == model.coef_names_.tolist() == X.columns.tolist()
    assert set(vars(model)) >= set(LogisticRegression().get_params())
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(X).tolist() == model.predict(X).tolist()
    assert weights(clone(model).fit(X, y)) == weights(model)
    assert repr(LogisticRegression(C=2)) == "LogisticRegression(C=2)"


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_predictions_follow_from_the_weights(load: Any) -> None:
    X, y = load(return_X_y=True)
    model, other = LogisticRegression(tol=1e-12).fit(X, y), theirs().fit(X, y)
    assert model.predict(X).tolist() == other.predict(X).tolist()
    assert model.predict_proba(X) == pytest.approx(other.predict_proba(X), abs=1e-7)
    assert model.predict_log_proba(X) == pytest.approx(other.predict_log_proba(X), rel=1e-6, abs=1e-6)
    scores = model.decision_function(X)
    assert scores.shape == other.decision_function(X).shape
    assert scores == pytest.approx((X @ model.coef_.T + model.intercept_).reshape(scores.shape), abs=1e-6)
    assert model.score(X, y) == other.score(X, y)
    assert np.isfinite(model.predict_log_proba(X * 1e6)).all()


@pytest.mark.parametrize(
    "labels",
    [
        [True, False],
        ["yes", "no"],
        [10, -3],
        [1.0, 2.0],
        pd.Categorical(["b", "a"]),
        np.array(["b", "a"], object),
    ],
)
def test_labels_of_any_type(labels: Any) -> None:
    X, y = labelled()
    named = np.where(y, *labels)
    model = LogisticRegression().fit(X, named)
    assert model.classes_.tolist() == sorted(np.unique(named).tolist())
    assert model.score(X, named) > 0.6
    assert set(model.predict(X)) == set(model.classes_)


def test_categories_have_a_weight_each() -> None:
    frame, y = people()
    model = LogisticRegression(tol=1e-12).fit(frame, y)
    assert model.coef_names_.tolist() == ["age", "job=cook", "job=nurse", "job=pilot", "level=9", "level=10"]
    assert model.n_features_in_ == 3
    categories = OneHotEncoder(sparse_output=False).fit_transform(frame[["job", "level"]])
    expected = theirs().fit(np.column_stack([frame["age"], categories]), y)
    assert model.coef_ == pytest.approx(expected.coef_, abs=1e-6)
    assert model.intercept_ == pytest.approx(expected.intercept_, abs=1e-6)


def test_an_unseen_category() -> None:
    frame, y = people()
    model = LogisticRegression().fit(frame, y)
    strange = frame.assign(job=["baker", *frame["job"][1:]])
    expected = r"^X, row 1, column 1 \('job'\): 'baker' was not seen in fit; .* handle_unknown='ignore'$"
    with pytest.raises(ValueError, match=expected):
        model.predict(strange)
    scores = model.set_params(handle_unknown="ignore").decision_function(strange)
    assert scores[1:].tolist() == model.decision_function(frame)[1:].tolist()
    level = {10: 5, 9: 4}[int(frame["level"][0])]
    by_hand = model.intercept_ + model.coef_[:, 0] * frame["age"][0] + model.coef_[:, level]
    assert scores[0] == pytest.approx(by_hand)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads(threads: int) -> None:
    X, y = labelled(200_000)
    model = LogisticRegression(threads=threads).fit(X, y)
    assert weights(model) == weights(LogisticRegression(threads=1).fit(X, y))


@pytest.mark.slow
def test_processes_find_the_same_bits(tmp_path: Any) -> None:
    frame, y = people()
    path = tmp_path / "people.csv"
    frame.assign(answer=y).to_csv(path, index=False)
    alone = LogisticRegression().fit(frame, y)
    on_processes = LogisticRegression(engine="grpc", mappers=2, reducers=2).fit(frame, y)
    of_a_file = LogisticRegression(engine="grpc", mappers=1, target="answer", categorical_features=["level"])
    assert weights(on_processes) == weights(alone) == weights(of_a_file.fit(path))
    assert [path] == list(tmp_path.iterdir())


def test_float32_is_float64_of_the_rounded_numbers() -> None:
    X, y = labelled()
    single = X.astype(np.float32)
    models = [LogisticRegression().fit(rows, y) for rows in (single, single.astype(np.float64))]
    assert weights(models[0]) == weights(models[1])
    assert (
        models[0].predict_proba(single).tobytes() == models[1].predict_proba(single.astype(float)).tobytes()
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_data_stay_as_they_are(order: Any) -> None:
    X, y = labelled()
    X = np.array(X, order=order)
    before = X.copy()
    X.flags.writeable = False
    LogisticRegression(categorical_features=[]).fit(X, y)
    frame, answers = people()
    same = frame.copy()
    LogisticRegression().fit(frame, answers)
    assert X.tobytes() == before.tobytes()
    pd.testing.assert_frame_equal(frame, same)


def test_pipeline_and_grid_search() -> None:
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1e-4, 1.0]}, cv=3).fit(X, y)
    assert search.best_params_ == {"logisticregression__C": 1.0}
    assert search.score(X, y) > 0.95


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_not_fitted(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(LogisticRegression(), method)([[1.0]])


@pytest.mark.parametrize(
    ("parameters", "labels", "text"),
    [
        ({"max_iter": 1}, None, "^it stopped before it converged, .*; try more than max_iter=1$"),
        ({"C": np.inf}, lambda X: X[:, 0] > 0, "^the weights grow without an end, .*; use a smaller C$"),
        (
            {"class_weight": {False: 1.0, True: 1e7}},
            None,
            "^class_weight weighs one class more than 1,000,000 ",
        ),
        ({"tol": 0.0}, None, "^it stopped before it converged, .* rounding .*; try a greater tol$"),
    ],
)
def test_a_fit_in_doubt_warns(parameters: dict[str, Any], labels: Any, text: str) -> None:
    X, y = labelled()
    with pytest.warns(ConvergenceWarning, match=text) as caught:
        LogisticRegression(**parameters).fit(X, labels(X) if labels else y)
    assert caught[0].filename == __file__


def test_log(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    frame, y = people()
    LogisticRegression(dump=tmp_path / "dump.txt", verbose=True).fit(frame, y)
    story = Story(read_dump(tmp_path / "dump.txt"))
    (learned,) = story.of(TableLearned)
    assert learned.classes == ("high", "low")
    assert learned.categories == ("job", "level")
    assert len(story.of(StepFinished)) > 2
    assert story.of(FitFinished)
    assert "iteration 1 of 100" in capsys.readouterr().out
