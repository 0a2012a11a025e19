"""Centroids are the same bytes for any number of mappers and reducers, combiner and engine."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from common.formats.dataset import open_input
from common.jobs.base import Engine
from common.kernels import parallel
from common.kernels.grouping import sort_by_key
from common.kernels.nearest import distance
from common.model import FloatType, RecordFormat, Records, TaskOptions
from common.records import decode, encode_vectors
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.loop import fit
from master.engines.inline import InlineEngine
from tests.engines import local_grpc
from tests.engines.runs import (
    combined_result,
    expected_search,
    open_combined,
    open_weighted,
    searched,
    weighted_result,
)
from tests.inputs import save
from tests.programs import ROOT, SAMPLE
from tests.story import ListLog

KINDS = {".txt": RecordFormat.TEXT, ".arrow": RecordFormat.ARROW}
BLOBS = ROOT / "data" / "input" / "blobs.csv"


@pytest.fixture(autouse=True)
def no_stragglers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker has what is its own to do, however slow it is."""
    monkeypatch.setattr("master.scheduling.scheduler.STRAGGLES_AFTER_S", 3600.0)


def cluster(engine: Engine, path: Path, k: int, init: str = "random") -> bytes:
    rows = open_input(path).input.rows
    config = KMeansConfig(k, iterations=8, seed=3, init=init)  # type: ignore[arg-type]
    return encode_vectors(fit(engine, rows, config, ListLog()).centroids)


def expected(path: Path, k: int, init: str = "random") -> bytes:
    return cluster(InlineEngine(open_input(path), combine=False), path, k, init)


@contextmanager
def grpc_engine(
    folder: Path,
    path: Path,
    m: int,
    r: int,
    combine: bool,
    kind: RecordFormat = RecordFormat.TEXT,
    dtype: FloatType = FloatType.FLOAT64,
) -> Iterator[Engine]:
    folder.mkdir(exist_ok=True)
    tasks = TaskOptions(combine=combine, intermediate=kind)
    with local_grpc.grpc_engine(folder, open_input(path, dtype=dtype), m, r, tasks) as engine:
        yield engine


def records_in(path: Path) -> Records:
    return Records.concatenate(decode(path.read_bytes(), KINDS[path.suffix]))


def points_of(files: list[Records]) -> Counter[tuple[float, ...]]:
    return Counter(tuple(row) for file in files for row in file.values.tolist())


def check_partitions(folder: Path, path: Path, m: int, r: int, suffix: str = ".txt") -> None:
    """Each input row stands exactly once in all partition files, in the one of its key."""
    rows = [tuple(map(float, line.split(","))) for line in path.read_text().splitlines()]
    names = {file.name for file in folder.glob("data/*/*/[!.]*.*")} - {"manifest.txt"}
    assert {Path(name).suffix for name in names} == {suffix}
    partitions = {file: records_in(file) for file in folder.glob("data/mappers/M*/partition_*")}
    assert len(partitions) == m * r
    for file, records in partitions.items():
        keys = records.keys.tolist()
        assert keys == sorted(keys)
        assert {key % r for key in keys} <= {int(file.stem.split("_")[1]) - 1}
    assert points_of([*partitions.values()]) == Counter(rows)
    outputs = [records_in(folder / f"data/mappers/M{i + 1}/map_output{suffix}") for i in range(m)]
    assert [tuple(row) for output in outputs for row in output.values.tolist()] == rows


@pytest.mark.parametrize(
    ("m", "r", "combine"),
    [
        *[(1, 4, False), (2, 2, True), (3, 1, False), (4, 3, True), (5, 2, False)],
    ],
)
def test_sample(tmp_path: Path, m: int, r: int, combine: bool) -> None:
    with grpc_engine(tmp_path, SAMPLE, m, r, combine) as engine:
        for k in range(1, 7):
            assert cluster(engine, SAMPLE, k) == expected(SAMPLE, k)
            if not combine:
                check_partitions(tmp_path, SAMPLE, m, r)


@pytest.mark.parametrize(("m", "r", "combine"), [(2, 3, False), (3, 4, True)])
def test_sample_through_arrow_files(tmp_path: Path, m: int, r: int, combine: bool) -> None:
    with grpc_engine(tmp_path, SAMPLE, m, r, combine, RecordFormat.ARROW) as engine:
        for k in (1, 3, 6):
            assert cluster(engine, SAMPLE, k, "k-means++") == expected(SAMPLE, k, "k-means++")
            if not combine:
                check_partitions(tmp_path, SAMPLE, m, r, ".arrow")


@pytest.mark.parametrize(
    ("kind", "combine", "init"),
    [
        (RecordFormat.TEXT, False, "k-means++"),
        (RecordFormat.TEXT, True, "random"),
        (RecordFormat.ARROW, False, "random"),
        (RecordFormat.ARROW, True, "k-means++"),
    ],
)
def test_larger_sample(tmp_path: Path, kind: RecordFormat, combine: bool, init: str) -> None:
    with grpc_engine(tmp_path, BLOBS, 3, 2, combine, kind) as engine:
        assert cluster(engine, BLOBS, 5, init) == expected(BLOBS, 5, init)


@pytest.mark.parametrize(("m", "r", "combine"), [(2, 3, False), (3, 2, True)])
def test_weights(tmp_path: Path, m: int, r: int, combine: bool) -> None:
    file = open_weighted(tmp_path)
    here = weighted_result(InlineEngine(file, combine=False))
    assert weighted_result(InlineEngine(file, combine=True)) == here
    with local_grpc.grpc_engine(tmp_path, file, m, r, TaskOptions(combine=combine)) as engine:
        assert weighted_result(engine) == here
    centroids = here[0].decode().splitlines()
    assert centroids[2:] == ["99.0,99.0", "50.0,50.0"]


@pytest.mark.parametrize(("m", "r", "combine"), [(3, 2, False), (2, 3, True)])
def test_all_options_at_once(tmp_path: Path, m: int, r: int, combine: bool) -> None:
    """With tasks that fail; and a row that weighs nothing, or lacks a number, is in no sum."""
    file = open_combined(tmp_path)
    here = combined_result(InlineEngine(file, combine=not combine), file)
    tasks = TaskOptions(combine=combine, fail_rate=0.1, seed=m)
    with local_grpc.grpc_engine(tmp_path, file, m, r, tasks) as engine:
        assert combined_result(engine, file) == here
    files, labels, figures = here
    assert len(files) == 5
    assert len(labels.splitlines()) == file.input.rows == 400 - 20
    assert figures["k"] == figures["preferred"]["silhouette"]


@pytest.mark.parametrize("combine", [False, True], ids=["points", "combine"])
def test_inline_with_and_without_combiner(combine: bool) -> None:
    engine = InlineEngine(open_input(BLOBS), combine=combine)
    assert cluster(engine, BLOBS, 7) == expected(BLOBS, 7)


@pytest.mark.parametrize("suffix", KINDS)
def test_points_in_several_blocks(tmp_path: Path, suffix: str) -> None:
    """Enough rows that every file has several blocks; text and Arrow hold the same records."""
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(0).normal(size=(400_000, 2)))
    with grpc_engine(tmp_path, path, 2, 2, False, KINDS[suffix]) as engine:
        result = cluster(engine, path, 4)
        written = set((tmp_path / "data/mappers/M1").glob(f"*{suffix}"))
        files = {file.stem: records_in(file) for file in written if file.name != "manifest.txt"}
    assert result == expected(path, 4)
    whole = files["map_output"]
    assert whole.values.tobytes() == np.load(path)[:200_000].tobytes()
    for partition in range(2):
        sorted_rows = sort_by_key(whole)
        mine = sorted_rows.keys % 2 == partition
        assert files[f"partition_{partition + 1}"].keys.tolist() == sorted_rows.keys[mine].tolist()
        assert files[f"partition_{partition + 1}"].values.tobytes() == sorted_rows.values[mine].tobytes()


@pytest.mark.parametrize(("m", "r", "combine"), [(3, 2, False), (2, 3, True)])
def test_several_k_and_their_measures(tmp_path: Path, m: int, r: int, combine: bool) -> None:
    with grpc_engine(tmp_path, BLOBS, m, r, combine) as engine:
        assert searched(engine, BLOBS) == expected_search(BLOBS)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [(RecordFormat.TEXT, 600), (RecordFormat.TEXT, 100_000), (RecordFormat.ARROW, 100_000)],
)
def test_several_starts_without_combiner(tmp_path: Path, kind: RecordFormat, rows: int) -> None:
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(0).normal(size=(rows, 2)))
    config = KMeansConfig(4, iterations=3, n_init=3)
    with grpc_engine(tmp_path, path, 2, 2, False, kind) as engine:
        found = fit(engine, rows, config, ListLog())
    inline = fit(InlineEngine(open_input(path), combine=True), rows, config, ListLog())
    assert found.centroids.tobytes() == inline.centroids.tobytes()


@pytest.mark.parametrize(("rows", "columns"), [(200_000, 3), (40_000, 16)], ids=["few", "many"])
def test_compiled_kernels(tmp_path: Path, rows: int, columns: int) -> None:
    """One mapper has enough to do for compiled code, five have not; all find what the plain formula finds."""
    rng = np.random.default_rng(columns)
    path = tmp_path / "points.npy"
    np.save(path, rng.normal(size=(rows, columns)) + 4 * rng.integers(0, 5, size=(rows, 1)))
    results: dict[tuple[object, bool], bytes] = {}
    for m, combine in ((1, True), (1, False), (5, True)):
        with grpc_engine(tmp_path / f"{m}-{combine}", path, m, 2, combine) as engine:
            results[m, combine] = cluster(engine, path, 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "_THREAD_NUMBERS", 5000)
        for combine in (True, False):
            threaded = InlineEngine(open_input(path), combine=combine, threads=3)
            results["threads", combine] = cluster(threaded, path, 30)
        assert rows * columns * 30 > distance._MUCH_WORK > rows * columns * 30 / 5
        patch.setattr(distance, "_MUCH_WORK", math.inf)
        assert set(results.values()) == {expected(path, 30)}


@pytest.mark.parametrize("suffix", KINDS)
def test_more_mappers_than_rows_and_more_reducers_than_keys(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "three.txt"
    path.write_text("1,1\n2,2\n9,9\n")
    with grpc_engine(tmp_path, path, 5, 4, False, KINDS[suffix]) as engine:
        assert cluster(engine, path, 2) == expected(path, 2)
        check_partitions(tmp_path, path, 5, 4, suffix)


@pytest.mark.parametrize(
    ("suffix", "init", "m", "r", "combine", "kind"),
    [
        (".csv", "random", 3, 2, False, RecordFormat.TEXT),
        (".csv", "k-means++", 1, 1, True, RecordFormat.ARROW),
        (".npy", "k-means++", 2, 2, False, RecordFormat.ARROW),
        (".parquet", "random", 2, 1, True, RecordFormat.TEXT),
    ],
)
def test_float32_is_float64_of_the_rounded_numbers(
    tmp_path: Path, suffix: str, init: str, m: int, r: int, combine: bool, kind: RecordFormat
) -> None:
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(3000, 3)) * [1e-30, 1.0, 1e30]
    path, rounded = tmp_path / f"points{suffix}", tmp_path / "rounded.npy"
    save(path, matrix)
    np.save(rounded, matrix.astype(np.float32).astype(np.float64))
    wanted = expected(rounded, 6, init)
    assert wanted != expected(path, 6, init)
    inline = InlineEngine(open_input(path, dtype=FloatType.FLOAT32), combine=not combine)
    assert cluster(inline, path, 6, init) == wanted
    with grpc_engine(tmp_path / "run", path, m, r, combine, kind, FloatType.FLOAT32) as engine:
        assert cluster(engine, path, 6, init) == wanted


@pytest.mark.parametrize(("rows", "columns"), [(200_000, 3), (40_000, 16)], ids=["few", "many"])
def test_much_float32_is_float64_of_the_rounded_numbers(tmp_path: Path, rows: int, columns: int) -> None:
    path, rounded = tmp_path / "points.npy", tmp_path / "rounded.npy"
    matrix = np.random.default_rng(columns).normal(size=(rows, columns)).astype(np.float32)
    np.save(path, matrix)
    np.save(rounded, matrix.astype(np.float64))
    with grpc_engine(tmp_path / "run", path, 1, 2, True, dtype=FloatType.FLOAT32) as engine:
        assert cluster(engine, path, 30) == expected(rounded, 30)
