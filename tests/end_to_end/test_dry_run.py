"""`--dry-run` shows how a file is understood, and leaves nothing."""

from pathlib import Path

import numpy as np
import pytest

from tests.programs import options, run_here

SHOWN = """\
{path}: 3 rows, 2 columns
input: text, semicolon between fields; the first row is a header; columns "x, cm", y
  column  name   first 3 rows  least  greatest
  2       x, cm  integers      -1     3
  3       y      numbers       2.5    1e+06
2 splits of 1 or 2 rows
0.0 MB as float64, in all mappers together
nothing was run (--dry-run)
"""


def test_a_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('name;"x, cm";y\na;1;2.5\nb;3;1e6\nc;-1;3\n')
    shown = run_here(tmp_path, *options(input_path=path), "--columns", "2-3", "--dry-run")
    assert (shown.returncode, shown.stderr, shown.stdout) == (0, "", SHOWN.format(path=path))
    assert list(tmp_path.iterdir()) == [path]


def test_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.npy"
    np.save(path, np.ones((3000, 60)))
    lines = run_here(tmp_path, *options(input_path=path), "--dry-run").stdout.splitlines()
    assert lines[:3] == [
        f"{path}: 3,000 rows, 60 columns",
        "input: npy; columns 1-60",
        "  column  name  first 1000 rows  least  greatest",
    ]
    assert lines[52:] == [
        "  50            integers         1      1",
        "  ... and 10 more",
        "2 splits of 1,500 rows",
        "1.4 MB as float64, in all mappers together",
        "nothing was run (--dry-run)",
    ]


@pytest.mark.parametrize(
    ("content", "more", "what"),
    [
        ("x\n1\n2\n", ["--k", 5], "Error: --k 5 is more than the input's 2 rows\n"),
        ("x\n1\ntwo\n", [], "Error: {path}, line 3, column 1 ('x'): 'two' is not a number\n"),
    ],
)
def test_what_a_run_would_refuse(tmp_path: Path, content: str, more: list[object], what: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    refused = run_here(tmp_path, *options(input_path=path), *more, "--dry-run")
    assert (refused.returncode, refused.stderr) == (2, what.format(path=path))
    assert refused.stdout.startswith(f"{path}: 2 rows, 1 column\n")
    assert list(tmp_path.iterdir()) == [path]


def test_words(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a b\nc\n")
    shown = run_here(tmp_path, "wordcount", "--mappers", 1, "--reducers", 1, "--input", "t", "--dry-run")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[1:] == [
        "input: lines; columns 1",
        "1 split of 2 rows",
        "nothing was run (--dry-run)",
    ]


def test_texts_and_gaps(tmp_path: Path) -> None:
    """Columns of texts show how many they hold, and what is missing is in no range."""
    (tmp_path / "t").write_text("x,k,y,c\n1,u,,a\n,v,,b\n2.5,,,a\n3,v,,b\n")
    arguments = ["--input", "t", "--target", "c", "--missing", "mean", "--dry-run"]
    shown = run_here(tmp_path, "classify", *arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[2:7] == [
        "  column  name  first 4 rows          least  greatest",
        "  1       x     numbers               1      3",
        "  2       k     2 different texts     u      v",
        "  3       y     numbers, all missing",
        "  4       c     2 different texts     a      b",
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / "t"]
