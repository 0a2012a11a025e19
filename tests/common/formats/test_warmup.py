"""Compiled kernels are loaded while many numbers are read, and only then."""

import subprocess
import sys

import pytest

from tests.programs import ROOT, environment

READ = """
import sys
from common.formats.warmup import kernels_loading
from common.model import FloatType
with kernels_loading(int(sys.argv[1]), FloatType.FLOAT64):
    pass
print("common.kernels.ready" in sys.modules)
"""


@pytest.mark.parametrize(("numbers", "expected"), [(1_000, "False\n"), (1_000_000, "True\n")])
def test_kernels_are_loaded_for_many_numbers(numbers: int, expected: str) -> None:
    command = [sys.executable, "-c", READ, str(numbers)]
    assert subprocess.check_output(command, cwd=ROOT, env=environment(), text=True, timeout=60) == expected
