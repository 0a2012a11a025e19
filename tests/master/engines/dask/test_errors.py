"""What Dask raises is one line."""

import pytest

from common.errors import InputError, MapReduceError, RunFailedError, UsageError
from master.engines.dask.errors import translated_errors


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (InputError("bad"), InputError, "bad"),
        (
            ModuleNotFoundError("x", name="isal.igzip"),
            UsageError,
            "Dask's workers have no isal: pip install isal where they run",
        ),
        (TimeoutError("one\ntwo"), RunFailedError, "Dask gave up: TimeoutError: one"),
        (OSError(), RunFailedError, "Dask gave up: OSError: OSError()"),
    ],
)
def test_translated(raised: Exception, kind: type[MapReduceError], text: str) -> None:
    with pytest.raises(kind) as translated, translated_errors():
        raise raised
    assert str(translated.value) == text
