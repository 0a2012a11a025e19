"""A job of a package that is not ours: found by its entry point, and run by real workers."""

import os
import sys
from pathlib import Path

import pytest

from common.formats.dataset import open_lines
from common.jobs import JOBS, find_job
from common.jobs import _announced as announced
from tests.engines.local_grpc import grpc_engine

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Job
from common.model import Records, as_keys


@dataclass(frozen=True)
class LongestWord(Job):
    """Find the greatest length of the words of each initial; `least` is the least that counts."""

    least: int

    name: ClassVar[str] = "longest_word"
    reads_lines: ClassVar[bool] = True
    key_type: ClassVar[type[str]] = str

    def map(self, block, state):
        words = [word for line in block.lines for word in line.split() if len(word) >= self.least]
        lengths = np.array([len(word) for word in words], np.float64)
        return Records(as_keys([word[0] for word in words], str), lengths[:, None])

    def reduce(self, key, values):
        return values.max(axis=0, keepdims=True)
'''
ENTRY_POINTS = "[mapreduce.jobs]\nlongest_word = their_package.jobs:LongestWord\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package, as pip does, into a folder of the import path."""
    site = tmp_path / "site"
    (site / "their_package").mkdir(parents=True)
    (site / "their_package" / "__init__.py").write_text("")
    (site / "their_package" / "jobs.py").write_text(MODULE)
    (site / "their_package-1.0.dist-info").mkdir()
    (site / "their_package-1.0.dist-info" / "METADATA").write_text("Name: their-package\nVersion: 1.0\n")
    (site / "their_package-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *filter(None, [os.getenv("PYTHONPATH")])]))
    monkeypatch.syspath_prepend(str(site))
    announced.cache_clear()
    return site


def test_a_job_from_elsewhere_runs_on_mappers_and_reducers(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a bb abc\nbcde a\nc\n")
    try:
        kind = find_job("longest_word")
        assert kind is not None
        job = kind(least=2)  # type: ignore[call-arg]
        with grpc_engine(tmp_path, open_lines(path), 2, 2) as engine:
            found = engine.map_reduce(job, {})
        assert {key: values.tolist() for key, values in found.items()} == {"a": [[3.0]], "b": [[4.0]]}
    finally:
        JOBS.pop("longest_word", None)
        sys.modules.pop("their_package.jobs", None)
        announced.cache_clear()


def test_only_what_is_announced_is_imported(package: Path) -> None:
    for name in ("their_package.jobs", "their_package.jobs:LongestWord", "os", "", "../x"):
        assert find_job(name) is None
    assert "their_package.jobs" not in sys.modules
    announced.cache_clear()


def test_a_job_of_ours_needs_no_look_at_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", None)
    announced.cache_clear()
    assert find_job("lloyd") is JOBS["lloyd"]
