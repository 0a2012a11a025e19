"""What each group of options refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import UsageError
from common.rpc.credentials import HOW_TO_MAKE
from master.options.groups import (
    ClusterOptions,
    FailureOptions,
    HostOptions,
    InputOptions,
    WorkerOptions,
)

IN_A_FILE = "put the secret into $SPARK_CONF_DIR/spark-defaults.conf"


def workers(**fields: Any) -> WorkerOptions:
    return WorkerOptions(**({"mappers": 1, "reducers": 1} | fields))


@pytest.mark.parametrize(
    ("group", "fields", "text"),
    [
        (workers, {"mappers": 0}, "--mappers is 0, but must be 1 or more"),
        (workers, {"reducers": -2}, "--reducers is -2, but must be 1 or more"),
        (workers, {"threads": -1}, "--threads is -1, but must be 0 or more"),
        (workers, {"splits": -1}, "--splits is -1, but must be 0 or more"),
        (FailureOptions, {"task_delay": -1}, "--task-delay is -1, but must be 0 or more"),
        (FailureOptions, {"task_delay": 601}, "--task-delay is 601, but must be 600 or less"),
        (FailureOptions, {"fail_rate": 1}, "--fail-rate is 1, but must be from 0 to below 1"),
        (FailureOptions, {"fail_rate": -1}, "--fail-rate is -1, but must be from 0 to below 1"),
        (
            HostOptions,
            {"workers": "remote", "certs": Path("certs")},
            "--certs needs --listen ADDRESS:PORT, where workers of other hosts join",
        ),
        (
            HostOptions,
            {"listen": "10.0.0.1:7000"},
            f"--listen 10.0.0.1:7000 needs --certs FOLDER; {HOW_TO_MAKE}",
        ),
        (
            HostOptions,
            {"listen": "0.0.0.0:7000", "certs": Path("certs")},
            "--listen 0.0.0.0:7000: give an address that other hosts can reach; "
            "the local workers also serve there",
        ),
        (ClusterOptions, {"spark_conf": ("x",)}, "--conf x: it must be name=value"),
        (ClusterOptions, {"spark_conf": ("=x",)}, "--conf =x: it must be name=value"),
        (
            ClusterOptions,
            {"spark_conf": ("spark.authenticate.secret=x",)},
            f"--conf spark.authenticate.secret: every user can read a command line; {IN_A_FILE}",
        ),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused(
    group: Callable[..., object], fields: dict[str, Any], text: str
) -> None:
    with pytest.raises(UsageError) as refused:
        group(**fields)
    assert str(refused.value) == text


def test_remote_workers_may_join_at_every_address() -> None:
    HostOptions("0.0.0.0:7000", "remote", Path("certs"))


def test_settings_of_spark_by_name() -> None:
    assert ClusterOptions(spark_conf=("a.b=c", "d=e=f")).spark_settings == {"a.b": "c", "d": "e=f"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("hdfs://host/file", True), ("file:///x.csv", True), ("data/x.csv", False), ("a:b/c.csv", False)],
)
def test_addresses(name: str, expected: bool) -> None:
    assert InputOptions(name).is_address == expected
