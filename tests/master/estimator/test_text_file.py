"""What the user says of a text file in Python."""

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import master.estimator.text_file
from master import KMeans, TextFile
from tests.master.estimator.samples import POINTS
from tests.programs import ROOT


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(master.estimator.text_file) == (0, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The points of the sample, as only options tell to read them."""
    path = tmp_path / "points.txt"
    rows = [f"'a#b'#{x:.17g}#{y:.17g}".replace(".", ",") for x, y in POINTS.tolist()]
    path.write_text(
        "\n".join(["made by hand", "2019#2020#2021", *rows[:9], "% odd", "c#NA#1", *rows[9:], ""])
    )
    return path


def described(path: Path, columns: str | None = None) -> TextFile:
    return TextFile(path, "yes", "#", "'", ",", "%", 1, "drop", columns)


@pytest.mark.parametrize("engine", ["inline", "grpc"])
def test_a_file_is_read_as_said(path: Path, engine: str) -> None:
    model = KMeans(3, random_state=0, engine=engine, mappers=2, columns="2,3").fit(described(path))
    expected = KMeans(3, random_state=0).fit(POINTS)
    assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
    file = described(path, "2-3")
    model.columns = "1"  # the file's own columns come first
    assert model.labels_.tolist() == expected.labels_.tolist() == model.predict(file).tolist()
    assert model.score(file) == -expected.inertia_
    assert model.transform(file).tobytes() == expected.transform(POINTS).tobytes()


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("2019,2020\n1.5,2.5\n3.5,4.5\n", {"header": "yes"}),
        ("1,2\n3,4\n5,NA\n", {"missing": "drop"}),
        ('5",1\n6",2\n', {"quote": "none"}),
        ("x;y\n1,5;2\n2,5;3\n", {"decimal": ","}),
    ],
)
def test_what_a_refusal_recommends_helps(tmp_path: Path, text: str, answers: dict[str, Any]) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    ((name, value),) = answers.items()
    with pytest.raises(ValueError, match=re.escape(f"TextFile(..., {name}={value!r})")):
        KMeans(1).fit(path)
    columns = "2" if name == "quote" else None
    assert np.isfinite(KMeans(1).fit(TextFile(path, columns=columns, **answers)).cluster_centers_).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"header": True}, "header is True, but must be one of 'auto', 'yes', 'no'"),
        ({"delimiter": ";;"}, "delimiter ;;: it must be one ASCII character"),
        ({"delimiter": 9}, "delimiter is 9, but must be text such as ';' or 'tab'"),
        ({"delimiter": ",", "decimal": ","}, "delimiter, quote, comment and decimal must differ"),
        ({"quote": None}, "quote is None, but must be text such as '\"' or 'none'"),
        ({"decimal": ";"}, "decimal is ';', but must be one of '.', ','"),
        ({"comment": 1}, "comment is 1, but must be text such as '#'"),
        ({"skip_rows": -1}, "skip_rows is -1, but must be 0 or more"),
        ({"skip_rows": 1.5}, "skip_rows is 1.5, but must be an integer"),
        ({"missing": "keep"}, "missing is 'keep', but must be one of 'error', 'drop'"),
        ({"columns": 2}, "columns is 2, but must be text such as 'x,y' or '1,3-5'"),
    ],
)
def test_invalid_values_are_told_at_once(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TextFile("points.csv", **given)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, POINTS)
    assert KMeans(2).fit(TextFile(path)).predict(path).shape == (len(POINTS),)
    message = f"TextFile(..., header='no'): {path} is NumPy, not text"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        KMeans(2).fit(TextFile(path, header="no"))


def test_columns_of_a_model_that_make_no_sense() -> None:
    with pytest.raises(
        ValueError, match=r"^The 'columns' parameter of KMeans must be an instance of 'str' or None"
    ):
        KMeans(2, columns=2).fit("points.csv")  # type: ignore[arg-type]
