"""Checkpoints as files: nothing is lost in them, damage is seen, and writing them waits for nobody."""

import base64
import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

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
        ([{"format": 4.0}], "written by another version (format 4.0, expected 4)"),
        ([{"format": 1}], "written by another version (format 1, expected 4)"),
        ([{"form": 3}], "not written by this program: KeyError('format')"),
        ([[]], "not written by this program: TypeError("),
        ([{"format": 4, "input": {}, "parameters": {}}], "not written by this program: TypeError("),
    ],
    ids=["float", "version", "key", "list", "input"],
)
def test_other_content_is_refused(data_dir: DataDir, lines: list[object], reason: str) -> None:
    keep(data_dir, 1, signed(*lines))
    with pytest.raises(UsageError) as refused:
        find(data_dir, SUBJECT, 9)
    assert reason in str(refused.value)


HEAD: dict[str, Any] = {
    "format": 4,
    "iteration": 2,
    "parameters": {"--k": "2"},
    "input": {"path": "/points.txt", "size_bytes": 12, "mtime_ns": 34, "digest": "ab" * 32},
}


def array(kind: object = "<f8", shape: object = (2, 2), content: bytes | None = None) -> dict[str, Any]:
    content = np.arange(4.0).tobytes() if content is None else content
    return {"type": kind, "shape": shape, "base64": base64.b64encode(content).decode()}


def signed(*lines: object) -> bytes:
    """Write a file whose checksum is right, whatever its content is; text stands as it is."""
    body = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines).encode()
    return b'{"sha256": "%s"}\n%s' % (hashlib.sha256(body).hexdigest().encode(), body)


def start(**changes: object) -> dict[str, Any]:
    return {"n_iter": 2, "shift": 0.5, "centroids": array()} | changes


Values: TypeAlias = dict[str, list[Any]]
HEADS: Values = {
    "iteration": ["2", True, -1, 2.0, None, [2], {}, 1 << 70],
    "parameters": [None, [], "--k", {"--k": 2}, {"--k": ["2"]}, {"--k": None}],
    "input": [None, [], "points", {}, HEAD["input"] | {"more": 1}],
}
INPUTS: Values = {
    "path": [None, 1, ["/"]],
    "size_bytes": ["12", -1, True, 12.0],
    "mtime_ns": ["34", -1, True, None],
    "digest": [None, 1, "xy" * 32, "AB" * 32, "ab" * 31, "../../x"],
}
NAN = np.array([0, 1, 2, np.nan]).tobytes()
STARTS: Values = {
    "n_iter": ["2", True, 2.0, -1, 1, 3, None, [2], 1 << 70, array("<i8", [1], bytes(8))],
    "shift": ["0.5", "Infinity", -0.5, float("nan"), float("inf"), 1, True, None, [0.5]],
    "centroids": [
        *(None, 1.5, "text", [[0.0, 1.0], [2.0, 3.0]], {}, {"type": "<f8", "shape": [2, 2]}),
        *(array(shape=(4, 1)), array(shape=(1, 4)), array(shape=(4,)), array(shape=(3, 2))),
        *(array(shape=None), array(shape="22"), array(shape=(2, -2)), array(shape=(True, 4))),
        *(array(shape=(2.0, 2)), array(shape=(1 << 70, 1)), array("<f4"), array("<i8"), array("|O")),
        *(array(kind=[]), array(content=b""), array(content=NAN), array() | {"base64": "\u00e9"}),
        array(content=np.array([0, 1, 2, -np.inf]).tobytes()),
        array(content=np.array([0, 1, 2, 1e200]).tobytes()),
    ],
    "more": [1],
}


def each(
    kind: str, values: Values, lines: Callable[[dict[str, Any]], list[object]]
) -> dict[str, list[object]]:
    return {
        f"{kind} {name} {number}": lines({name: value})
        for name, several in values.items()
        for number, value in enumerate(several)
    }


LYING: dict[str, list[object]] = {
    **each("head", HEADS, lambda changes: [HEAD | changes, start()]),
    **each("input", INPUTS, lambda changes: [HEAD | {"input": HEAD["input"] | changes}, start()]),
    **each("start", STARTS, lambda changes: [HEAD, start(**changes)]),
    "no centroids": [HEAD, {"n_iter": 2, "shift": 0.5}],
    "three centroids": [HEAD, start(centroids=array(shape=(3, 2), content=bytes(48)))],
    "no start": [HEAD],
    "two starts": [HEAD, start(), start()],
    "a list": [HEAD, [start()]],
    "a number": [HEAD, 3],
    "no head": [start()],
    "empty": [],
    "empty lines": ["", ""],
    "no json": ["{", "}"],
    "nested": ["[" * 100_000],
    "nested deeply": [HEAD, '{"n_iter":' * 5000 + "1" + "}" * 5000],
    "nested in the head": ['{"format": 4, "iteration": ' + "[" * 900 + "]" * 900 + "}"],
    "a long number": [HEAD, '{"n_iter": 1' + "0" * 5000 + "}"],
    "escape sequences": [HEAD | {"iteration": "\x1b[2J\u0085" * 1000}, start()],
}


@pytest.mark.parametrize("lines", LYING.values(), ids=LYING.keys())
def test_a_right_checksum_proves_nothing(data_dir: DataDir, lines: list[object]) -> None:
    """The older one is taken; alone, such a file is refused in one line."""
    (data_dir.root / "points.txt").write_bytes(b"1,2\n3,4\n")
    source = open_input(data_dir.root / "points.txt").input
    check = partial(KMeansAlgorithm(KMeansConfig(k=2, iterations=5)).check_progress, source)
    subject = Subject(replace(NOW, digest=""), {"--k": "2"})
    path = keep(data_dir, 2, signed(*lines))
    with pytest.raises(UsageError) as refused:
        find_checkpoint(data_dir, subject, 9, check)
    reason = str(refused.value).partition("can be used (iteration_2.jsonl: ")[2]
    assert reason.startswith("not written by this program: ")
    assert len(reason) < 300
    assert reason.isprintable()
    older = keep(data_dir, 1, signed(HEAD | {"iteration": 1}, start(n_iter=1)))
    os.utime(older, (0, 0))
    found = find_checkpoint(data_dir, subject, 9, check)
    assert (found.iteration, list(found.skipped)) == (1, [path])


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
