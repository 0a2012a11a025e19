"""What Spark raises is one line, the one that tells most."""

import pytest

from common.errors import InputError, InterruptedRunError, MapReduceError, RunFailedError, UsageError
from master.engines.spark.connect import reason_of, translated_errors
from master.engines.stages import ClusterLostError

PYTHON_SAID = """\
Job aborted: org.apache.spark.api.python.PythonException: Traceback
  File "x.py", line 3
ValueError: too large
"""


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (InputError("bad"), InputError, "bad"),
        (
            RuntimeError("ModuleNotFoundError: No module named 'isal.igzip'"),
            UsageError,
            "module isal is missing on the executors; run pip install isal on every worker host, or set "
            "PYSPARK_PYTHON to a Python that has it",
        ),
        (OSError("org.apache.spark.SparkException: gone"), RunFailedError, "Spark failed: gone"),
    ],
)
def test_translated(raised: Exception, kind: type[MapReduceError], text: str) -> None:
    with pytest.raises(kind) as translated, translated_errors():
        raise raised
    assert str(translated.value) == text


def test_java_is_lost_wherever_a_call_has_come_to() -> None:
    """What py4j raised when the Java process was killed at different moments of a call."""
    protocol = pytest.importorskip("py4j.protocol")
    sending = protocol.Py4JNetworkError("Error while sending", ConnectionResetError(), "while.sending")
    receiving = protocol.Py4JNetworkError("Error while sending or receiving", ConnectionResetError())
    answer = protocol.Py4JError("An error occurred while calling o27.collect")
    for raised in (ConnectionRefusedError("refused"), sending, receiving, answer):
        with pytest.raises(ClusterLostError, match="Spark has lost its Java process"), translated_errors():
            raise raised


def test_an_error_of_javas_own_is_not_a_lost_java() -> None:
    protocol = pytest.importorskip("py4j.protocol")
    raised = protocol.Py4JError("An error occurred while calling o27.f. Trace:\nMethod f() does not exist\n")
    with pytest.raises(RunFailedError, match="^Spark failed: "), translated_errors():
        raise raised


def fail_because_of_a_signal() -> None:
    with translated_errors():
        try:
            raise InterruptedRunError(2)
        except InterruptedRunError as error:
            raise OSError("py4j") from error


def test_a_signal_is_not_trouble_of_sparks() -> None:
    with pytest.raises(InterruptedRunError):
        fail_because_of_a_signal()


def test_the_line_of_the_executors_python() -> None:
    assert reason_of(RuntimeError(PYTHON_SAID)) == "Job aborted: ValueError: too large"
