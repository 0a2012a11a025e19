"""Each command of the tutorial runs, in its order, and says what the page shows; only times may differ."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.moments import calm_environment
from tests.programs import PATIENCE_S, ROOT

PAGE = ROOT / "docs" / "TUTORIAL.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
TIMES = re.compile(r"[\d.]+(?= ms)|(?<=duration_ms=)[\d.]+")
FOLDER = "/home/you/kmeans"


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Yield each command with the output that is shown after it."""
    for block in BLOCK.findall(page):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            typed, _, shown = step.partition("\n")
            yield typed, shown


def said(folder: Path, typed: str) -> str:
    """Run a command as a reader would."""
    known = calm_environment()
    path = f"{Path(sys.executable).parent}{os.pathsep}{known['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", typed],
        cwd=folder,
        env=known | {"PATH": path, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
    return ran.stdout.replace(str(folder), FOLDER)


def test_each_command_says_what_the_page_shows(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "data" / "input", tmp_path / "data" / "input")
    commands = list(steps(PAGE.read_text()))
    assert len(commands) > 20
    for typed, shown in commands:
        assert (typed, TIMES.sub("T", said(tmp_path, typed))) == (typed, TIMES.sub("T", shown))
