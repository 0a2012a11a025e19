"""What Dask raises is one line."""

import pytest

from common.errors import InputError, MapReduceError, RunFailedError, UsageError
from master.engines.dask.connect import translated_errors


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (InputError("bad"), InputError, "bad"),
        (
            ModuleNotFoundError("x", name="isal.igzip"),
            UsageError,
            "module isal is missing on the Dask workers; run there: pip install isal",
        ),
        (TimeoutError("one\ntwo"), RunFailedError, "Dask failed: TimeoutError: one"),
        (OSError(), RunFailedError, "Dask failed: OSError: OSError()"),
    ],
)
def test_translated(raised: Exception, kind: type[MapReduceError], text: str) -> None:
    with pytest.raises(kind) as translated, translated_errors():
        raise raised
    assert str(translated.value) == text
