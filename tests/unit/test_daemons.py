"""Clusters of Spark and Dask for trials: what is read in the logs of their daemons."""

import sys
from pathlib import Path

from scripts.clusters.daemons import Daemons, found

SLOW_WRITER = """
import sys, time
for part in ["ready at tcp:/", "/host:1\\n"]:
    print(part, end="", flush=True)
    time.sleep(0.3)
"""


def test_only_whole_lines_are_read(tmp_path: Path) -> None:
    """What is there of the last line may hold half of an address."""
    daemons = Daemons(tmp_path / "cluster")
    daemons.prepare()
    daemons.start("slow", [sys.executable, "-c", SLOW_WRITER], {})
    log = daemons.await_line("slow", "ready at")
    assert found(r"ready at (\S+)", log) == "tcp://host:1"
    daemons.end()
    assert not daemons.folder.exists()
