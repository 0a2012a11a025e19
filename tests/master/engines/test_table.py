"""The table of engines: each row is complete, and a new row is all that a new engine needs."""

import ast
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import UsageError
from master import KMeans
from master.algorithms import own_commands
from master.cli.commands import execute
from master.cli.parser import command_line
from master.engines.base import EngineRow, Package, load_function
from master.engines.table import ENGINES, check_options
from master.options.config import RunConfig
from master.options.declare import EngineName
from master.options.groups import (
    ClusterOptions,
    FailureOptions,
    FileOptions,
    HostOptions,
    InputOptions,
    OutputOptions,
    WorkerOptions,
)
from tests.programs import ROOT, SAMPLE, SAMPLE_CENTROIDS, options

NO_FILES = "it writes no files between map and reduce"
NOT_OURS = "its failures are its own to handle: kill a worker process instead"
LISTEN = HostOptions(listen="10.0.0.1:7000", certs=Path("certs"))


def config(engine: str, source: str = "points.txt", **groups: Any) -> RunConfig:
    workers = groups.pop("workers", {})
    return RunConfig(
        input=InputOptions(source),
        output=OutputOptions(),
        workers=WorkerOptions(2, 1, EngineName(engine), **workers),
        **groups,
    )


@pytest.mark.parametrize("name", ENGINES)
def test_what_a_row_names_exists(name: str) -> None:
    row = ENGINES[name]
    if row.package is not None:
        pytest.importorskip(row.package.module)
    for target in (row.start, row.open_input, row.open_array, row.open_data):
        assert target is None or callable(load_function(target))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (config("inline", workers={"splits": 3}), "--splits is for --engine grpc, not for inline"),
        (config("spark", hosts=LISTEN), "--listen is for --engine grpc, not for spark"),
        (
            config("grpc", cluster=ClusterOptions(spark_master="local")),
            "--spark-master is for --engine spark, not for grpc",
        ),
        (
            config("dask", cluster=ClusterOptions(spark_conf=("a=b",))),
            "--conf is for --engine spark, not for dask",
        ),
        (
            config("spark", cluster=ClusterOptions(dask_scheduler="tcp://x:1")),
            "--dask-scheduler is for --engine dask, not for spark",
        ),
        (
            config("grpc", "hdfs://host/file"),
            "--input hdfs://host/file: only --engine spark reads addresses like this one",
        ),
        (
            config("spark", files=FileOptions(keep_iterations=True)),
            f"--keep-iterations makes no sense with --engine spark: {NO_FILES}",
        ),
        (
            config("dask", failures=FailureOptions(fail_rate=0.5)),
            f"--fail-rate makes no sense with --engine dask: {NOT_OURS}",
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_options_that_do_not_go_with_an_engine(asked: RunConfig, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_options(asked)
    assert str(refused.value) == message


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package("frobs", module="frobnicate", pip="'frobs>=2'")
    row = EngineRow("by frobs", start="nowhere:start", threads=lambda *_: 1, package=package)
    monkeypatch.setitem(ENGINES, "frob", row)
    with pytest.raises(UsageError, match=r"^--engine frob needs frobs: pip install 'frobs>=2'$"):
        check_options(config("frob"))


@pytest.mark.parametrize(
    ("engine", "asked", "hosts", "expected"),
    [
        ("grpc", 0, HostOptions(), 3),
        ("grpc", 5, HostOptions(), 5),
        ("grpc", 0, HostOptions("0.0.0.0:1", "remote", Path("certs")), 0),
        ("inline", 0, HostOptions(), 6),
        ("spark", 0, HostOptions(), 1),
        ("dask", 2, HostOptions(), 2),
    ],
)
def test_threads(
    monkeypatch: pytest.MonkeyPatch, engine: str, asked: int, hosts: HostOptions, expected: int
) -> None:
    monkeypatch.setattr("master.engines.table.cores", lambda: 6)
    assert ENGINES[engine].threads(WorkerOptions(2, 1, threads=asked), hosts) == expected


@pytest.fixture
def threads_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = EngineRow(
        "threads of this process",
        start="tests.master.engines.threads:start_engine",
        threads=lambda workers, _hosts: workers.threads or 1,
        refuses={"--keep-iterations": NO_FILES},
    )
    monkeypatch.setitem(ENGINES, "threads", row)


@pytest.mark.usefixtures("threads_row")
def test_a_new_engine_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # this process goes on
    command_line(own_commands(), execute).main([*options(), "--engine", "threads"], standalone_mode=False)
    assert (tmp_path / "data" / "centroids.txt").read_text() == SAMPLE_CENTROIDS
    assert "engine=threads" in (tmp_path / "dump.txt").read_text()
    assert not [thread for thread in threading.enumerate() if "engine-of-a-test" in thread.name]
    with pytest.raises(SystemExit, match="2"):
        command_line(own_commands(), execute).main([*options(), "--engine", "threads", "--keep-iterations"])
    assert "--keep-iterations makes no sense with --engine threads" in capsys.readouterr().err


@pytest.mark.usefixtures("threads_row")
def test_a_new_engine_in_the_estimator() -> None:
    points = np.loadtxt(SAMPLE, delimiter=",")
    inline = KMeans(2, random_state=0).fit(points)
    for data in (points, SAMPLE):
        model = KMeans(2, random_state=0, engine="threads").fit(data)
        assert model.cluster_centers_.tobytes() == inline.cluster_centers_.tobytes()
        assert model.labels_.tolist() == inline.labels_.tolist()


def test_nobody_compares_the_names_of_engines() -> None:
    """Whoever must know something of an engine asks its row."""
    for path in (ROOT / "master").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                constants = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                assert not constants & ENGINES.keys(), f"{path}:{node.lineno}"
