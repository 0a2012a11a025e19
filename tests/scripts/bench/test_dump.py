"""What the benchmark reads in a dump.txt."""

import pytest

from common.events.line import parse_lines
from scripts.bench.dump import initial_centroids, lines_of_calls, read_trace

DUMP = """\
2026-01-31T12:00:00.000000Z master event=run_started rows=31
2026-01-31T12:00:00.100000Z master event=centroid start=1 iteration=0 key=0 value=1.5,2.0
2026-01-31T12:00:00.100000Z master event=centroid start=1 iteration=0 key=1 value=3.0,-4.0
2026-01-31T12:00:00.200000Z master event=centroid start=2 iteration=0 key=0 value=0.1,0.2
2026-01-31T12:00:00.200000Z master event=centroid start=2 iteration=0 key=1 value=0.3,0.4
2026-01-31T12:00:01.000000Z master event=iteration_started iteration=1 of=5
2026-01-31T12:00:01.100000Z M1 event=map_started stage=1 job=lloyd iteration=1 task=1 attempt=1 rows=1..16
2026-01-31T12:00:01.400000Z master event=iteration_finished start=1 iteration=1 shift=1.0 sizes=2,1
2026-01-31T12:00:01.500000Z master event=iteration_finished start=2 iteration=1 shift=0.0 sizes=2,1
2026-01-31T12:00:01.500000Z master event=iteration_started iteration=2 of=5
2026-01-31T12:00:01.600000Z master event=iteration_finished start=1 iteration=2 shift=0.5 sizes=2,1
2026-01-31T12:00:01.600000Z master event=iteration_started iteration=3 of=5
2026-01-31T12:00:01.900000Z master event=iteration_finished start=1 iteration=3 shift=0.0 sizes=2,1
2026-01-31T12:00:02.000000Z master event=stopped start=1 reason="all done" iterations=3 inertia=12.5
2026-01-31T12:00:02.100000Z master event=stopped start=2 reason="all done" iterations=1 inertia=11
"""
ENTRIES = list(parse_lines(DUMP))


def test_times_of_a_dump() -> None:
    trace = read_trace(ENTRIES)
    assert trace["iterations_s"] == [0.5, 0.1, 0.3]
    assert trace["later_iteration_s"] == pytest.approx(0.2)
    assert (trace["fit_s"], trace["with_scoring_s"]) == (0.9, 1.1)
    assert (trace["iterations"], trace["inertia"]) == (4, 11)


@pytest.mark.parametrize("lines", [0, 1, 7, 13], ids=["empty", "early", "in_an_iteration", "before_the_end"])
def test_dump_of_an_incomplete_run(lines: int) -> None:
    with pytest.raises(ValueError, match="complete run"):
        read_trace(ENTRIES[:lines])


def test_starts_of_a_dump() -> None:
    assert initial_centroids(ENTRIES).tolist() == [[[1.5, 2], [3, -4]], [[0.1, 0.2], [0.3, 0.4]]]


def test_lines_of_calls() -> None:
    assert lines_of_calls(ENTRIES) == 1
