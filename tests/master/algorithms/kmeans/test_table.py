"""The table of clusters."""

import numpy as np

from master.algorithms.kmeans.table import cluster_table


def test_each_cluster_has_a_line() -> None:
    lines = list(cluster_table(np.array([[0.1234567, -2.0], [1e9, 0.0]]), np.array([1500, 500])))
    assert lines == [
        "cluster   rows  share  centroid",
        "      0  1,500  75.0%  0.123457, -2",
        "      1    500  25.0%  1e+09, 0",
    ]


def test_many_clusters_are_counted_and_many_columns_cut_short() -> None:
    lines = list(cluster_table(np.ones((23, 9)), np.arange(23)))
    assert len(lines) == 22
    assert lines[20] == "     19    19   7.5%  1, 1, 1, 1, 1, 1, 1, 1, ..."
    assert lines[21] == "... and 3 more, with 63 rows"
