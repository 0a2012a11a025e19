"""Loading compiled code early."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from common.model import FloatType

_MANY_NUMBERS = 500_000
"""From here on a split will most likely need the compiled kernels."""


@contextmanager
def kernels_loading(numbers: int, dtype: FloatType) -> Iterator[None]:
    """Load the compiled kernels, which takes up to a second, while so many numbers are being read."""
    if numbers < _MANY_NUMBERS:
        yield
        return
    loading = threading.Thread(target=_load, args=(dtype,), daemon=True)
    loading.start()
    yield
    loading.join()


def _load(dtype: FloatType) -> None:
    from common.kernels.ready import make_ready

    make_ready(dtype)
