"""Execute docs/notebooks/walkthrough.ipynb and write it with its outputs; nothing else is left.

python -m scripts.notebook out/walkthrough.ipynb
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from master.engines.stages import own_environment

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "walkthrough.ipynb"
_CELL_TIMEOUT_S = 150


def execute(notebook: Path) -> nbformat.NotebookNode:
    """Run all cells, in the notebook's folder; a cell that fails raises `CellExecutionError`."""
    found = nbformat.read(notebook, as_version=4)
    with _temporary_home():
        NotebookClient(
            found,
            timeout=_CELL_TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": str(notebook.parent)}},
        ).execute()
    return found


@contextmanager
def _temporary_home() -> Iterator[None]:
    """Let Jupyter, and what the kernel makes, have their files in a folder that goes."""
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR")
    with tempfile.TemporaryDirectory() as folder, own_environment():
        os.environ.update(dict.fromkeys(names, folder))
        yield


def main() -> None:
    """Execute the notebook; write the result to the file that the command line names."""
    output = Path(sys.argv[1])
    executed = execute(NOTEBOOK)
    output.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(executed, output)
    print(f"{output}: {len(executed.cells)} cells")


if __name__ == "__main__":
    main()
