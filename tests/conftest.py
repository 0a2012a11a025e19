"""What all tests share."""

import gc
import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

from scripts.clusters import quick_start
from tests.programs import PATIENCE_S, release_ports, worker_processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# In the background of a script, Ctrl-C is ignored, and under nohup the end of the terminal. What is started
# there would ignore them, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What tests start would compile all modules anew each time: a fifth of the time of a short run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# People's shells do not set it, and with it nothing stays in a buffer until a process ends.
os.environ.pop("PYTHONUNBUFFERED", None)

# Spark's own process takes half the time so.
os.environ |= {"SPARK_LAUNCHER_OPTS": quick_start.OPTIONS, "SPARK_SUBMIT_OPTS": quick_start.driver_options()}

# How long something takes is no property of it. What is set for CI stays as it is.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: at the end, one of them would keep one core busy.

    The slowest of them, those of Spark and Dask, are the last ones by name.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path, reverse=True)
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Leave the thousands of tests out of the collections of garbage, which would look at each every time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def signals_are_answered_as_before() -> Iterator[None]:
    """A command line that has ended well ignores signals; what other tests start from here would, too."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Every test ends without a worker process of its own, and without a port."""
    yield
    release_ports()
    left = psutil.wait_procs(worker_processes(), timeout=PATIENCE_S)[1]
    assert not left, f"workers outlived their test: {left}"
