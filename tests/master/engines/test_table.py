"""The table of engines: each row is complete, and a new row is all that a new engine needs."""

import ast
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import InputError, UsageError
from common.model import FloatType
from master import KMeans
from master.algorithms import own_commands
from master.cli.commands import command_line, execute
from master.engines.table import (
    ENGINES,
    EngineRow,
    Package,
    check_installed,
    check_options,
    load_function,
)
from master.options.declare import EngineName
from master.options.groups import (
    ClusterOptions,
    FailureOptions,
    FileOptions,
    HostOptions,
    InputOptions,
    OutputOptions,
    RunConfig,
    WorkerOptions,
)
from tests.programs import ROOT, SAMPLE, SAMPLE_CENTROIDS, options

NO_FILES = "it writes no intermediate files"
NOT_OURS = "its cluster handles failures itself; kill one of its worker processes instead"
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
    for target in (row.start, row.open_address, row.open_array, row.open_data):
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
            "--input hdfs://host/file: only --engine spark reads such addresses",
        ),
        (
            config("spark", files=FileOptions(keep_iterations=True)),
            f"--keep-iterations does not apply to --engine spark: {NO_FILES}",
        ),
        (
            config("dask", failures=FailureOptions(fail_rate=0.5)),
            f"--fail-rate does not apply to --engine dask: {NOT_OURS}",
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_options_that_do_not_go_with_an_engine(asked: RunConfig, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_options(asked)
    assert str(refused.value) == message


def test_functions_are_imported_when_they_are_needed() -> None:
    assert load_function("master.engines.table:load_function") is load_function
    with pytest.raises(ModuleNotFoundError):
        load_function("master.engines.nowhere:start")


def test_a_file_is_opened_with_its_options(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("a,b,c\n1,2,3\n")
    asked = RunConfig(
        input=InputOptions(str(path), "c,a", FloatType.FLOAT32),
        output=OutputOptions(),
        workers=WorkerOptions(1, 1),
    )
    with ExitStack() as stack:
        file = ENGINES["grpc"].open_input(asked, stack)
        assert (file.input.columns, file.input.dtype) == ((2, 0), FloatType.FLOAT32)
        path.unlink()
        with pytest.raises(InputError, match="cannot be read: No such file"):
            ENGINES["grpc"].open_input(asked, stack)


def test_packages_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed("grpc")
    numpy = EngineRow("", start="nowhere:start", package=Package("numpy", module="numpy", pip="numpy"))
    monkeypatch.setitem(ENGINES, "any", numpy)
    check_installed("any")


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
    assert "--keep-iterations does not apply to --engine threads" in capsys.readouterr().err


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
