"""Outcomes to show."""

from scripts.bench.measure import Series, Usage
from scripts.bench.outcomes import Outcome, compare
from scripts.bench.workloads import LIMIT, workloads


def series(*seconds: float, usage: Usage | None = None, **details: object) -> Series:
    return Series(list(seconds), details, usage)


def fit_outcome() -> Outcome:
    workload = workloads(("blobs",), scale=0.001)["fit-1Mx2-k8-blobs"]
    details = {"iterations": 30, "first_iteration_s": 3.0, "later_iteration_s": 1.5, "with_scoring_s": 2.2}
    measured = {
        "ours": series(1.0, 2.0, 9.0, usage=Usage(300, 100, 1.0), **details),
        "sklearn-lloyd": series(4.0, usage=Usage(100, 100, 1.0), iterations=30),
        "faiss": series(1.0, iterations=30),
        LIMIT: series(1 / 30, iterations=1),
    }
    return Outcome(
        workload,
        measured,
        {"spark": "pyspark is not installed"},
        compare(measured, workload.comparisons),
        {"ours against sklearn-lloyd": {"rows of another label": 1234, "inertia ratio": 1.0}},
    )


def growth_outcomes() -> list[Outcome]:
    rows = workloads(("blobs",))
    return [
        Outcome(rows[f"curve-k-{k}"], {"ours": series(k), "sklearn-lloyd": series(2 * k)}) for k in (4, 8)
    ]
