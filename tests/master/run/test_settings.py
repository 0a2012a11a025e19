"""The first event of a run says how it was started."""

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common import __version__
from common.events.catalogue.run import FORMAT, RunStarted
from common.formats.dataset import open_input
from common.machine import cores
from common.model import TaskOptions
from master.options.declare import EngineName
from master.options.groups import ClusterOptions, InputOptions, OutputOptions, RunConfig, WorkerOptions
from master.run.settings import run_started
from tests.programs import SAMPLE

CONFIG = RunConfig(
    input=InputOptions(str(SAMPLE), columns="2,1"), output=OutputOptions(), workers=WorkerOptions(2, 3)
)


def started(config: RunConfig) -> RunStarted:
    parameters = {"--k": "2", "--n-init": "1", "--init-centroids": ""}
    source = open_input(SAMPLE, config.input.columns).input
    return run_started(config, TaskOptions(), parameters, source)


def test_what_has_a_field_of_its_own() -> None:
    event = started(CONFIG)
    assert (event.format, event.cores) == (FORMAT, cores())
    assert (event.input, event.rows, event.columns) == (str(SAMPLE), 31, 2)
    assert (event.engine, event.mappers, event.reducers) == ("grpc", 2, 3)


def test_settings_are_the_options_without_a_field_and_the_parameters() -> None:
    settings = started(CONFIG).settings
    assert {"columns=2,1", "dump=dump.txt", "fail_rate=0.0", "k=2", "n_init=1"} <= set(settings)
    names = {setting.partition("=")[0] for setting in settings}
    assert not names & {"mappers", "engine", "labels", "init_centroids"}


def test_secrets_are_no_settings() -> None:
    conf = ("spark.executor.memory=2g", "spark.hadoop.fs.s3a.secret.key=hush", "spark.a.accessKey=hush")
    workers = WorkerOptions(2, 3, engine=EngineName("spark"))
    config = replace(CONFIG, workers=workers, cluster=ClusterOptions("local[2]", conf))
    settings = started(config).settings
    assert "spark.executor.memory=2g" in settings
    assert "hush" not in "".join(settings)


def test_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path / "missing")
    versions = started(CONFIG).versions
    python, ours = f"python={platform.python_version()}", f"kmeans-mapreduce={__version__}"
    assert {ours, python, f"numpy={np.__version__}"} <= set(versions)
    assert any(version.startswith("grpcio=") for version in versions)
