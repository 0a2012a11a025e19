"""Other processors give the same bits."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from tests.common.kernels.logistic.digest import digest
from tests.programs import ROOT


def vector_instructions() -> str:
    """Return what NumPy may use of this processor beyond what it needs."""
    numpy = import_module("numpy._core._multiarray_umath")
    return " ".join(name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__[name])


@pytest.mark.slow
@pytest.mark.parametrize("processor", ["generic", "haswell"])
def test_bits_do_not_depend_on_the_processor(processor: str) -> None:
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": vector_instructions(),
    }
    command = [sys.executable, "-m", "tests.common.kernels.logistic.digest"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()
