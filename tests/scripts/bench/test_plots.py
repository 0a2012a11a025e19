"""Pictures of the results."""

from pathlib import Path

import pytest

from scripts.bench import plots
from scripts.bench.outcomes import Outcome
from scripts.bench.workloads import workloads
from tests.scripts.bench.outcomes import fit_outcome, growth_outcomes


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = workloads(("blobs",))
    tasks = [Outcome(rows[f"curve-tasks-{size}"], ratios={"an iteration": 3.0}) for size in ("1x1", "2x2")]
    plots.draw(tmp_path, [fit_outcome(), *growth_outcomes(), *tasks])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve-k.png", "curve-tasks.png", "fits.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
