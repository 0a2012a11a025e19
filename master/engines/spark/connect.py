"""Reaching Spark: what is missing or wrong is said in one line, before Spark would wait for it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from weakref import WeakSet

from common.engines.shipping import code_root, write_archive
from common.errors import MapReduceError, RunFailedError, UsageError
from common.rpc.address import LOOPBACK
from master.engines.spark.errors import CLASS, raise_translated, reason_of

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext

_CONNECT_S = 5
_EXECUTOR_S = 60
_OLDEST_JAVA = 17
_MOST_BYTES = 1 << 20
_ADDRESS = re.compile(r"spark://(.+)").fullmatch
_GAVE_UP = "All masters are unresponsive"
_REFUSED = re.compile(r"Failed to connect to master (\S+)\n(?:.*\n)*?Caused by: (.+)")
_SETTINGS = {
    "spark.app.name": "kmeans-mapreduce",
    "spark.ui.showConsoleProgress": "false",
    # A job's fixed cost is less than half with it.
    "spark.python.unix.domain.socket.enabled": "true",
    # A task has one core; libraries that start threads of their own would fight over it.
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
}

_have_our_code: "WeakSet[SparkContext]" = WeakSet()


@contextmanager
def connect(master: str | None, settings: Mapping[str, str]) -> "Iterator[SparkContext]":
    """Use the Spark context that this process has, or start one: at `master`, or where Spark's settings say.

    What was started is stopped.

    Raises
    ------
    UsageError
        Spark is not reachable, or does not let us in; the text says how to mend it.
    RunFailedError
        It has no executor for us.
    """
    _check_java()
    from pyspark import SparkContext

    if (theirs := SparkContext._active_spark_context) is not None:
        ship_code(theirs)
        yield theirs
        return
    with tempfile.TemporaryFile() as said:
        context = _start(master, settings, said)
        try:
            if context.master.startswith("spark://"):
                _check_admitted(said)
                _await_executor(context)
            ship_code(context)
            yield context
        finally:
            with suppress(Exception):  # it may be gone
                context.stop()


def ship_code(context: "SparkContext") -> None:
    """Make our code importable on the executors, once; on this machine alone it is already."""
    on_path = context.getConf().get("spark.executorEnv.PYTHONPATH", "").split(os.pathsep)[0]
    if context in _have_our_code or on_path == str(code_root()):
        return
    from pyspark import SparkFiles

    folder = Path(SparkFiles.getRootDirectory()) / "code"  # executors fetch it from there, until the end
    folder.mkdir(exist_ok=True)
    context.addPyFile(str(write_archive(folder)))
    _have_our_code.add(context)


def _start(master: str | None, settings: Mapping[str, str], said: IO[bytes]) -> "SparkContext":
    """Start a JVM and a context there; what the JVM writes to standard error goes to `said`."""
    from pyspark import SparkContext

    with _signals_kept(), _standard_error_to(said.fileno()):
        try:
            conf = _configuration(master, settings)
            _check_master(conf)
            return SparkContext(conf=conf)
        except MapReduceError:
            raise
        except Exception as error:
            raise_translated(error)
            _check_admitted(said)
            raise UsageError(f"Spark does not start: {_error_in(said) or reason_of(error)}") from error


def _text_of(said: IO[bytes]) -> str:
    """Read what a JVM wrote, without moving the place where it writes on."""
    return os.pread(said.fileno(), _MOST_BYTES, 0).decode(errors="replace")


def _error_in(said: IO[bytes]) -> str | None:
    """Find the error in what a JVM wrote before it ended."""
    lines = _text_of(said).splitlines()
    return next(
        (CLASS.sub("", line) for line in reversed(lines) if re.search(r"(Error|Exception): ", line)), None
    )


def _check_admitted(said: IO[bytes]) -> None:
    """Raise UsageError if Spark has given up on its masters: it tries for a minute, then logs why."""
    text = _text_of(said)
    refused = _REFUSED.search(text)
    if refused and _GAVE_UP in text:
        place, reason = refused[1], refused[2].split(": ")[-1]
        raise UsageError(
            f"--spark-master spark://{place} does not let us in ({reason}): put the cluster's "
            "spark.authenticate and spark.authenticate.secret into spark-defaults.conf in the folder "
            "$SPARK_CONF_DIR"
        )


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    mend = "apt install openjdk-17-jre-headless, or let JAVA_HOME name one"
    if java is None or not os.access(java, os.X_OK):
        raise UsageError(f"--engine spark needs Java {_OLDEST_JAVA} or newer, and there is none: {mend}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        found = version[1] if version else "unknown"
        raise UsageError(f"--engine spark needs Java {_OLDEST_JAVA} or newer, not {found} ({java}): {mend}")


def _configuration(master: str | None, settings: Mapping[str, str]) -> "SparkConf":
    """Put together what Spark's own configuration, the options and we say, in this order of weight."""
    from pyspark import SparkConf, SparkContext

    given = dict(settings) | ({} if master is None else {"spark.master": master})
    configured = os.environ.keys() & {"SPARK_CONF_DIR", "SPARK_HOME"}
    if given.get("spark.master", "" if configured else "local").startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)  # else its web page is there for all the network
    launch = SparkConf(loadDefaults=False)
    for name, value in given.items():
        launch.set(name, value)
    SparkContext._ensure_initialized(conf=launch)  # starts the JVM, which reads the configuration's files
    conf = SparkConf(_jvm=SparkContext._jvm)
    for name, value in given.items():
        conf.set(name, value)
    if "spark.app.name" not in given:
        conf.set("spark.app.name", _SETTINGS["spark.app.name"])
    for name, value in _SETTINGS.items():
        conf.setIfMissing(name, value)
    if conf.get("spark.master").startswith("local"):
        _set_code_path(conf)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else it is whatever python3 is on the path
    return conf


def _set_code_path(conf: "SparkConf") -> None:
    """Let Python processes on this machine import our code, compiled kernels and all, from where it is."""
    name = "spark.executorEnv.PYTHONPATH"
    more = conf.get(name, None)
    conf.set(name, os.pathsep.join([str(code_root()), *([more] if more else [])]))


def _check_master(conf: "SparkConf") -> None:
    """Try whether a standalone master is up; Spark itself would try for a minute."""
    url = conf.get("spark.master")
    address = _ADDRESS(url)
    if address and not any(_answers(url, place) for place in address[1].split(",")):
        raise UsageError(f"--spark-master {url}: nobody answers there; is the cluster up, the port right?")


def _answers(url: str, place: str) -> bool:
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--spark-master {url}: it must be spark://host:port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except OSError:
        return False
    return True


def _await_executor(context: "SparkContext") -> None:
    deadline_s = time.monotonic() + _EXECUTOR_S
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # the driver counts as one
        if time.monotonic() > deadline_s:
            raise RunFailedError(
                f"the Spark cluster gave us no executor within {_EXECUTOR_S} s: no core or memory is free "
                "(--conf spark.executor.memory=512m asks for less)"
            )
        time.sleep(0.05)


@contextmanager
def _standard_error_to(descriptor: int) -> Iterator[None]:
    """Have what is started meanwhile write its errors elsewhere: a JVM says much that nobody needs."""
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep our handlers: Spark puts its own in the place of that for Ctrl-C."""
    kept = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        with suppress(ValueError):  # not the main thread, where Spark sets none either
            signal.signal(signal.SIGINT, kept)
