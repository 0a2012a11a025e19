"""docs/notebooks/walkthrough.ipynb runs, each cell, and leaves nothing behind; it is kept without outputs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import PATIENCE_S, ROOT, environment

NOTEBOOK = ROOT / "docs" / "notebooks" / "walkthrough.ipynb"
NEEDED = ("nbclient", "ipykernel", "matplotlib", "distributed")


def code_cells() -> list[dict[str, object]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def beside_it() -> set[Path]:
    return {*NOTEBOOK.parent.iterdir(), *(ROOT / "data").iterdir()}


def test_it_is_kept_without_outputs() -> None:
    assert [cell for cell in code_cells() if cell["outputs"] or cell["execution_count"]] == []


@pytest.mark.slow
def test_each_cell_runs_and_nothing_is_left(tmp_path: Path) -> None:
    for name in NEEDED:
        pytest.importorskip(name)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = beside_it()
    done = subprocess.run(
        [sys.executable, "-m", "scripts.notebook", str(tmp_path / "out" / "walkthrough.ipynb")],
        cwd=ROOT,
        env=environment() | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert list(scratch.iterdir()) == []
    assert beside_it() == before
    cells = json.loads((tmp_path / "out" / "walkthrough.ipynb").read_text())["cells"]
    kinds = {kind for cell in cells for out in cell.get("outputs", []) for kind in out.get("data", {})}
    assert "image/png" in kinds
