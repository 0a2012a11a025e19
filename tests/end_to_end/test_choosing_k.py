"""--k 2..4, evaluate and --json, as a user and a script have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.events.catalogue.kmeans import ClustersChosen, ClustersMeasured
from tests.programs import SAMPLE, options, run_here
from tests.story import story_of

MEASURES = ("calinski_harabasz", "davies_bouldin", "silhouette", "simplified_silhouette")


def asked(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run a command with --json; return what it prints on standard output."""
    ended = run_here(folder, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def refused(folder: Path, *arguments: object) -> str:
    ended = run_here(folder, *arguments)
    assert (ended.returncode, ended.stderr.count("\n"), ended.stdout) == (2, 1, "")
    return ended.stderr


def test_several_k(tmp_path: Path) -> None:
    run = ["--mappers", 2, "--reducers", 2, "--iters", 20, "--input", SAMPLE]
    found = asked(tmp_path, *run, "--k", "2..4", "--labels", "labels.txt")
    assert found["files"] == ["data/centroids.txt", *(f"data/centroids_k{k}.txt" for k in (2, 3, 4))]
    assert found["k"] == found["preferred"]["silhouette"]
    data = tmp_path / "data"
    assert (data / "centroids.txt").read_text() == (data / f"centroids_k{found['k']}.txt").read_text()
    story = story_of(tmp_path)
    assert [event.k for event in story.of(ClustersMeasured)] == [2, 3, 4]
    assert [event.k for event in story.of(ClustersChosen)] == [found["k"]]
    assert "tried several --k; repeat it with one of them" in refused(tmp_path, "verify")

    inline = ["--input", SAMPLE, "--engine", "inline", "--data-dir", "other", "--dump", "other.txt"]
    for each in found["results"]:
        path = f"data/centroids_k{each['k']}.txt"
        evaluated = asked(tmp_path, "evaluate", "--centroids", path, *inline)
        assert {name: evaluated[name] for name in (*MEASURES, "inertia", "sizes")} == {
            name: each[name] for name in (*MEASURES, "inertia", "sizes")
        }
    predicted = asked(
        tmp_path, "predict", "--centroids", "data/centroids.txt", "--labels", "again.txt", *inline
    )
    assert predicted["labels"] == "again.txt"
    assert (tmp_path / "again.txt").read_text() == (tmp_path / "labels.txt").read_text()


def test_the_screen_shows_a_table_and_what_each_measure_prefers(tmp_path: Path) -> None:
    run = ["--mappers", 1, "--reducers", 1, "--iters", 20, "--input", SAMPLE, "--engine", "inline"]
    shown = run_here(tmp_path, *run, "--k", "2,4").stdout
    table = [line.split() for line in shown.splitlines() if line.startswith(("K  ", "2  ", "4  "))]
    assert [row[0] for row in table] == ["K", "2", "4"]
    assert "silhouette prefers K = 2" in shown
    assert shown.count("another start may end lower") == 1
    measured = run_here(
        tmp_path, "evaluate", "--centroids", "data/centroids_k4.txt", *run[6:], "--quiet"
    ).stdout
    assert measured == ""


def test_a_fit_as_json(tmp_path: Path) -> None:
    found = asked(tmp_path, *options(), "--engine", "inline")
    assert (found["k"], found["sizes"], found["converged"]) == (2, [12, 19], True)
    assert found["files"] == ["data/centroids.txt"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--json", "--labels", "-"], "--json needs standard output for itself; give --labels a file"),
        (["--json", "--dry-run"], "--json and --dry-run exclude each other: a dry run has no result"),
        (["--k", "2..32"], "--k 32 is more than the input's 31 rows"),
        (
            ["--k", "3..2"],
            "--k is 3..2, but must be a number, a range such as 2..10, or a list such as 2,4,8",
        ),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, more: list[str], text: str) -> None:
    assert refused(tmp_path, *options(), *more) == f"Error: {text}\n"


def test_centroids_with_other_columns_are_not_evaluated(tmp_path: Path) -> None:
    (tmp_path / "three.txt").write_text("1,2,3\n")
    line = refused(tmp_path, "evaluate", "--centroids", "three.txt", "--input", SAMPLE)
    assert line == "Error: --centroids has 3 columns, but the input has 2\n"
