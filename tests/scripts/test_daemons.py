"""Clusters of Spark and Dask for trials: what is read in the logs of their daemons."""

import sys
from pathlib import Path

from scripts.clusters.daemons import Daemons

SLOW_WRITER = """
import sys, time
for part, pause_s in [("ready at tcp:/", 0.3), ("/host:1\\n", 60)]:
    print(part, end="", flush=True)
    time.sleep(pause_s)
"""


def test_only_whole_lines_are_read(tmp_path: Path) -> None:
    """What is there of the last line may hold half of an address."""
    daemons = Daemons(tmp_path / "cluster")
    daemons.prepare()
    daemons.start("slow", [sys.executable, "-c", SLOW_WRITER], {})
    assert daemons.await_match("slow", r"ready at (\S+)")[1] == "tcp://host:1"
    daemons.end()
    assert not daemons.folder.exists()
