"""A folder of files gives the bytes of one file with all rows, on every engine."""

from pathlib import Path

import numpy as np
import pytest

from tests.engines.runs import needs
from tests.programs import centroids_of, options, run_master

needs("distributed")
POINTS = np.random.default_rng(0).normal(size=(200, 2))


def succeed(folder: Path, *arguments: object) -> None:
    result = run_master(folder, *arguments, "--quiet")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    np.savetxt(folder / "all.txt", POINTS, "%.17g")
    succeed(
        folder, *options(k=4, input_path=folder / "all.txt"), "--engine", "inline", "--labels", "labels.txt"
    )
    return centroids_of(folder), (folder / "labels.txt").read_text()


@pytest.mark.parametrize("engine", ["inline", "grpc", "dask"])
@pytest.mark.parametrize("start", ["random", "k-means++"])
def test_a_folder(tmp_path: Path, whole: tuple[str, str], engine: str, start: str) -> None:
    table = tmp_path / "table"
    table.mkdir()
    for number, rows in enumerate(np.split(POINTS, [90, 91, 150])):
        np.savetxt(table / f"part-{number}", rows, "%.17g")
    arguments = options(k=4, r=2, input_path=table)
    if start == "random":
        succeed(tmp_path, *arguments, "--engine", engine, "--labels", "labels.txt")
        assert (centroids_of(tmp_path), (tmp_path / "labels.txt").read_text()) == whole
    else:
        succeed(tmp_path, *arguments, "--engine", engine, "--init", start)
        found = centroids_of(tmp_path)
        np.savetxt(tmp_path / "all.txt", POINTS, "%.17g")
        one = options(k=4, input_path=tmp_path / "all.txt")
        succeed(tmp_path, *one, "--engine", "inline", "--init", start)
        assert centroids_of(tmp_path) == found
