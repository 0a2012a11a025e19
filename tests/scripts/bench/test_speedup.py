"""How each engine grows with its mappers."""

import json
from pathlib import Path

import pytest

from scripts.bench import speedup
from tests.scripts.bench.outcomes import series


def test_speedups_are_those_of_an_engine_over_itself() -> None:
    times = {
        **{"grpc, M = 1": series(4.0), "grpc, M = 2": series(2.5), "grpc, M = 3": series(1.0, 2.0, 9.0)},
        **{"dask, M = 2": series(1.0)},  # one mapper failed
    }
    found = speedup.speedups(times, ["grpc", "spark", "dask"], 3)
    assert found == {"grpc": {1: 1.0, 2: 1.6, 3: 2.0}}
    assert {"grpc", "inline"} <= set(speedup.engines())


def test_a_small_speedup(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "results"
    shape = ["--rows", "500", "--columns", "2", "--k", "3", "--iterations", "2", "--repeats", "1"]
    speedup.main(["--engine", "inline", "--mappers", "2", *shape, "--out", str(out)], standalone_mode=False)
    assert (out / "speedup.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((out / "speedup.json").read_text())
    assert facts["skipped"] == {}
    assert list(facts["speedups"]["inline"]) == ["1", "2"]
