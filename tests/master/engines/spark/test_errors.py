"""What Spark raises is one line, the one that tells most."""

import pytest

from common.errors import InputError, InterruptedRunError, MapReduceError, RunFailedError, UsageError
from master.engines.spark.connect import reason_of, translated_errors

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
