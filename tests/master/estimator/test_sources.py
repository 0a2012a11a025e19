"""Where the estimator's data come from, and what is logged of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.events.catalogue.kmeans import Inertia, IterationFinished
from common.events.catalogue.run import FORMAT, RunStarted
from common.events.line import read_dump
from master import KMeans
from master.estimator.sources import kind_of
from tests.inputs import save
from tests.master.estimator.samples import POINTS, cloud
from tests.programs import ROOT
from tests.story import Story


@pytest.mark.parametrize(
    ("data", "kind"),
    [("points.csv", "file"), (Path("points.csv"), "file"), (POINTS, "array"), ([[1]], "array")],
)
def test_kinds_of_data(data: Any, kind: str) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
def test_file(tmp_path: Path, suffix: str) -> None:
    points, path = cloud(), tmp_path / f"points{suffix}"
    save(path, points)
    ours, of_array = KMeans(4, random_state=2), KMeans(4, random_state=2).fit(points)
    assert ours.fit_predict(path).tolist() == of_array.labels_.tolist()
    assert ours.cluster_centers_.tobytes() == of_array.cluster_centers_.tobytes()
    assert ours.predict(str(path)).tolist() == ours.predict(points).tolist() == ours.labels_.tolist()
    assert ours.transform(path).tobytes() == ours.transform(points).tobytes()
    assert ours.score(path) == ours.score(points) == -ours.inertia_
    assert [path] == list(tmp_path.iterdir())


def test_columns_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("name,x,y\n" + "".join(f"row,{x},{y}\n" for x, y in POINTS.tolist()))
    model = KMeans(2, random_state=0, columns="x,y").fit(path)
    expected = KMeans(2, random_state=0).fit(POINTS)
    assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
    with pytest.raises(ValueError, match="columns applies only to files"):
        model.fit(POINTS)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([[1.0, np.nan], [2.0, 3.0]], "NaN"),
        ([[1.0, np.inf], [2.0, 3.0]], "infinity"),
        ([[1.0, 1e200], [2.0, 3.0]], "beyond ±3.12e"),
        ([1.0, 2.0], "Expected 2D array"),
        ([[1.0]], "n_samples=1 should be >= n_clusters=2"),
        ([["a", "b"], ["c", "d"]], "could not convert|dtype='numeric'"),
        ("no such file.csv", "no such file.csv: cannot be read: No such file"),
        (ROOT / "LICENSE", "LICENSE, line "),
    ],
)
def test_data_that_cannot_be_clustered(data: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        KMeans(2).fit(data)


def test_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "dump.txt"
    KMeans(2, random_state=0, dump=dump, compute_sse=True).fit(POINTS)
    story = Story(read_dump(dump))
    started = story.entries[0].event
    assert isinstance(started, RunStarted)
    assert (started.format, started.rows, started.columns) == (FORMAT, *POINTS.shape)
    assert story.of(IterationFinished, iteration=1)
    assert story.of(Inertia, iteration=1)
    assert capsys.readouterr().out == ""
    KMeans(2, random_state=0, verbose=True).fit(POINTS)
    assert "iteration 1 of 300" in capsys.readouterr().out
