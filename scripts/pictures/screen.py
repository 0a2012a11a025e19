"""The terminal at the end of a run, as an SVG."""

import os
import pty
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from scripts.clusters.daemons import ROOT

_COMMAND = "python -m master --mappers 2 --reducers 2 --k 2 --iters 20 --input data/input/points.txt"
_COLUMNS, _LINES = 92, 34
_REDRAWN = re.compile(r"^.*\n\r?\x1b\[1A\x1b\[2K|^.*\x1b\[2K", re.MULTILINE)
"""What the terminal shows of a line only until it is drawn anew: the bar."""
_CURSOR = re.compile(r"\x1b\[\?25[lh]")
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""rich names fonts of another site; a picture loads nothing."""


def draw_terminal(out: Path) -> None:
    """Write terminal.svg."""
    with tempfile.TemporaryDirectory() as name:
        said = _said_on_a_terminal(Path(name))
    lines = _REDRAWN.sub("", _CURSOR.sub("", said.replace("\r\n", "\n"))).rstrip().splitlines()
    console = Console(record=True, width=_COLUMNS, file=StringIO())
    console.print(Text.from_ansi("\n".join(lines[-_LINES:])))
    svg = console.export_svg(title=_COMMAND, unique_id="terminal")
    (out / "terminal.svg").write_text(_FONTS.sub("", svg))


def _said_on_a_terminal(folder: Path) -> str:
    """Return all that a run writes to its terminal."""
    (folder / "data").mkdir()
    (folder / "data" / "input").symlink_to(ROOT / "data" / "input")
    ours, its = pty.openpty()
    known = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": str(_COLUMNS)}
    with subprocess.Popen(
        [sys.executable, *_COMMAND.split()[1:]], cwd=folder, env=known, stdin=its, stdout=its, stderr=its
    ):
        os.close(its)
        return _read_all(ours).decode()


def _read_all(terminal: int) -> bytes:
    found = b""
    with os.fdopen(terminal, "rb", buffering=0) as file:
        try:
            while read := file.read(1 << 16):
                found += read
        except OSError:  # Linux says so that the other side is closed
            pass
    return found
