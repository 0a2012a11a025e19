"""An algorithm of a package that is not ours: one package, run by its own command on real workers."""

import os
from pathlib import Path

import pytest

from tests.programs import environment, run_master

ALGORITHM = '''
"""Find the longest line."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Job
from common.model import Records
from master.algorithms.base import Algorithm, Command, Prepared, Published, ResultFile
from master.options.declare import option
from master.options.groups import RUN_GROUPS, InputOptions


@dataclass(frozen=True)
class LongestLine(Job):
    """The length and the row of the longest line; its first one."""

    name: ClassVar[str] = "longest_line"
    reads_lines: ClassVar[bool] = True
    aggregates: ClassVar[bool] = True

    def map(self, block, state):
        found = [(len(line), -block.row_start - i) for i, line in enumerate(block.lines)]
        return Records.of_key(0, np.array([max(found)], np.float64) if found else np.empty((0, 2)))

    def reduce(self, key, values):
        return values[np.lexsort((values[:, 1], values[:, 0]))[-1:]]


@dataclass(frozen=True)
class Options:
    """What to add to the length."""

    title: ClassVar[str] = "Longest line"
    more: int = option(0, "Add this.")


@dataclass(frozen=True)
class Lines(InputOptions):
    """Lines of text."""

    reads_lines: ClassVar[bool] = True


@dataclass(frozen=True)
class Longest(Algorithm):
    """The algorithm."""

    more: int

    file_names: ClassVar = ("longest.txt",)

    def run(self, engine, source, log, checkpoints):
        return engine.map_reduce(LongestLine(), {})[0][0]

    def publish(self, result):
        text = f"line {1 - int(result[1])} has {int(result[0]) + self.more}"
        return Published(text, (ResultFile("longest.txt", "the longest line", text.encode()),))


COMMANDS = [
    Command(
        name="longest",
        prepare=lambda own: Prepared(Longest(own.more)),
        groups={"own": Options, "input": Lines, **RUN_GROUPS},
        help="Find the longest line.",
        summary="Find the longest line.",
    )
]
'''
ENTRY_POINTS = (
    "[mapreduce.jobs]\nlongest_line = their_package:LongestLine\n"
    "[mapreduce.algorithms]\nlongest = their_package:COMMANDS\n"
)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Install a package, as pip does, into a folder of the import path."""
    site = tmp_path / "site"
    (site / "their_package").mkdir(parents=True)
    (site / "their_package" / "__init__.py").write_text(ALGORITHM)
    (site / "their_package-1.0.dist-info").mkdir()
    (site / "their_package-1.0.dist-info" / "METADATA").write_text("Name: their-package\nVersion: 1.0\n")
    (site / "their_package-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    known = environment()
    return known | {"PYTHONPATH": os.pathsep.join([str(site), known["PYTHONPATH"]])}


@pytest.mark.parametrize("engine", ["grpc", "inline"])
def test_it_runs(tmp_path: Path, env: dict[str, str], engine: str) -> None:
    (tmp_path / "text").write_text("a\nbcd\ne\nfgh\n\n")
    command = [
        "longest",
        "--input",
        "text",
        "--mappers",
        2,
        "--reducers",
        2,
        "--more",
        100,
        "--engine",
        engine,
    ]
    ended = run_master(tmp_path, *command, env=env)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "data" / "longest.txt").read_text() == "line 2 has 103"
    assert "\nline 2 has 103\n" in ended.stdout


def test_it_fails_and_runs_again(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "text").write_text("a\nbcd\ne\nfgh\n\n")
    command = ["longest", "--input", "text", "--mappers", 2, "--reducers", 1, "--fail-rate", 0.5]
    assert run_master(tmp_path, *command, env=env).returncode == 0
    assert (tmp_path / "data" / "longest.txt").read_text() == "line 2 has 3"


def test_an_unknown_command_is_one_line(tmp_path: Path, env: dict[str, str]) -> None:
    ended = run_master(tmp_path, "shortest", "--input", "text", env=env)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
