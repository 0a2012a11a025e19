"""What all tests share."""

from collections.abc import Iterator

import psutil
import pytest

from tests.programs import worker_processes


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Every test ends without a worker process of its own."""
    yield
    left = psutil.wait_procs(worker_processes(), timeout=5)[1]
    assert not left, f"workers outlived their test: {left}"
