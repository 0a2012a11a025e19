"""Whoever reads a line knows every event, whatever else is imported."""

import subprocess
import sys

from common.events.catalogue.base import EVENTS
from common.events.line import parse_line  # noqa: F401 (it brings the catalogue)
from tests.programs import ROOT, environment

CODE = "import common.events.line as line; print(*sorted(line.EVENTS))"


def test_the_reader_brings_all_events() -> None:
    known = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    modules = {kind.__module__ for kind in EVENTS.values()}
    assert {name for name, kind in EVENTS.items() if kind.__module__.startswith("common.")} <= set(known)
    assert {"common.events.catalogue.kmeans", "common.events.catalogue.tasks"} <= modules
    assert {"rpc_call", "map_started", "iteration_finished", "worker_joined", "run_started"} <= set(known)
