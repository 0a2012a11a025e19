"""A doubtful result is said to be one: in one line on the screen, in dump.txt, and as a Python warning."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from common.events.catalogue.kmeans import ResultInDoubt
from master import KMeans
from tests.programs import SAMPLE, options, run_here
from tests.story import story_of

POINTS = np.loadtxt(SAMPLE, delimiter=",")
TINY = "squares of numbers below 1.49e-154 lose digits or vanish; multiply all values so that they differ by"
COARSE = "ended the run after iteration 1 although a centroid moved by"


def said(folder: Path, *arguments: object) -> list[str]:
    """Run; return the lines of standard error, which warn, which must be those in dump.txt."""
    result = run_here(folder, *arguments, "--engine", "inline")
    assert result.returncode == 0, result.stderr
    reasons = [event.reason for event in story_of(folder).of(ResultInDoubt)]
    prefix = "warning: "
    shown = [line.removeprefix(prefix) for line in result.stderr.splitlines()]
    assert shown == reasons
    assert prefix not in result.stdout
    return reasons


@pytest.fixture
def inputs(tmp_path: Path) -> dict[float, Path]:
    """Return files with the sample at several scales, with all digits."""
    paths = {scale: tmp_path / f"{scale}.npy" for scale in (1.0, 1e-6, 1e-200)}
    for scale, path in paths.items():
        np.save(path, POINTS * scale)
    return paths


def test_command(tmp_path: Path, inputs: dict[float, Path]) -> None:
    assert said(tmp_path, *options(input_path=inputs[1.0])) == []
    (coarse,) = said(tmp_path, *options(input_path=inputs[1e-6]), "--quiet")
    assert coarse.startswith("--tol 0.0001 ended the run")
    assert said(tmp_path, *options(input_path=inputs[1e-6]), "--tol", 0) == []
    (tiny,) = said(tmp_path, *options(input_path=inputs[1e-200]), "--tol", 0)
    assert tiny.startswith("the values of the input differ by ")
    assert TINY in tiny


@pytest.mark.parametrize(("scale", "doubted"), [(1.0, False), (1e-200, True)])
def test_given_centroids(tmp_path: Path, inputs: dict[float, Path], scale: float, doubted: bool) -> None:
    np.savetxt(tmp_path / "centroids.txt", POINTS[[0, -1]] * scale, delimiter=",")
    predict = ["predict", "--centroids", "centroids.txt", "--labels", "labels.txt"]
    reasons = said(tmp_path, *predict, "--input", inputs[scale])
    assert [reason.startswith("the values of --centroids differ by ") for reason in reasons] == [
        True
    ] * doubted


def fit(data: Any, **parameters: Any) -> tuple[KMeans, list[str]]:
    """Fit; return what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = KMeans(2, init="random", n_init=1, random_state=0, **parameters).fit(data)
    assert all(warning.category is ConvergenceWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return model, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("kind", ["array", "file"])
def test_estimator(tmp_path: Path, inputs: dict[float, Path], kind: str) -> None:
    data: dict[float, Any] = {scale: POINTS * scale for scale in inputs} if kind == "array" else dict(inputs)
    assert fit(data[1.0])[1] == []
    dump = tmp_path / "dump.txt"
    model, (coarse,) = fit(data[1e-6], dump=dump)
    assert model.n_iter_ == 1
    assert coarse.startswith(f"tol 0.0001 {COARSE}")
    assert coarse.endswith("choose a smaller tol, or scale the values")
    (event,) = story_of(tmp_path).of(ResultInDoubt)
    assert event.reason.startswith(f"--tol 0.0001 {COARSE}")
    assert fit(data[1e-6], tol=0)[1] == []
    tiny, copies = fit(data[1e-200], tol=0)[1]
    assert TINY in tiny
    assert copies.startswith("Number of distinct clusters (1)")
