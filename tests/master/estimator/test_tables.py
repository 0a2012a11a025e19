"""Tables of numbers and categories in any dress, files among them; and what is said of what is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix

from common.errors import RunFailedError
from master import LogisticRegression
from tests.master.estimator.samples import labelled, people

FRAME, ANSWERS = people()
TEXTS = FRAME.astype({"level": str})
COEF = LogisticRegression().fit(FRAME, ANSWERS).coef_.tobytes()
MIXED = pd.DataFrame({"flag": [True, False, True, "maybe"], "x": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize(
    "X",
    [
        FRAME,
        TEXTS,
        TEXTS.astype(object),
        TEXTS.astype({"job": "category", "age": "Int64"}),
        TEXTS.astype({"job": "string[pyarrow]"}),
        pl.DataFrame(TEXTS.to_dict("list")),
        pl.DataFrame(TEXTS.to_dict("list")).with_columns(pl.col("job").cast(pl.Categorical)),
        pa.table(TEXTS.to_dict("list")),
        pa.RecordBatch.from_pydict(TEXTS.to_dict("list")),
    ],
)
def test_columns_of_texts_are_categories(X: Any) -> None:
    model = LogisticRegression().fit(X, ANSWERS)
    assert model.coef_.tobytes() == COEF
    assert model.feature_names_in_.tolist() == ["job", "age", "level"]
    assert model.predict(X).tolist() == model.predict(TEXTS).tolist()


@pytest.mark.parametrize("columns", ["age,level", ["age", "level"], ("2", 3), np.array(["age", "level"])])
def test_columns_are_a_text_or_a_list(tmp_path: Path, columns: Any) -> None:
    frame = FRAME.assign(answer=ANSWERS, **{"a,b": 1.0})
    frame.to_csv(tmp_path / "people.csv", index=False)
    model = LogisticRegression(target="answer", columns=columns).fit(tmp_path / "people.csv")
    assert model.coef_names_.tolist() == ["age", "level"]
    commas = LogisticRegression(target="answer", columns=["a,b", "age"]).fit(tmp_path / "people.csv")
    assert commas.coef_names_.tolist() == ["a,b", "age"]


def test_numpy_types_are_not_in_messages() -> None:
    with pytest.raises(ValueError, match=r"^categorical_features: X has no column 'jobs'$"):
        LogisticRegression(categorical_features=[np.str_("jobs")]).fit(FRAME, ANSWERS)
    with pytest.raises(ValueError, match=r"^y holds one class alone, 'a'; "):
        LogisticRegression().fit([[1.0], [2.0]], np.array([np.str_("a")] * 2, object))


@pytest.mark.parametrize("wanted", [[0, 2], [True, False, True], np.array([2, 0])])
@pytest.mark.parametrize("X", [FRAME.to_numpy(object), FRAME.to_numpy(object).tolist(), FRAME])
def test_categories_by_position(X: Any, wanted: Any) -> None:
    model = LogisticRegression(categorical_features=wanted).fit(X, ANSWERS)
    assert model.coef_.tobytes() == COEF


def test_categories_by_name() -> None:
    numbers = FRAME.astype({"level": int})
    model = LogisticRegression(categorical_features=["level", "job"]).fit(numbers, ANSWERS)
    assert model.coef_.tobytes() == COEF


def test_a_whole_number_is_one_category_whatever_its_type() -> None:
    X, y = labelled()
    codes = X.round().astype(int)
    model = LogisticRegression(categorical_features=[1]).fit(codes, y)
    assert model.coef_names_.tolist()[:3] == ["1", "3", "2=-3"]
    assert model.predict(codes.astype(float)).tolist() == model.predict(codes).tolist()


@pytest.mark.parametrize(
    ("codes", "texts"),
    [
        (np.array([2**53, 2**53 + 1]), ["9007199254740992", "9007199254740993"]),
        (np.array([0.1, 0.5], np.float32), ["0.1", "0.5"]),
        (np.array([-128, 127], np.int8), ["-128", "127"]),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda codes: codes[:, None],
        lambda codes: codes[:, None].tolist() if codes.dtype == int else codes[:, None],
        lambda codes: pd.DataFrame({"code": codes}),
        lambda codes: pa.table({"code": codes}),
        lambda codes: pl.DataFrame({"code": codes}),
    ],
)
def test_numbers_that_are_categories_are_not_rounded(codes: Any, texts: list[str], make: Any) -> None:
    X, y = make(np.tile(codes, 3)), [0, 1, 0, 1, 1, 0]
    model = LogisticRegression(categorical_features=[0]).fit(X, y)
    assert [name.partition("=")[2] for name in model.coef_names_] == texts
    assert model.predict(X).tolist() == [0, 1] * 3


def test_booleans() -> None:
    flags = pd.DataFrame({"flag": [True, False, True, False], "x": [1.0, 2.0, 3.0, 4.0]})
    assert LogisticRegression().fit(flags, [0, 1, 1, 0]).coef_names_.tolist() == ["flag", "x"]
    model = LogisticRegression().fit(MIXED, [0, 1, 1, 0])
    assert model.coef_names_.tolist() == ["x", "flag=False", "flag=True", "flag=maybe"]


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    FRAME.assign(answer=ANSWERS).to_csv(path, index=False)
    model = LogisticRegression(target="answer", categorical_features=["level"]).fit(path)
    assert model.coef_.tobytes() == COEF
    assert model.classes_.tolist() == ["high", "low"]
    assert model.feature_names_in_.tolist() == ["job", "age", "level"]
    assert model.predict(path).tolist() == model.predict(FRAME).tolist()
    assert model.predict_proba(path).tobytes() == model.predict_proba(FRAME).tobytes()
    assert model.score(path) == model.score(FRAME, ANSWERS) == np.mean(model.predict(path) == ANSWERS)
    of_memory = LogisticRegression().fit(FRAME, ANSWERS)
    assert of_memory.set_params(target="answer").score(path) == model.score(path)
    assert [path] == list(tmp_path.iterdir())


def test_a_file_without_names_and_some_of_its_columns(tmp_path: Path) -> None:
    X, y = labelled()
    path = tmp_path / "rows.csv"
    lines = [f"{a!r},{int(label)},{b!r},{c!r}" for (a, b, c), label in zip(X.tolist(), y, strict=True)]
    path.write_text("\n".join(lines))
    model = LogisticRegression(target="2", columns="1,4").fit(path)
    expected = LogisticRegression().fit(X[:, [0, 2]], y)
    assert model.coef_.tobytes() == expected.coef_.tobytes()
    assert model.coef_names_.tolist() == ["1", "4"]
    assert model.classes_.tolist() == ["0", "1"]
    assert model.score(path) == expected.score(X[:, [0, 2]], y)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize(
    ("X", "parameters", "text"),
    [
        (
            FRAME.assign(job=["cook", None, *FRAME["job"][2:]]),
            {},
            r"^X, row 2, column 'job' \(X.iloc\[1, 0\]\): the field is empty; .* fill in a category$",
        ),
        (
            [["cook", 1.0], ["n\ud800", 2.0]],
            {"categorical_features": [0]},
            r"^X, row 2, column 1 \(X\[1\]\[0\]\): the text holds half a character .*; correct it$",
        ),
        (pl.DataFrame({"job": ["cook", None]}), {}, "^X, row 2, column 'job': the field is empty"),
        (
            FRAME.assign(age=[*FRAME["age"][:-1], np.nan]),
            {},
            r"^X, row 60, column 'age' \(X.iloc\[59, 1\]\): nan is not a number; .* fill in numbers$",
        ),
        (
            FRAME.to_numpy(object),
            {},
            "could not convert .*'; if the column holds categories, name it in categ",
        ),
        (FRAME, {"categorical_features": ["jobs"]}, "^categorical_features: X has no column 'jobs'$"),
        (FRAME, {"categorical_features": [0, 3]}, "^categorical_features: X has no column 3$"),
        (FRAME, {"categorical_features": [-1]}, "^categorical_features: X has no column -1$"),
        (FRAME, {"categorical_features": "job"}, "^categorical_features must be None, or a list"),
        (
            FRAME,
            {"target": "age"},
            "^columns and target apply only to files and data on clusters; give other data as X and y$",
        ),
        (
            np.ma.array(np.eye(60), mask=np.eye(60, dtype=bool)),
            {"categorical_features": [0]},
            "^X holds masked values",
        ),
        (pd.DataFrame({f"id{i}": map(str, range(60)) for i in range(51)}), {}, "more than 3,000 in all"),
        ("no such file.csv", {"target": "y"}, "^no such file.csv: cannot be read: No such file"),
        (
            "rows.csv",
            {},
            "^a file or data on a cluster need target, the name of the column with the classes$",
        ),
    ],
)
def test_data_that_cannot_be_learnt_from(X: Any, parameters: Any, text: str) -> None:
    answers = None if isinstance(X, str) else ANSWERS[: len(X)]
    with pytest.raises(ValueError, match=text) as error:
        LogisticRegression(**parameters).fit(X, answers)
    assert "\n" not in str(error.value)


def test_sparse_rows_are_refused() -> None:
    for wanted in (None, [0]):
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            LogisticRegression(categorical_features=wanted).fit(csr_matrix(np.eye(2)), [0, 1])


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (None, "^LogisticRegression requires y to be passed, but the target y is None$"),
        ([1] * 60, "^y holds one class alone, 1; a classifier needs two classes$"),
        (np.linspace(0, 1, 60), "^Unknown label type: continuous"),
        ([0.0, np.nan] * 30, "NaN"),
        (["a", None] * 30, "^y holds labels of types that have no order, or lacks some; make them texts$"),
        ([0, 1], "inconsistent numbers of samples"),
    ],
)
def test_labels_that_cannot_be_learnt(y: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        LogisticRegression().fit(FRAME, y)


def test_files_with_something_wrong(tmp_path: Path) -> None:
    path, other = tmp_path / "people.csv", tmp_path / "others.csv"
    FRAME.assign(answer=ANSWERS).to_csv(path, index=False)
    model = LogisticRegression(target="answer").fit(path)
    cases = [
        (FRAME.assign(job="baker"), r"others.csv, row 1, column 1 \('job'\): 'baker' was not seen in fit"),
        (FRAME.assign(age="old"), r"others.csv, line 2, column 2 \('age'\): 'old' is not a number"),
        (
            FRAME.assign(job=[None, *FRAME["job"][1:]]),
            "the field is empty; drop such rows, or fill something in",
        ),
        (FRAME[["age", "level"]], "others.csv has no column 'job'; its columns are age, level"),
    ]
    for frame, text in cases:
        frame.to_csv(other, index=False)
        with pytest.raises(ValueError, match=text):
            model.predict(other)
    for method in (model.fit, model.score):
        with pytest.raises(ValueError, match=r"^y must be None for a file"):
            method(path, ANSWERS)
    with pytest.raises(ValueError, match=r"^the score of a file needs target"):
        LogisticRegression().fit(FRAME, ANSWERS).score(path)
    with pytest.raises(
        ValueError, match=r"^categorical_features must be a list of names if target names a column"
    ):
        LogisticRegression(target="answer", categorical_features=[2]).fit(path)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"C": 0}, "^C is 0.0, but must be 1e-100 or more$"),
        ({"C": "much"}, "^C is 'much', but must be a number$"),
        ({"penalty": "l1"}, "^penalty is 'l1', but must be one of 'l2', None$"),
        ({"tol": -1}, "^tol is -1.0, but must be 0 or more$"),
        ({"max_iter": 0}, "^max_iter is 0, but must be 1 or more$"),
        ({"max_iter": 1.5}, "^max_iter is 1.5, but must be an integer$"),
        ({"class_weight": "even"}, "^class_weight is 'even', but must be None, 'balanced' or a dict$"),
        ({"class_weight": {"high": 0}}, "^class_weight must hold numbers from 1e-100 to 1e.100$"),
        ({"class_weight": {"high": 1e300}}, "^class_weight must hold numbers from 1e-100 to 1e.100$"),
        ({"class_weight": {"no": 1}}, "are not in class_weight$"),
        ({"handle_unknown": "zero"}, "^handle_unknown is 'zero', but must be one of 'error', 'ignore'$"),
        ({"engine": "mpi"}, "^engine is 'mpi', but must be one of 'grpc', 'inline'"),
    ],
)
def test_parameters_that_make_no_sense(parameters: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        LogisticRegression(**parameters).fit(FRAME, ANSWERS)


def test_what_is_refused_of_data_on_a_cluster() -> None:
    array = pytest.importorskip("dask.array").ones((4, 2))
    with pytest.raises(ValueError, match=r"^y must be None for a file or a cluster: target names the column"):
        LogisticRegression().fit(array, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"^Array has no columns with names; use a data frame$"):
        LogisticRegression(target="1").fit(array)
    with pytest.raises(
        ValueError, match=r"^X is data of dask's, but must be an array, a data frame in memory"
    ):
        LogisticRegression().fit([[0], [1], [2], [3]], [0, 1, 0, 1]).predict(array)


@pytest.mark.slow
def test_processes_get_any_text(tmp_path: Path) -> None:
    texts = ["", " a", "NA", "né\n\t\"'", "q=1", "1"] * 10
    frame = pd.DataFrame({"text": texts, "x": np.arange(60.0)})
    alone = LogisticRegression().fit(frame, ANSWERS)
    on_processes = LogisticRegression(engine="grpc", mappers=2, reducers=2).fit(frame, ANSWERS)
    assert on_processes.coef_.tobytes() == alone.coef_.tobytes()
    with pytest.raises((ValueError, RunFailedError), match="no/such"):
        LogisticRegression(engine="grpc", dump="no/such/folder.txt").fit(frame, ANSWERS)
