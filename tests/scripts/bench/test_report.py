"""The results as JSON and Markdown."""

import json
from pathlib import Path

import numpy as np

from scripts.bench import report
from scripts.bench.outcomes import Outcome
from scripts.bench.workloads import LIMIT, workloads
from tests.scripts.bench.outcomes import fit_outcome, growth_outcomes


def test_report_shows_ratios_and_json_what_they_are_made_of(tmp_path: Path) -> None:
    about = report.about(["--seed", "3"], repeats=3, seed=3, scale=1.0)
    tiny = workloads(("blobs",))["tiny"]
    whole = Outcome(tiny, ratios={"ours ÷ five starts": 1.234})
    use = Outcome(workloads(("blobs",))["use-1Mx2-k8"], ratios={"predict ÷ sklearn": 0.25}, loads=[0.0, 0.3])
    none = Outcome(workloads(("blobs",))["use-1Mx4-k64"], ratios={"score ÷ sklearn": 0.5})
    report.write(tmp_path, about, [fit_outcome(), use, none, whole, *growth_outcomes()])

    text = (tmp_path / "results.md").read_text()
    assert "`make bench ARGS='--seed 3'`" in text
    assert "| 1,000 × 2, K = 8 | blobs | float64 | 30 | 0.50 | – | – | 2.00 | – | – | – | 2.00 |" in text
    assert "| 1,000 × 2, K = 8 | blobs | float64 | 2.00 | 3.00 | 2.0 | 1,234 | 1.000000000 | 1.10 |" in text
    assert "| 31 points, K = 2, M = R = 2, whole command | ours ÷ five starts | 1.23 |" in text
    assert "| 8 | 2.00 | 4.00 | 0.50 |" in text
    assert "- spark: pyspark is not installed (fit-1Mx2-k8-blobs)" in text

    assert "| 1,000,000 × 2, K = 8 | 0.25 | – |" in text
    assert "others took\n0% to 30%; disturbed among them: 1 of 2." in text
    assert "- ours: 4.5 (fit-1Mx2-k8-blobs)" in text

    found = json.loads((tmp_path / "results.json").read_text())
    fit = found["workloads"][0]
    assert fit["series"]["ours"]["seconds"] == [1, 2, 9]
    assert fit["series"]["ours"]["median_s"] == 2
    assert fit["ratios"] == {"ours ÷ sklearn-lloyd": 0.5, "ours ÷ faiss": 2.0, f"ours ÷ {LIMIT}": 2.0}
    assert found["about"]["versions"]["numpy"] == np.__version__
