"""What all tests share."""

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.programs import worker_processes

# In the background of a script, Ctrl-C is ignored, and whatever is started there would ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Every test ends without a worker process of its own."""
    yield
    left = psutil.wait_procs(worker_processes(), timeout=5)[1]
    assert not left, f"workers outlived their test: {left}"
