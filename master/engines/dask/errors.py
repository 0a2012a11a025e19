"""What Dask raises, as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import MapReduceError, RunFailedError, UsageError


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what Dask raises into an error of ours, of one line."""
    try:
        yield
    except MapReduceError:
        raise
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        raise UsageError(f"Dask's workers have no {module}: pip install {module} where they run") from error
    except Exception as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        raise RunFailedError(f"Dask gave up: {type(error).__name__}: {reason}") from error
