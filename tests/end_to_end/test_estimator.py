"""The estimator gives what the command line gives, on every engine, and leaves nothing behind."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from common.errors import RunFailedError
from common.events.catalogue.kmeans import IterationFinished
from common.events.catalogue.workers import WorkerJoined
from common.events.line import read_dump
from common.formats.dataset import read_all
from common.records import encode_vectors
from master import KMeans
from tests.programs import ROOT, SAMPLE, centroids_of, options, run_master
from tests.story import Story

BLOBS = ROOT / "data" / "input" / "blobs.csv"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary folders made in this one."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("path", "k", "engine", "extra", "parameters"),
    [
        (SAMPLE, 2, "grpc", ("--init", "k-means++"), {}),
        (
            SAMPLE,
            3,
            "inline",
            ("--seed", 4, "--n-init", 3),
            {"init": "random", "random_state": 4, "n_init": 3},
        ),
        (BLOBS, 5, "inline", ("--tol", 0.5), {"init": "random", "n_init": 1, "tol": 0.5}),
    ],
)
def test_same_bytes_as_the_command_line(
    tmp_path: Path,
    temporary: Path,
    path: Path,
    k: int,
    engine: str,
    extra: tuple[object, ...],
    parameters: dict[str, object],
) -> None:
    where = ("--engine", engine, "--labels", "labels.txt")
    run_master(tmp_path, *options(k=k, n=8, input_path=path), *extra, *where).check_returncode()
    labels = np.loadtxt(tmp_path / "labels.txt", dtype=int).tolist()
    dump = tmp_path / "log.txt"
    model = KMeans(k, engine=engine, mappers=2, max_iter=8, random_state=0, dump=dump)
    model.set_params(**parameters)
    for data in (read_all(path), path):
        model.fit(data)
        assert encode_vectors(model.cluster_centers_).decode() == centroids_of(tmp_path)
        assert model.labels_.tolist() == labels
        story = Story(read_dump(dump))
        joined = {joined.worker for joined in story.of(WorkerJoined)}
        assert joined == ({"M1", "M2", "R1"} if engine == "grpc" else set())
        assert len(story.of(IterationFinished)) >= model.n_iter_
    model.set_params(dump=None)
    assert model.predict(path).tolist() == labels
    assert not list(temporary.iterdir())


def test_given_start(tmp_path: Path) -> None:
    start = read_all(SAMPLE)[:3]
    np.save(tmp_path / "start.npy", start)
    given = ("--engine", "inline", "--init-centroids", "start.npy")
    run_master(tmp_path, *options(k=3), *given).check_returncode()
    model = KMeans(3, init=start, max_iter=20).fit(SAMPLE)
    assert encode_vectors(model.cluster_centers_).decode() == centroids_of(tmp_path)


def test_arrays_for_processes_are_quiet_and_private(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    points = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    here = KMeans(4, random_state=0).fit(points)
    seen: list[int] = []
    save = np.save

    def look(file: object, points: object) -> None:
        save(file, points)  # type: ignore[arg-type]
        seen.extend(path.stat().st_mode & 0o777 for path in temporary.rglob("*"))

    monkeypatch.setattr(np, "save", look)
    there = KMeans(4, random_state=0, engine="grpc", mappers=2).fit(points)
    assert there.cluster_centers_.tobytes() == here.cluster_centers_.tobytes()
    assert there.labels_.tolist() == here.labels_.tolist()
    assert seen == [0o700, 0o600]
    assert list(tmp_path.iterdir()) == [temporary]
    assert not list(temporary.iterdir())
    assert capfd.readouterr() == ("", "")


def test_bad_rows_are_told_by_the_mappers(tmp_path: Path, temporary: Path) -> None:
    path, dump = tmp_path / "points.csv", tmp_path / "dump.txt"
    path.write_text("1,2\n3,x\n5,6\n")
    with pytest.raises(ValueError, match=r"points.csv, line 2, column 2: 'x' is not a number"):
        KMeans(2, engine="grpc", mappers=2, dump=dump).fit(path)
    assert not dump.exists()
    assert not list(temporary.iterdir())


def test_processes_that_cannot_finish(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no worker process gets as far as its first line
    with pytest.raises(RunFailedError, match=r"[MR]1 cannot be started: its fork server has ended: "):
        KMeans(2, engine="grpc", mappers=1).fit(SAMPLE)
    assert not list(temporary.iterdir())
