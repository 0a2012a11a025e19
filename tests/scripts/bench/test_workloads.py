"""The table of workloads."""

from scripts.bench.competitors import COMPETITORS
from scripts.bench.workloads import LIMIT, WORKLOADS, Workload, workloads


def test_scaled_rows_are_enough_for_the_clusters() -> None:
    workload = Workload("name", "group", 1_000_000, 2, 8)
    assert workload.chosen("blobs", 0.01, 30).rows == 10_000
    assert workload.chosen("blobs", 1e-6, 30).rows == 80
    use = workloads(("cloud",), 0.01)["use-1Mx2-k8"]
    assert (use.rows, use.data) == (10_000, "cloud")


def test_workloads_have_names_of_their_own() -> None:
    names = list(workloads(("blobs", "cloud")))
    assert {"fit-1Mx2-k8-blobs", "fit-200kx128-k256-cloud", "csv", "points-mode", "tiny"} < set(names)
    assert len(names) == len(set(names)) == len(WORKLOADS) + 6


def test_results_are_compared_with_all_that_find_some_from_the_same_start() -> None:
    pairs = [
        (each.one, each.other)
        for each in workloads(("blobs",))["fit-1Mx2-k8-blobs"].comparisons
        if each.agree
    ]
    assert ("ours", "sklearn-lloyd") in pairs
    assert ("ours in Python float32", "oneDAL float32") in pairs
    assert not [other for _, other in pairs if other.startswith((LIMIT, "spark", "dask"))]


def test_workloads_compare_competitors_that_there_are() -> None:
    for row in WORKLOADS:
        assert set(row.competitors) <= set(COMPETITORS)
        assert {name for each in row.comparisons for name in (each.one, each.other)} <= set(row.competitors)
