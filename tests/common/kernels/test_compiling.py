"""What is kept of compiled kernels counts only as long as every kernel's source is the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT

USE = "from common.kernels.logistic.passes import probabilities as p; import numpy as np\n" + (
    "from common.kernels.logistic.design import Design, Scaling\n"
    "z, i = np.zeros((1, 0)), np.zeros(0, np.int32)\n"
    "rows = Design(z, i, np.zeros((1, 0), np.int32), np.zeros(1, np.int32), np.ones(1))\n"
    "print(p(rows, Scaling(np.zeros(0), np.zeros(0)), np.array([[1.0], [0.0]])).tolist())\n"
)


def test_a_kernel_follows_the_sources_that_it_calls(tmp_path: Path) -> None:
    """numba alone would go on with the old ones."""
    shutil.copytree(
        ROOT / "common", tmp_path / "common", ignore=shutil.ignore_patterns("__pycache__", "rpc", "worker")
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def use() -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-c", USE], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stderr == ""
        return done.stdout

    before = use()
    source = tmp_path / "common" / "kernels" / "logistic" / "elementary.py"
    source.write_text(source.read_text().replace("LARGEST_EXPONENT = 708.0", "LARGEST_EXPONENT = 0.25"))
    assert before != use()


def test_a_process_of_our_own_loads_the_compiler_without_scipy_s_linear_algebra() -> None:
    """It can be imported later."""
    program = (
        "import sys; from common.kernels.compiling import load_compiler_without_scipy as load\n"
        "load(); print('scipy.linalg' in sys.modules); import scipy.linalg; print(scipy.linalg.norm([3, 4]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n5.0\n", "")
