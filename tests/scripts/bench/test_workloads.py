"""The table of workloads."""

from scripts.bench.competitors import COMPETITORS
from scripts.bench.workloads import WORKLOADS, Workload, workloads


def test_scaled_rows_are_enough_for_the_clusters() -> None:
    workload = Workload("name", "group", 1_000_000, 2, 8)
    assert workload.chosen("blobs", 0.01, 30).rows == 10_000
    assert workload.chosen("blobs", 1e-6, 30).rows == 80


def test_workloads_have_names_of_their_own() -> None:
    names = list(workloads(("blobs", "cloud")))
    assert {"fit-1Mx2-k8-blobs", "fit-200kx128-k256-cloud", "csv", "points-mode", "tiny"} < set(names)
    assert len(names) == len(set(names)) == len(WORKLOADS) + 6


def test_workloads_compare_competitors_that_there_are() -> None:
    for row in WORKLOADS:
        assert set(row.competitors) <= set(COMPETITORS)
        assert {name for each in row.comparisons for name in (each.one, each.other)} <= set(row.competitors)
