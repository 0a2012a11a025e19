"""The report of a run in which a worker is killed, and its scatter with the centroids."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.events.catalogue.tasks import RpcCall
from common.events.catalogue.workers import WorkerStarted
from scripts.chaos.follow import Follower
from scripts.clusters.daemons import ROOT
from scripts.pictures.browser import picture_of

_OPTIONS = (
    "--mappers 3 --reducers 2 --k 5 --iters 50 --seed 9 --input data/input/blobs.csv --task-delay 0.1 --quiet"
)
_KILLED = ("M2", 3)
"""The worker that is killed, and the iteration in which it then works."""
_HOME = "/home/you/kmeans"
"""What the pictures show in place of the temporary folder."""


def draw_report_and_scatter(out: Path) -> None:
    """Write report.png and scatter.png."""
    with tempfile.TemporaryDirectory() as name:
        report = report_of_a_killed_worker(Path(name))
        picture_of(report.as_uri(), out / "report.png", 1240, 790)
        picture_of(
            report.as_uri(), out / "scatter.png", 1200, 1600, part="document.querySelector('#s-clusters')"
        )


def report_of_a_killed_worker(folder: Path) -> Path:
    """Run in a folder, kill a mapper meanwhile, and return the report of the run."""
    shutil.copytree(ROOT / "data" / "input", folder / "data" / "input")
    run = subprocess.Popen(
        [sys.executable, "-m", "master", *_OPTIONS.split(), "--report", "run.html"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    follower = Follower(folder / "dump.txt")
    while run.poll() is None and not _works(follower):
        time.sleep(0.02)
    (pid,) = [
        entry.event.pid
        for entry in follower.entries()
        if isinstance(entry.event, WorkerStarted) and entry.event.worker == _KILLED[0]
    ]
    os.kill(pid, signal.SIGKILL)
    if run.wait() != 0:
        sys.exit("the run failed")
    report = folder / "run.html"
    report.write_text(report.read_text().replace(str(folder.resolve()), _HOME))
    return report


def _works(follower: Follower) -> bool:
    return any(
        isinstance(entry.event, RpcCall) and (entry.event.to, entry.event.iteration) == _KILLED
        for entry in follower.entries()
    )
