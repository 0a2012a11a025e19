"""Hard points have the plain formula's labels and sums on other processors, too."""

import os
import subprocess
import sys

import pytest

from tests.common.kernels.nearest import hard
from tests.programs import ROOT


@pytest.mark.slow
def test_hard_points() -> None:
    hard.main()


@pytest.mark.slow
@pytest.mark.parametrize("processor", ["generic", "haswell"])
def test_hard_points_on_another_processor(processor: str) -> None:
    """The generic one has vectors of 128 bits, Haswell of 256."""
    environment = {**os.environ, "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-m", "tests.common.kernels.nearest.hard"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
