"""Spark's page of executors and Dask's dashboard during a run of ours, on the clusters that make starts."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TypeVar

from common.events.catalogue.kmeans import IterationFinished
from common.events.catalogue.workers import Cluster
from scripts.chaos.follow import Follower
from scripts.clusters.daemons import ROOT
from scripts.pictures.browser import picture_of

_Kind = TypeVar("_Kind")

_ROWS = 300_000
_SHOWN = 12
"""The iteration after which a picture is taken; the others give the browser its time."""
_OPTIONS = "--mappers 4 --reducers 2 --k 60 --iters 40 --tol 0 --quiet --combine"


def draw_spark(out: Path) -> None:
    """Write spark-executors.png."""
    if find_spec("pyspark") is None or which("java") is None:
        raise LookupError("it needs Java 17, and pyspark: pip install '.[spark]'")
    with _cluster("spark") as folder, _run_on("spark", folder) as follower:
        (page,) = re.findall(r"http\S+", _await(follower, Cluster).ui)
        _await(follower, IterationFinished, _SHOWN)
        ready = "document.querySelectorAll('#active-executors-table tbody tr').length > 2"
        picture_of(f"{page}/executors/", out / "spark-executors.png", 1600, 800, ready)


def draw_dask(out: Path) -> None:
    """Write dask-dashboard.png."""
    if find_spec("distributed") is None or find_spec("bokeh") is None:
        raise LookupError("it needs dask and bokeh: pip install '.[pictures]'")
    with _cluster("dask") as folder, _run_on("dask", folder) as follower:
        log = (folder / "cluster" / "scheduler.log").read_text()
        (page,) = re.findall(r"dashboard at:\s+(http://\S+)", log)
        _await(follower, IterationFinished, _SHOWN)
        ready = "Bokeh.documents.length && Bokeh.documents[0].is_idle"
        picture_of(page, out / "dask-dashboard.png", 1400, 800, ready)


@contextmanager
def _cluster(program: str) -> Iterator[Path]:
    """Start a cluster as make does, in a folder of its own with an input; end it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [
                *(sys.executable, "-m", "scripts.blobs", "--rows", str(_ROWS), "--columns", "8"),
                *("--clusters", "60", "--seed", "1", str(folder / "blobs.csv")),
            ],
            cwd=ROOT,
            check=True,
        )
        try:
            _call(program, folder, "up").check_returncode()
            yield folder
        finally:
            _call(program, folder, "down")


@contextmanager
def _run_on(program: str, folder: Path) -> Iterator[Follower]:
    """Run on the cluster; yield what follows the run's log; wait for its end."""
    paths = ["--input", folder / "blobs.csv", "--dump", folder / "dump.txt", "--data-dir", folder / "data"]
    command = _command(program, folder, "run", *_OPTIONS.split(), *paths)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as run:
        try:
            yield Follower(folder / "dump.txt")
        finally:
            run.wait()


def _await(follower: Follower, kind: type[_Kind], number: int = 1) -> _Kind:
    """Wait for an event of a kind; return it."""
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        found = [entry.event for entry in follower.entries() if isinstance(entry.event, kind)]
        if len(found) >= number:
            return found[number - 1]
        time.sleep(0.1)
    sys.exit(f"the run told no {kind.__name__}")


def _call(program: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_command(program, folder, *arguments), cwd=ROOT)


def _command(program: str, folder: Path, *arguments: object) -> list[str]:
    cluster = ["--folder", str(folder / "cluster")]
    return [sys.executable, "-m", f"scripts.clusters.{program}", *cluster, *map(str, arguments)]
