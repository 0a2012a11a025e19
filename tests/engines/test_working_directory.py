"""The processes of a Dask cluster and of Spark on this machine import nothing from the working directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.runs import needs, needs_java
from tests.faults.test_local import POISONED, imported, loaded_before_any_program, poison
from tests.programs import PATIENCE_S, SAMPLE_CENTROIDS, centroids_of, environment, options

needs("distributed", "cryptography", "pyspark")
needs_java()
pytestmark = pytest.mark.slow

NAMES = {
    *POISONED.split(),
    "cloudpickle",
    "dask",
    "distributed",
    "msgpack",
    "py4j",
    "pyspark",
    "tornado",
    "yaml",
}
ESTIMATOR = """
import os
from master.estimator import KMeans

if __name__ == "__main__":
    os.chdir({folder!r})
    before = dict(os.environ)
    model = KMeans(2, engine={engine!r}, random_state=0, mappers=2)
    model.fit([[0.0, 1.0], [0.0, 3.0], [8.0, 1.0], [8.0, 3.0]])
    assert sorted(model.cluster_centers_.tolist()) == [[0.0, 2.0], [8.0, 2.0]], model.cluster_centers_
    assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
"""


@pytest.mark.parametrize("engine", [["dask"], ["spark", "--spark-master", "local[2]"]], ids=["dask", "spark"])
def test_as_a_command(tmp_path: Path, engine: list[str]) -> None:
    folder = tmp_path / "poisoned"
    poison(folder, NAMES - loaded_before_any_program(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-m", "master", *options(), "--quiet", "--engine", *engine],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert imported(folder) == ""
    assert (ended.returncode, ended.stderr) == (0, "")
    assert centroids_of(folder) == SAMPLE_CENTROIDS


@pytest.mark.parametrize("engine", ["dask", "spark"])
def test_of_an_estimator(tmp_path: Path, engine: str) -> None:
    """And the environment is as before."""
    folder = tmp_path / "poisoned"
    poison(folder, NAMES)
    program = tmp_path / "program.py"
    program.write_text(ESTIMATOR.format(folder=str(folder), engine=engine))
    ended = subprocess.run(
        [sys.executable, program], env=environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert imported(folder) == ""
    assert ended.returncode == 0, ended.stderr
