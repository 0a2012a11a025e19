"""Checkpoints as files: nothing is lost in them, damage is seen, and writing them waits for nobody."""

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import binary, floats, integers, lists

from common.errors import UsageError
from common.formats.dataset import open_input
from common.formats.unchanged import content_digest
from common.model import FloatType
from common.store.folders import DataDir
from master.algorithms.base import Progress
from master.algorithms.kmeans.algorithm import KMeansAlgorithm
from master.algorithms.kmeans.config import KMeansConfig
from master.run.checkpoint_file import (
    InputIdentity,
    SavedCheckpoint,
    Subject,
    encode_checkpoint,
    find_checkpoint,
    read_checkpoint,
)
from master.run.checkpoints import CheckpointWriter
from tests.story import ListLog

FINITE = floats(allow_nan=False, allow_infinity=False)
NOW = InputIdentity("/points.txt", 12, 34, "ab" * 32)
SUBJECT = Subject(NOW, {"--k": "2"})


def progress(n_iter: int, *values: float) -> Progress:
    shift = float(n_iter) or np.inf
    centroids = np.array([values or (0.1, 0.2)])
    return {"n_iter": np.array(n_iter), "shift": np.array(shift), "centroids": centroids}


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    (tmp_path / "data").mkdir()
    return DataDir(tmp_path / "data")


def find(data_dir: DataDir, subject: Subject, iterations: int) -> SavedCheckpoint:
    """Find a checkpoint, whatever its progress is."""
    return find_checkpoint(data_dir, subject, iterations, lambda iteration, parts: None)


def keep(data_dir: DataDir, iteration: int, content: bytes) -> Path:
    data_dir.write_checkpoint(iteration, content)
    return data_dir.checkpoint(iteration)


@given(values=lists(FINITE, min_size=1, max_size=6), shift=floats(0) | floats(0, 1e-300), n=integers(0, 9))
def test_every_bit_comes_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], shift: float, n: int
) -> None:
    path = tmp_path_factory.mktemp("checkpoint") / "iteration_0.jsonl"
    parts: list[Progress] = [
        {"n_iter": np.array(n), "shift": np.array(shift), "centroids": np.array([values])},
        {"n_iter": np.array(n + 1), "shift": np.array(np.inf), "centroids": np.array([values[::-1]])},
        {"counts": np.array([[n], [n + 1]]), "none": np.empty((0, 3))},
    ]
    path.write_bytes(encode_checkpoint(n + 1, SUBJECT, parts))
    found = read_checkpoint(path)
    assert (found.path, found.iteration, found.subject) == (path, n + 1, SUBJECT)
    for was, now in zip(parts, found.parts, strict=True):
        assert list(was) == list(now)
        for name, array in was.items():
            assert (array.dtype, array.shape) == (now[name].dtype, now[name].shape)
            assert array.tobytes() == now[name].tobytes()


@given(noise=binary(max_size=60), at=integers(0, 400), cut=integers(0, 20))
def test_damage_is_seen(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, cut: int) -> None:
    data_dir = DataDir(tmp_path_factory.mktemp("data"))
    whole = encode_checkpoint(3, SUBJECT, [progress(3)])
    keep(data_dir, 3, damaged := whole[:at] + noise + whole[at + cut :])
    if damaged != whole:
        with pytest.raises(
            UsageError, match=r"^--resume: no checkpoint in .* can be used \(iteration_3.jsonl: "
        ):
            find(data_dir, SUBJECT, 9)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([{"format": 1}], "written by another version (format 1, expected 3)"),
        ([{"form": 3}], "not written by this program: KeyError('format')"),
        ([[]], "not written by this program: TypeError("),
        ([{"format": 3, "input": {}, "parameters": {}}], "not written by this program: TypeError("),
    ],
    ids=["version", "key", "list", "input"],
)
def test_other_content_is_refused(data_dir: DataDir, lines: list[object], reason: str) -> None:
    body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    keep(data_dir, 1, b'{"sha256": "%s"}\n%s' % (hashlib.sha256(body).hexdigest().encode(), body))
    with pytest.raises(UsageError) as refused:
        find(data_dir, SUBJECT, 9)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("option", "fields", "text"),
    [
        ("--k", {"k": 3}, "3, but the checkpoint {} has 2"),
        ("--tol", {"tol": 0.5}, "0.5, but the checkpoint {} has 0.0001"),
        ("--init", {"init": "k-means++"}, "k-means++, but the checkpoint {} has random"),
        ("--n-init", {"n_init": 4}, "4, but the checkpoint {} has 1"),
        ("--on-empty", {"on_empty": "keep"}, "keep, but the checkpoint {} has farthest"),
        ("--seed", {"seed": 1}, "1, but the checkpoint {} has 0"),
        (
            "--init-centroids",
            {"initial": np.array([[1.0, 2.0], [3.0, 4.0]])},
            "of SHA-256 6bab56d2f81d4b5a..., but the checkpoint {} has none",
        ),
        ("--columns", {"columns": "2,1"}, "2,1, but the checkpoint {} has 1,2"),
        ("--dtype", {"dtype": FloatType.FLOAT32}, "float32, but the checkpoint {} has float64"),
        ("--iters", {"iterations": 2}, "2, but the checkpoint {} is of a later iteration"),
    ],
)
def test_other_options_are_refused(data_dir: DataDir, option: str, fields: dict[str, Any], text: str) -> None:
    (data_dir.root / "points.txt").write_bytes(b"1,2\n3,4\n")

    def subject(columns: str | None = None, dtype: FloatType = FloatType.FLOAT64, **more: Any) -> Subject:
        source = open_input(data_dir.root / "points.txt", columns, dtype).input
        config = KMeansConfig(**({"k": 2, "iterations": 5} | more))
        return Subject.of(source, KMeansAlgorithm(config).parameters())

    path = keep(data_dir, 3, encode_checkpoint(3, subject(), [progress(3)]))
    assert find(data_dir, subject(iterations=50), 50).iteration == 3
    with pytest.raises(UsageError) as refused:
        find(data_dir, subject(**fields), fields.get("iterations", 5))
    assert str(refused.value) == f"--resume: {option} is {text.format(path)}"


def test_a_checkpoint_of_another_algorithm_is_refused(data_dir: DataDir) -> None:
    known = replace(NOW, digest="")
    subject = Subject(known, {"--k": "2", "--init-centroids": ""})
    path = keep(data_dir, 1, encode_checkpoint(1, subject, [progress(1)]))
    assert find(data_dir, Subject(known, {"--k": "2"}), 9).iteration == 1
    with pytest.raises(UsageError) as refused:
        find(data_dir, Subject(known, {}), 9)
    assert str(refused.value) == f"--resume: --k is not given, but the checkpoint {path} has 2"


def test_an_input_that_may_have_changed_before_it_had_a_checksum(data_dir: DataDir) -> None:
    source = InputIdentity("/points.txt", 12, 34)
    path = keep(data_dir, 1, encode_checkpoint(1, Subject(source, {}), [progress(1)]))
    assert find(data_dir, Subject(source, {}), 9).iteration == 1
    with pytest.raises(UsageError) as refused:
        find(data_dir, Subject(InputIdentity("/points.txt", 12, 35), {}), 9)
    assert str(refused.value) == (
        f"--resume: /points.txt was modified after checkpoint {path} was written, "
        "which has no checksum to compare with"
    )


def test_every_byte_counts_for_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "points.txt"
    content = bytearray(range(256)) * 5000
    digests = set()
    for at in (None, 0, 1 << 20, len(content) - 1):
        changed = bytearray(content)
        if at is not None:
            changed[at] ^= 1
        path.write_bytes(changed)
        digests.add(content_digest(path))
    path.write_bytes(content[:-1])
    assert len(digests | {content_digest(path)}) == 5


def test_two_are_kept_and_the_input_gets_its_checksum(data_dir: DataDir, tmp_path: Path) -> None:
    (tmp_path / "points.txt").write_bytes(b"1,2\n3,4\n")
    subject = Subject.of(open_input(tmp_path / "points.txt").input, {"--k": "2"})
    keep(data_dir, 77, b"of an earlier run")
    log = ListLog()
    with CheckpointWriter(data_dir, subject, None, log) as writer:
        for n_iter in range(4):
            writer.save(n_iter, [progress(n_iter)])
            while len(log.events) <= n_iter:
                threading.Event().wait(0.001)
    assert sorted(path.name for path in data_dir.checkpoints.iterdir()) == [
        ".mapreduce",
        "iteration_2.jsonl",
        "iteration_3.jsonl",
    ]
    assert [event.name for event in log.events] == ["checkpoint"] * 4
    found = find(data_dir, subject, 9)
    assert found.iteration == 3
    assert found.subject.source.digest in ("", content_digest(tmp_path / "points.txt"))
    writer.remove()
    assert not data_dir.checkpoints.exists()


def test_the_last_one_is_written_before_the_writer_ends(data_dir: DataDir) -> None:
    subject = Subject(InputIdentity(str(data_dir.root / "nowhere"), 0, 0), {})
    with CheckpointWriter(data_dir, subject, None, ListLog()) as writer:
        for n_iter in range(100):
            writer.save(n_iter, [progress(n_iter)])
    assert read_checkpoint(data_dir.checkpoint_files()[0]).iteration == 99
