"""Word count on the command line, from a text to counts.csv."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from common.kernels.grouping import partition_of
from tests.engines.words import write_words
from tests.programs import run_master


def command(*more: object) -> list[object]:
    return ["wordcount", "--input", "text", "--mappers", 2, "--reducers", 2, *more]


def counts_in(folder: Path) -> list[tuple[str, int]]:
    with (folder / "data" / "counts.csv").open(newline="") as file:
        return [(word, int(count)) for word, count in csv.reader(file)]


@pytest.mark.parametrize("engine", ["grpc", "inline"])
def test_counts_of_a_million_words(tmp_path: Path, engine: str) -> None:
    expected = write_words(tmp_path / "text")
    command = [
        "wordcount",
        "--input",
        "text",
        "--mappers",
        2,
        "--reducers",
        2,
        "--combine",
        "--engine",
        engine,
    ]
    ended = run_master(tmp_path, *command)
    assert (ended.returncode, ended.stderr) == (0, "")
    counts = counts_in(tmp_path)
    assert dict(counts) == expected
    assert counts == sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    assert f"\n{expected.total()} words, {len(expected)} different ones\n" in ended.stdout


def test_the_workers_files_stay(tmp_path: Path) -> None:
    (tmp_path / "text").write_text('to be, or not\nto be: "that"\n')
    assert run_master(tmp_path, *command()).returncode == 0
    data = tmp_path / "data"
    assert (data / "mappers" / "M1" / "map_output.txt").read_text() == 'to,1\n"be,",1\nor,1\nnot,1\n'
    lines = [line for r in (1, 2) for line in (data / f"reducers/R{r}/output.txt").read_text().splitlines()]
    assert Counter(lines) == Counter(["to,2", '"be,",1', "or,1", "not,1", "be:,1", '"""that""",1'])
    for m in (1, 2):
        for r in (1, 2):
            with (data / f"mappers/M{m}/partition_{r}.txt").open(newline="") as file:
                words = [word for word, _ in csv.reader(file)]
            assert words == sorted(words)
            assert {partition_of(word, 2) for word in words} <= {r - 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "the file is empty"),
        (b"a\n\xff b\n", ", line 2: byte 0xff is not UTF-8"),
    ],
    ids=["missing", "empty", "bytes"],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "text").write_bytes(content)
    ended = run_master(tmp_path, *command())
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "text" in ended.stderr
    assert message in ended.stderr
    assert not (tmp_path / "data").exists()
