"""The elbow of a run that tries several K, and the palette of a photograph; both from reports."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.clusters.daemons import ROOT
from scripts.pictures.browser import picture_of

_ENGINE = ("--engine", "inline", "--quiet", "--report", "run.html", "--data-dir", "data")


def draw_elbow(out: Path) -> None:
    """Write elbow.png."""
    blobs = ROOT / "data" / "input" / "blobs.csv"
    tried = ("--k", "2..8", "--iters", "50", "--init", "k-means++", "--mappers", "1", "--reducers", "1")
    with tempfile.TemporaryDirectory() as name:
        report = _report(Path(name), ["run", *tried, "--input", str(blobs)])
        picture_of(report.as_uri(), out / "elbow.png", 1040, 4000, part="document.querySelector('#s-choice')")


def draw_palette(out: Path) -> None:
    """Write palette.png."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(load_sample_image("china.jpg")).save(folder / "china.png")
        report = _report(folder, ["palette", "--k", "16", "--input", "china.png", "--output", "out.png"])
        picture_of(
            report.as_uri(), out / "palette.png", 1040, 4000, part="document.querySelector('#s-palette')"
        )


def _report(folder: Path, command: Sequence[str]) -> Path:
    """Run a command in a folder; return its report."""
    subprocess.run(
        [sys.executable, "-m", "master", *command, *_ENGINE],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    return folder / "run.html"
