"""What is missing or wrong is one line, before or after Spark tries; clusters are tested in tests/engines."""

import tempfile
from pathlib import Path

import pytest

from common.errors import UsageError
from master.engines.spark.connect import _answers, _check_admitted, _check_java
from tests.programs import free_port

GAVE_UP = "ERROR StandaloneSchedulerBackend: Reason: All masters are unresponsive! Giving up.\n"
REFUSED = """\
26/01/31 12:00:00 WARN StandaloneAppClient$ClientEndpoint: Failed to connect to master 10.0.0.1:7077
org.apache.spark.SparkException: Exception thrown in awaitResult:
\tat org.apache.spark.rpc.RpcTimeout.awaitResult(RpcTimeout.scala:75)
Caused by: java.lang.RuntimeException: java.lang.IllegalStateException: Expected SaslMessage
\tat org.apache.spark.network.sasl.SaslMessage.decode(SaslMessage.java:70)
"""
REMEDY = "Put spark.authenticate and spark.authenticate.secret into $SPARK_CONF_DIR/spark-defaults.conf"


def check_admitted(text: str) -> None:
    with tempfile.TemporaryFile() as said:
        said.write(text.encode())
        said.flush()
        _check_admitted(said)
        assert said.tell() == len(text)  # a JVM goes on to write there


def test_a_master_that_does_not_let_us_in() -> None:
    with pytest.raises(UsageError) as refused:
        check_admitted(REFUSED * 3 + GAVE_UP)
    expected = (
        f"--spark-master spark://10.0.0.1:7077 rejected the connection (Expected SaslMessage). {REMEDY}"
    )
    assert str(refused.value) == expected


def test_another_master_lets_us_in() -> None:
    check_admitted(REFUSED)
    check_admitted("")


def test_addresses() -> None:
    assert not _answers("spark://x", f"127.0.0.1:{free_port()}")
    for place in ("x", ":1", "x:many"):
        with pytest.raises(UsageError, match=r"--spark-master spark://x: it must be spark://host:port"):
            _answers("spark://x", place)


@pytest.mark.parametrize(("version", "found"), [('version "11.0.2"', "11"), ("nonsense", "unknown")])
def test_an_old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, found: str) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{version}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=f"--engine spark needs Java 17 or newer, not {found} "):
        _check_java()
