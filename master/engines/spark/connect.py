"""Reaching Spark: one line tells what is missing or wrong, before Spark would wait for it."""

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import local
from typing import IO, TYPE_CHECKING, TypeVar
from weakref import WeakSet

from common.engines.shipping import CODE_ROOT, write_archive
from common.errors import MapReduceError, RunFailedError, UsageError
from master.engines.stages import ClusterLostError, own_environment, watched
from master.options.groups import ClusterOptions

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext

_CONNECT_S = 5
_EXECUTOR_S = 60
_OLDEST_JAVA = 17
_MOST_BYTES = 1 << 20
_PYTHON_PATH = "spark.executorEnv.PYTHONPATH"
_ERROR = re.compile(r"(Error|Exception): ").search
_GAVE_UP = "All masters are unresponsive"
_REFUSED = re.compile(r"Failed to connect to master (\S+)\n(?:.*\n)*?Caused by: (.+)")
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_CLASS = re.compile(r"^(Exception in thread \S+ )?(org\.apache\.spark\.\S*Exception|py4j\.\S+): ")
FAILED = "Spark failed: "
_SETTINGS = {
    "spark.ui.showConsoleProgress": "false",
    # A job's fixed cost is less than half with it.
    "spark.python.unix.domain.socket.enabled": "true",
    # A task has one core; libraries that start threads of their own would fight over it.
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
    # Else workers would look for modules in the working directory first.
    "spark.executorEnv.PYTHONSAFEPATH": "1",
}

_Result = TypeVar("_Result")

_have_our_code: "WeakSet[SparkContext]" = WeakSet()


@contextmanager
def connect(
    master: str | None, settings: Mapping[str, str], timeout_s: float = ClusterOptions.cluster_timeout
) -> "Iterator[SparkContext]":
    """Use the Spark context that this process has, or start one: at `master`, or where Spark's settings say.

    What was started is stopped. UsageError, if Spark is not reachable or rejects us, says how to correct it;
    RunFailedError: it has no executor for us; ClusterLostError: none for that long, though a job waits.
    """
    _check_java()
    from pyspark import SparkContext

    if (theirs := SparkContext._active_spark_context) is not None:
        ship_code(theirs)
        yield theirs
        return
    with own_environment(), tempfile.TemporaryFile() as said:
        context = _start(master, settings, said)
        context._accumulatorServer.handle_error = lambda *_: None  # it would print that Java has ended
        logging.getLogger().addFilter(_is_not_py4js)
        try:
            if context.master.startswith("spark://"):
                _check_admitted(said)
                _await_executor(context)
            ship_code(context)
            is_alive, give_up = partial(_is_alive, context), context.cancelAllJobs
            with watched(f"Spark at {context.master}", timeout_s, is_alive, give_up):
                yield context
        finally:
            with suppress(Exception):  # it may be gone
                context.stop()
            logging.getLogger().removeFilter(_is_not_py4js)


def ship_code(context: "SparkContext") -> None:
    """Make our code importable on the executors, once; on this machine alone it is already."""
    on_path = context.getConf().get(_PYTHON_PATH, "").split(os.pathsep)[0]
    if context in _have_our_code or on_path == str(CODE_ROOT):
        return
    from pyspark import SparkFiles

    folder = Path(SparkFiles.getRootDirectory()) / "code"  # executors fetch it from there, until the end
    folder.mkdir(exist_ok=True)
    context.addPyFile(str(write_archive(folder)))
    _have_our_code.add(context)


def _start(master: str | None, settings: Mapping[str, str], said: IO[bytes]) -> "SparkContext":
    from pyspark import SparkContext

    with _kept_apart(said):
        try:
            conf = _configuration(master, settings)
            _check_master(conf)
            return SparkContext(conf=conf)
        except Exception as error:
            _raise_known(error)
            _check_admitted(said)
            lines = [line for line in _text_of(said).splitlines() if _ERROR(line)]
            reason = _CLASS.sub("", lines[-1]) if lines else reason_of(error)
            raise UsageError(f"Spark does not start: {reason}") from error


def _text_of(said: IO[bytes]) -> str:
    """Read what a JVM wrote, without moving the place where it writes on."""
    return os.pread(said.fileno(), _MOST_BYTES, 0).decode(errors="replace")


def _check_admitted(said: IO[bytes]) -> None:
    """Raise UsageError if Spark has given up on its masters: it tries for a minute, then logs why."""
    text = _text_of(said)
    refused = _REFUSED.search(text)
    if refused and _GAVE_UP in text:
        reason = refused[2].split(": ")[-1]
        raise UsageError(
            f"--spark-master spark://{refused[1]} rejected the connection ({reason}). Put spark.authenticate "
            "and spark.authenticate.secret into $SPARK_CONF_DIR/spark-defaults.conf"
        )


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    found = "and there is none"
    if java is not None and os.access(java, os.X_OK):
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
        version = re.search(r'version "(\d+)', said)
        if version is not None and int(version[1]) >= _OLDEST_JAVA:
            return
        found = f"not {version[1] if version else 'unknown'} ({java})"
    raise UsageError(
        f"--engine spark needs Java {_OLDEST_JAVA} or newer, {found}: "
        f"apt install openjdk-{_OLDEST_JAVA}-jre-headless, or set JAVA_HOME"
    )


def _configuration(master: str | None, settings: Mapping[str, str]) -> "SparkConf":
    """Return the options' settings, then those of Spark's own configuration, then our defaults."""
    from pyspark import SparkConf, SparkContext

    given = dict(settings) | ({} if master is None else {"spark.master": master})
    configured = os.environ.keys() & {"SPARK_CONF_DIR", "SPARK_HOME"}
    if given.get("spark.master", "" if configured else "local").startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else its web page is there for all the network
    launch = SparkConf(loadDefaults=False).setAll(list(given.items()))
    SparkContext._ensure_initialized(conf=launch)  # starts the JVM, which reads the configuration's files
    conf = SparkConf(_jvm=SparkContext._jvm).set("spark.app.name", "kmeans-mapreduce")
    conf.setAll(list(given.items()))
    for name, value in _SETTINGS.items():
        conf.setIfMissing(name, value)
    if conf.get("spark.master").startswith("local"):
        path = [str(CODE_ROOT), *filter(None, [conf.get(_PYTHON_PATH, None)])]
        conf.set(_PYTHON_PATH, os.pathsep.join(path))  # else executors could not load compiled kernels
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else it is whatever python3 is on the path
    return conf


def _check_master(conf: "SparkConf") -> None:
    """Try whether a standalone master is up; Spark itself would try for a minute."""
    url = conf.get("spark.master")
    if url.startswith("spark://") and not any(_answers(url, place) for place in url[8:].split(",")):
        raise UsageError(f"--spark-master {url}: no answer. Is the cluster running? Is the port right?")


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
    while not _has_executor(context):
        if time.monotonic() > deadline_s:
            raise RunFailedError(
                f"Spark started no executor within {_EXECUTOR_S} s: no core or not enough memory is free. "
                "To ask for less: --conf spark.executor.memory=512m"
            )
        time.sleep(0.05)


def _is_not_py4js(record: logging.LogRecord) -> bool:
    return record.module not in ("clientserver", "java_gateway")  # it logs what it also raises


def _has_executor(context: "SparkContext") -> bool:
    driver = 0 if context.master.startswith("local") else 1  # it is counted, but runs tasks only there
    return bool(context._jsc.sc().getExecutorMemoryStatus().size() > driver)


def _is_alive(context: "SparkContext", _look_s: float) -> bool:
    """Tell whether there is an executor, or no need of one."""
    return _has_executor(context) or not context.statusTracker().getActiveJobsIds()


@contextmanager
def _kept_apart(said: IO[bytes]) -> Iterator[None]:
    """While a JVM starts: have it write its errors to `said`, and keep our handler for Ctrl-C."""
    standard_error, handler = os.dup(2), signal.getsignal(signal.SIGINT)
    os.dup2(said.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        with suppress(ValueError):  # not the main thread, where Spark sets none either
            signal.signal(signal.SIGINT, handler)


class _Jobs(local):
    """The thread in which the calling one has its jobs run; a job group is that thread's."""

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1, "spark-jobs")


_jobs = _Jobs()


def wait_for(job: Callable[[], _Result]) -> _Result:
    """Run a job in a thread: py4j would swallow an error that a signal raises while it waits."""
    return _jobs.executor.submit(job).result()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what Spark raises into an error of ours, of one line."""
    try:
        yield
    except ConnectionError as error:
        raise ClusterLostError("Spark", "has lost its Java process") from error
    except Exception as error:
        _raise_known(error)
        if _tells_of_lost_java(error):
            raise ClusterLostError("Spark", "has lost its Java process") from error
        raise RunFailedError(f"{FAILED}{reason_of(error)}") from error


def _tells_of_lost_java(error: Exception) -> bool:
    """Tell whether py4j got no answer; what it then raises depends on how far the call had come."""
    from py4j.protocol import Py4JError, Py4JNetworkError

    # An error in Java comes with a Java exception, or with a trace in the text.
    has_no_answer = type(error) is Py4JError and "Trace:" not in str(error)
    return has_no_answer or isinstance(error, Py4JNetworkError)


def _raise_known(error: BaseException) -> None:
    """Raise what is known to be behind an error; return if nothing is known."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MapReduceError):  # a signal, which py4j has wrapped in an error of its own
            raise cause
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    if missing := _MISSING_MODULE.search(text):
        module = missing[1].partition(".")[0]
        raise UsageError(
            f"module {module} is missing on the executors; run pip install {module} on every worker host, "
            "or set PYSPARK_PYTHON to a Python that has it"
        ) from error
    if "PYTHON_VERSION_MISMATCH" in text:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UsageError(
            f"the executors run another Python version than this one ({version}); set PYSPARK_PYTHON to a "
            f"Python {version} there"
        ) from error


def reason_of(error: Exception) -> str:
    """Find the one line that tells most in what Spark says."""
    java = getattr(error, "java_exception", None)
    text = str(error) if java is None else str(java.toString())
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [repr(error)]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    first = re.sub(r":? ?org\.apache\.spark\.api\.python\.PythonException.*", "", lines[0])
    first = _CLASS.sub("", first)
    return first if not raised or raised[-1] == lines[0] else f"{first}: {raised[-1]}"
