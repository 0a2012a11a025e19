"""What Spark raises, as errors of ours."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import MapReduceError, RunFailedError, UsageError

_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
FAILED = "Spark failed: "
CLASS = re.compile(r"^(Exception in thread \S+ )?(org\.apache\.spark\.\S*Exception|py4j\.\S+): ")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what Spark raises into an error of ours, of one line."""
    try:
        yield
    except MapReduceError:
        raise
    except Exception as error:
        raise_translated(error)
        raise RunFailedError(f"{FAILED}{reason_of(error)}") from error


def raise_translated(error: BaseException) -> None:
    """Raise what is known to be behind an error; return if nothing is known."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MapReduceError):  # a signal, which py4j has wrapped in an error of its own
            raise cause from None
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
    first = CLASS.sub("", first)
    return first if not raised or raised[-1] == lines[0] else f"{first}: {raised[-1]}"
