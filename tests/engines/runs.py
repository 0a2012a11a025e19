"""What the tests of the engines on Spark and Dask have in common."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from common.events.log import RunLog
from common.formats.columns import ColumnChoice
from common.formats.dataset import InputFile, open_input
from common.formats.layout import TextOptions
from common.jobs.base import Engine
from common.jobs.centroids import Label
from common.model import FloatType
from common.records import encode_vectors
from master.algorithms.base import Checkpoints
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.loop import fit
from master.algorithms.kmeans.score import describe
from master.algorithms.kmeans.search import KMeansChoice, search
from master.algorithms.kmeans.unit import Directions, standardise
from master.engines.inline import InlineEngine
from tests.inputs import save
from tests.programs import ROOT, SAMPLE, environment
from tests.story import ListLog

FITS = {
    "sample": KMeansConfig(3, iterations=20, init="k-means++"),
    "iris": KMeansConfig(3, iterations=8, n_init=2, seed=1),
    "many": KMeansConfig(12, iterations=4, seed=2),
    "empty": KMeansConfig(4, iterations=5, initial=np.array([[0.0, 9], [9, 1], [99, 99], [-99, 9]])),
}
"""The inputs, and what is asked of each."""

CASES = [
    ("sample", 1, False),
    ("iris", 3, True),
    ("many", 2, True),
    ("many", 3, False),
    ("empty", 2, False),
]
"""Input, R, combine: every input, R in 1..3, with and without the combiner."""


WEIGHTED = KMeansConfig(
    4, iterations=4, weights="3", on_empty="keep", initial=np.array([[0.0, 8], [9, 1], [99, 99], [50, 50]])
)
"""For `open_weighted`; one cluster is empty, and one has a row that weighs nothing."""


def open_weighted(folder: Path) -> InputFile:
    """Write rows with weights to a file, and open it."""
    points = np.vstack([np.loadtxt(SAMPLE, delimiter=","), [50, 49]])
    path = folder / "weighted.npy"
    np.save(path, np.column_stack([points, (31 - np.arange(32)) / 7]))
    return open_input(path, ColumnChoice(weights="3"))


def weighted_result(engine: Engine) -> tuple[bytes, float]:
    """Return the bytes of the centroids and the inertia of weighted rows."""
    found = fit(engine, 32, WEIGHTED, ListLog())
    return encode_vectors(found.centroids), found.inertia


COMBINED = KMeansChoice(
    tuple(
        KMeansConfig(k, iterations=6, n_init=3, scale=True, metric="cosine", weights="w") for k in range(2, 6)
    )
)
"""All options at once, for `open_combined`."""


def open_combined(folder: Path) -> InputFile:
    """Write rows in several units with weights, some of them incomplete; open the others."""
    rng = np.random.default_rng(11)
    points = rng.normal(size=(400, 3)) + 5 * rng.integers(-2, 3, size=(400, 3))
    rows = np.column_stack([rng.integers(0, 4, size=400) / 3, points * [1, 1e-3, 1e6]]).astype(str)
    rows[rng.choice(400, 20, replace=False), rng.integers(4, size=20)] = ""
    path = folder / "combined.csv"
    path.write_text("\n".join(["w,a,b,c", *map(",".join, rows)]))
    return open_input(path, ColumnChoice(weights="w"), options=TextOptions(missing="drop"))


def combined_result(engine: Engine, file: InputFile) -> tuple[dict[str, bytes], bytes, dict[str, Any]]:
    """Return the files of all options at once, the labels, and the figures with the measures."""
    found = COMBINED.run(engine, file.input, ListLog(), Checkpoints())
    published = COMBINED.publish(found)
    assert published.labels is not None
    labels = b"".join(map(bytes, engine.map_only(published.labels.job, published.labels.state)))
    return {each.name: each.content for each in published.files}, labels, dict(published.figures)


def needs(*modules: str) -> None:
    """Skip the whole module if an extra is not installed."""
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed: make test installs it")


def needs_java() -> None:
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java, and there is none", allow_module_level=True)


def make_inputs(folder: Path) -> dict[str, Path]:
    iris, many = folder / "iris.csv", folder / "many.npy"
    save(iris, load_iris().data)
    rng = np.random.default_rng(0)
    np.save(many, rng.normal(size=(200_000, 8)) + 3 * rng.integers(0, 6, size=(200_000, 1)))
    return {"sample": SAMPLE, "empty": SAMPLE, "iris": iris, "many": many}


def result(engine: Engine, path: Path, name: str, log: RunLog | None = None) -> tuple[bytes, bytes]:
    """Return the bytes of centroids.txt and of the labels."""
    found = fit(engine, open_input(path).input.rows, FITS[name], log or ListLog())
    labels = b"".join(map(bytes, engine.map_only(Label(), {"centroids": found.centroids})))
    return encode_vectors(found.centroids), labels


def searched(engine: Engine, path: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """Return the centroids of several K, and their measures, of directions of standardised rows."""
    rows = open_input(path).input.rows
    configs = [KMeansConfig(k, iterations=5, n_init=2) for k in (2, 3, 5)]
    unit = Directions(standardise(engine, describe(engine, rows)), 2)
    found = search(unit.on(engine), rows, configs, ListLog())
    return encode_vectors(np.concatenate([each.centroids for each in found.results])), found.figures


def expected_search(path: Path) -> tuple[bytes, list[dict[str, Any]]]:
    return searched(InlineEngine(open_input(path), combine=False), path)


class Expected:
    """What the inline engine finds, computed once."""

    def __init__(self, inputs: dict[str, Path]) -> None:
        self.inputs = inputs
        self._known: dict[tuple[str, FloatType], tuple[bytes, bytes]] = {}

    def __call__(self, name: str, dtype: FloatType = FloatType.FLOAT64) -> tuple[bytes, bytes]:
        if (name, dtype) not in self._known:
            engine = InlineEngine(open_input(self.inputs[name], dtype=dtype), combine=name == "many")
            self._known[name, dtype] = result(engine, self.inputs[name], name)
        return self._known[name, dtype]


@contextmanager
def cluster(program: str, folder: Path) -> Iterator[Callable[[str], subprocess.CompletedProcess[str]]]:
    """Start a cluster as `make` does; yield how to give its program a command; end it in any case."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"scripts.clusters.{program}", "--folder", str(folder)]
        return subprocess.run(
            [*command, *map(str, arguments)], env=environment(), cwd=ROOT, capture_output=True, text=True
        )

    try:
        started = call("up")
        assert started.returncode == 0, started
        yield call
    finally:
        call("down")
    assert not folder.exists()
