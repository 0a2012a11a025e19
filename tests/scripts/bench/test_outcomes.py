"""Outcomes: what is compared, and how."""

from pathlib import Path

import numpy as np

from scripts.bench.data import Case
from scripts.bench.outcomes import agreement, compare
from scripts.bench.workloads import Comparison, workloads
from tests.scripts.bench.outcomes import series


def test_ratios() -> None:
    both = {"a": series(1.0, 2.0, 9.0, n=6), "b": series(4.0, n=3)}
    assert compare(both, [Comparison("a", "b")]) == {"a ÷ b": 0.5}
    assert compare(both, [Comparison("a", "b", "x")]) == {"x": 0.5}
    assert compare(both, [Comparison("a", "b", "x", shared_by=5)]) == {"x": 0.1}
    assert compare(both, [Comparison("a", "b", "x", by="n")]) == {"x": 0.25}
    assert compare(both, [Comparison("a", "c")]) == {}
    assert compare(both, [Comparison("a", "b", "n", of="n")]) == {"n": 2.0}
    assert compare(both, [Comparison("c", "b", "n", of="n")]) == {}


def test_results_from_the_same_start_are_compared(tmp_path: Path) -> None:
    workload = workloads(("blobs",))["fit-1Mx2-k8-blobs"]
    for name, labels in (("ours", [0, 1, 1]), ("sklearn-lloyd", [0, 1, 0])):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "fit.npz", centroids=np.eye(2), labels=labels)
    found = {"ours": series(1.0, inertia=3.0), "sklearn-lloyd": series(1.0, inertia=2.0)}
    case = Case(workload, tmp_path, tmp_path / "points.npy", tmp_path / "initial.npy", seed=0)
    assert agreement(case, found) == {
        "ours against sklearn-lloyd": {
            "largest difference of a coordinate": 0.0,
            "rows of another label": 1,
            "inertia ratio": 1.5,
        }
    }
