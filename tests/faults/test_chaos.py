"""The soak of `make chaos`, for a moment; and that it would see what goes wrong."""

import re
import subprocess
import sys
from pathlib import Path

from tests.programs import PATIENCE_S, ROOT


def test_a_short_soak(tmp_path: Path) -> None:
    arguments = ["--seconds", "15", "--seed", "7", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.chaos", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^seed +7$[\s\S]*^runs +[1-9]", done.stdout, re.MULTILINE)
