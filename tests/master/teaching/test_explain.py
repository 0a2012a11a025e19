"""The way of a row is told as the files have it."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from common.events.line import read_dump
from master.teaching.explain import explain
from master.teaching.finished import open_finished
from tests.master.teaching.runs import Spoiled, finished
from tests.programs import SAMPLE, options, run_here

ROWS = SAMPLE.read_text().splitlines()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("plain"), "--splits", 3)


def way(folder: Path, row: int) -> list[str]:
    return list(explain(open_finished(folder / "dump.txt", folder / "data"), row))


def quoted(lines: list[str]) -> list[tuple[str, str]]:
    """Return what is quoted of files: the place, and the line there."""
    return [
        (place.strip().rstrip(":"), line.strip()) for place, line in pairwise(lines) if ", line " in place
    ]


def line_at(place: str) -> str:
    path, number = re.fullmatch(r"(.*), line (\d+)", place).groups()  # type: ignore[union-attr]
    return Path(path).read_text().splitlines()[int(number) - 1]


@pytest.mark.parametrize("row", [1, 10, 11, 17, 31])
def test_each_quoted_line_is_in_its_file(plain: Path, row: int) -> None:
    lines = way(plain, row)
    assert lines[0].endswith(f": ({', '.join(ROWS[row - 1].split(','))})")
    places = quoted(lines)
    assert [Path(place).name.split(",")[0] for place, _ in places][::2] == ["map_output.txt", "output.txt"]
    assert [line_at(place) for place, _ in places] == [line for _, line in places]
    mapped, partitioned, reduced, result = [line for _, line in places]
    assert mapped.split(",", 1)[1] == ROWS[row - 1]
    assert partitioned == mapped
    assert reduced.split(",")[0] == mapped.split(",")[0]
    assert result == reduced.split(",", 1)[1]


def test_equal_rows_have_ways_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "points.txt").write_text("1,1\n9,9\n1,1\n9,8\n1,1\n")
    run = options(m=1, r=1, input_path=tmp_path / "points.txt")
    assert run_here(tmp_path, *run).returncode == 0
    places = [[place for place, _ in quoted(way(tmp_path, row))][:2] for row in (1, 3, 5)]
    assert [place.rpartition(" ")[2] for place, _ in places] == ["1", "3", "5"]
    inside = [int(place.rpartition(" ")[2]) for _, place in places]
    assert inside == list(range(inside[0], inside[0] + 3))


def test_the_words_of_a_row(plain: Path) -> None:
    text = "\n".join(way(plain, 17))
    assert "The row is in split 2, rows 11 to 20." in text
    key = int(re.search(r"Its key is (\d)\.", text)[1])  # type: ignore[index]
    assert f"{key} % 2 = {key % 2}: the record is for reducer {key % 2 + 1} of 2." in text
    assert f"R{key % 2 + 1} has fetched partition_{key % 2 + 1}.txt from M" in text
    distances = [float(number) for number in re.findall(r"^    ([\d.]+) to centroid", text, re.MULTILINE)]
    assert len(distances) == 3
    assert distances == sorted(distances)
    members = int(re.search(r"has (\d+) rows in all", text)[1])  # type: ignore[index]
    assert f"-1.6 and {members - 1} others add up to " in text


def test_a_combined_record_in_an_arrow_file(tmp_path: Path) -> None:
    lines = way(finished(tmp_path, "--combine", "--intermediate", "arrow", k=2), 17)
    assert any("has combined all its points of this key" in line for line in lines)
    place = next(i for i, line in enumerate(lines) if "map_output.arrow, record 1:" in line)
    assert lines[place + 1].startswith("    0,8.0,")


def test_a_row_that_an_empty_cluster_took(tmp_path: Path) -> None:
    (tmp_path / "start.txt").write_text("0,8\n9,1\n500,500\n")
    run = [*options(k=3, n=1), "--init-centroids", "start.txt"]
    assert run_here(tmp_path, *run).returncode == 0
    story = (tmp_path / "dump.txt").read_text()
    row = int(re.search(r"event=empty_cluster .* row=(\d+)", story)[1])  # type: ignore[index]
    lines = way(tmp_path, row)
    assert "  Cluster 2 was empty; it took this row, the farthest from its centroid." in lines
    assert "  Its key is 2." in lines


def test_many_centroids_and_columns_are_cut_short(tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.random.default_rng(1).normal(size=(40, 12)))
    run = options(k=9, n=2, input_path=tmp_path / "wide.npy")
    assert run_here(tmp_path, *run).returncode == 0
    lines = way(tmp_path, 3)
    assert "    ... and 4 others, farther away" in lines
    assert len([line for line in lines if line.startswith("    column ")]) == 4
    assert max(map(len, lines[1:])) < 200


def test_the_command(plain: Path) -> None:
    told = run_here(plain, "explain", "--row", 17)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[-1].strip() in (plain / "data" / "centroids.txt").read_text().splitlines()
    for row in (0, 32):
        refused = run_here(plain, "explain", "--row", row)
        assert refused.returncode == 2
        assert refused.stderr == f"Error: --row {row}: the rows of {SAMPLE} are 1 to 31\n"


def test_files_that_do_not_show_a_way(plain: Path, tmp_path: Path) -> None:
    (place, _), *_ = quoted(way(plain, 1))
    name = Path(place.partition(",")[0]).relative_to(plain / "data")
    run = Spoiled(plain, tmp_path)
    says = "Error: the files do not show the way of row 1; python -m master verify says what is wrong\n"
    for spoil in (lambda lines: lines.clear(), lambda lines: lines.insert(0, "1,0.4,7.2")):
        run.change(str(name), spoil)
        refused = run_here(tmp_path, "explain", "--row", 1)
        assert (refused.returncode, refused.stderr) == (2, says)
    result = Spoiled(plain, tmp_path).data / "centroids.txt"
    result.write_bytes(result.read_bytes().replace(b".", b"\xff"))
    assert run_here(tmp_path, "explain", "--row", 1).returncode == 0
    result.unlink()
    assert run_here(tmp_path, "explain", "--row", 1).stderr == says


def test_a_best_start_that_ended_earlier(tmp_path: Path) -> None:
    finished(tmp_path, "--n-init", 2, k=2)
    dump = tmp_path / "dump.txt"
    text = re.sub(r"event=best_start start=\d", "event=best_start start=3", dump.read_text())
    dump.write_text(text)
    assert read_dump(dump)
    refused = run_here(tmp_path, "explain", "--row", 1)
    assert refused.stderr.startswith("Error: the best start, 3, ended before the last iteration, whose files")
