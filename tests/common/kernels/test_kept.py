"""What is kept of compiled kernels, when files are damaged and when two types are compiled at once."""

import os
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT

USE = """
import sys
import numpy as np
from common.kernels.exact import SumGrid
from common.kernels.limbs import move_rows
for kind in sys.argv[1:]:
    points = np.ones((2, 2), kind)
    points.flags.writeable = False
    sums, one = np.zeros((1, 4)), np.zeros(2, np.uint32)
    grid = SumGrid((3, 3), 40, 2)
    move_rows(points, np.arange(2, dtype=np.uint32), one + 1, one, grid.constants, sums)
    print(kind, sums[0].tolist())
"""
RESULT = "[2.0, 2.0, 0.0, 0.0]"


def use(folder: Path, *kinds: str) -> list[str]:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", USE, *kinds]
    return subprocess.check_output(command, cwd=ROOT, env=environment, text=True).splitlines()


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


def test_each_type_has_a_file_of_its_own_and_a_damaged_one_is_compiled_anew(tmp_path: Path) -> None:
    assert use(tmp_path, "float32") == [f"float32 {RESULT}"]
    (single,) = kept(tmp_path)
    content = single.read_bytes()
    assert use(tmp_path, "float64", "float32") == [f"float64 {RESULT}", f"float32 {RESULT}"]
    assert len(kept(tmp_path)) == 2
    assert single.read_bytes() == content
    for file in kept(tmp_path):
        file.write_bytes(b"")
    assert use(tmp_path, "float64", "float32") == [f"float64 {RESULT}", f"float32 {RESULT}"]
    assert len(single.read_bytes()) > len(content) // 2
