"""Several numbers of clusters in one run: each has the result that it has alone."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.errors import UsageError
from common.events.catalogue.kmeans import BestStart, ClustersChosen, ClustersMeasured, InitialCentroids
from common.formats.dataset import open_input
from common.model import FloatArray, Input
from master.algorithms.base import Checkpoints, Progress
from master.algorithms.kmeans.algorithm import KMeansAlgorithm
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.counts import ClusterCounts, ClusteringOptions
from master.algorithms.kmeans.loop import KMeansResult, fit
from master.algorithms.kmeans.measures import Measures, preferred
from master.algorithms.kmeans.search import KMeansChoice, SearchResult, search
from master.engines.inline import InlineEngine
from tests.programs import SAMPLE
from tests.story import ListLog

RNG = np.random.default_rng(5)
GROUPS = RNG.normal(size=(120, 3)) + 12 * RNG.integers(0, 4, size=(120, 1))


def inline(points: FloatArray = GROUPS, *, combine: bool = True) -> InlineEngine:
    return InlineEngine(points, combine=combine)


def configs(*ks: int, **more: Any) -> tuple[KMeansConfig, ...]:
    return tuple(KMeansConfig(**({"k": k, "iterations": 40} | more)) for k in ks)


def compared(result: KMeansResult) -> list[Any]:
    return [result.centroids.tobytes(), result.sizes.tolist(), result.inertia, result.n_iter, result.history]


@pytest.mark.parametrize(
    "more", [{"init": "k-means++"}, {"n_init": 3, "seed": 4, "history": True}, {"on_empty": "keep"}]
)
def test_each_k_has_the_result_that_it_has_alone(more: dict[str, Any]) -> None:
    found = search(inline(), len(GROUPS), configs(1, 2, 4, 7, **more), ListLog())
    alone = [
        fit(inline(combine=False), len(GROUPS), config, ListLog()) for config in configs(1, 2, 4, 7, **more)
    ]
    assert [*map(compared, found.results)] == [*map(compared, alone)]


def test_the_log_has_each_k_with_its_measures_and_its_start() -> None:
    log = ListLog()
    found = search(inline(), len(GROUPS), configs(2, 4, 6, n_init=2), log)
    starts = {event.start: event.k for event in log.of(InitialCentroids)}
    assert [*starts.values()] == [2, 2, 4, 4, 6, 6]
    measured = log.of(ClustersMeasured)
    assert [event.k for event in measured] == [2, 4, 6]
    assert [event.start for event in measured] == [event.start for event in log.of(BestStart)]
    assert [starts[event.start] for event in measured] == [2, 4, 6]
    (chosen,) = log.of(ClustersChosen)
    assert (chosen.k, chosen.of) == (4, 3)
    assert found.best is found.results[1]
    assert starts[chosen.start] == 4


class Kept(Checkpoints):
    """Keep the progress after each iteration; resume from one of them."""

    def __init__(self, resumed: Sequence[Progress] | None = None) -> None:
        self.found = resumed
        self.saved: dict[int, list[Progress]] = {}

    def resumed(self) -> Sequence[Progress] | None:
        return self.found

    def save(self, iteration: int, parts: Sequence[Progress]) -> None:
        self.saved[iteration] = list(parts)


def test_a_resumed_search_has_the_same_result() -> None:
    kept, asked = Kept(), configs(2, 5, 6, n_init=2)
    expected = search(inline(), len(GROUPS), asked, ListLog(), kept)
    algorithm, source = KMeansChoice(asked), an_input()
    for iteration, parts in kept.saved.items():
        algorithm.check_progress(source, iteration, parts)
        with pytest.raises(ValueError, match="starts"):
            algorithm.check_progress(source, iteration, parts[1:])
    with pytest.raises(ValueError, match="a start with centroids of shape"):
        algorithm.check_progress(source, 2, kept.saved[2][::-1])
    again = search(inline(), len(GROUPS), asked, ListLog(), Kept(kept.saved[2]))
    assert [*map(compared, again.results)] == [*map(compared, expected.results)]
    assert again.measures == expected.measures


def an_input() -> Input:
    return replace(open_input(SAMPLE).input, columns=(0, 1, 2))


def test_what_is_published() -> None:
    algorithm = KMeansChoice(configs(2, 4, init="k-means++"))
    published = algorithm.publish(search(inline(), len(GROUPS), algorithm.configs, ListLog()))
    best, second, fourth = published.files
    assert algorithm.file_names == ("centroids.txt", "centroids_k2.txt", "centroids_k4.txt")
    assert [file.name for file in published.files] == [*algorithm.file_names]
    assert best.content == fourth.content != second.content
    assert published.summary == "K = 4 has the greatest silhouette"
    assert published.lines[-4:] == (
        "Calinski-Harabasz prefers K = 4",
        "Davies-Bouldin prefers K = 4",
        "silhouette prefers K = 4",
        "simplified silhouette prefers K = 4",
    )
    assert json.loads(json.dumps(published.figures)) == published.figures
    assert algorithm.parameters() == KMeansAlgorithm(algorithm.configs[0]).parameters() | {"--k": "2,4"}


def test_equal_measures_prefer_the_least_k_and_undefined_ones_none() -> None:
    some, other = Measures(5.0, 0.5, 0.25, 0.0), Measures(5.0, 0.25, 0.25, 1.0)
    assert preferred({3: other, 2: some, 1: Measures()}) == {
        "calinski_harabasz": 2,
        "davies_bouldin": 3,
        "silhouette": 2,
        "simplified_silhouette": 3,
    }
    nothing = SearchResult(search(inline(), len(GROUPS), configs(1), ListLog()).results, (Measures(),))
    assert nothing.preferred == {}
    assert nothing.best is nothing.results[0]


@pytest.mark.parametrize(
    ("text", "ks"),
    [
        ("5", (5,)),
        ("2..5", (2, 3, 4, 5)),
        ("8,2, 4", (2, 4, 8)),
        ("2..4,4,9..10", (2, 3, 4, 9, 10)),
        ("3..3", (3,)),
    ],
)
def test_numbers_of_clusters(text: str, ks: tuple[int, ...]) -> None:
    assert ClusterCounts(text) == ks
    assert [config.k for config in ClusteringOptions(ClusterCounts(text), 9).configs] == [*ks]


@pytest.mark.parametrize("text", ["", "a", "5..2", "2..", "..3", "2;3", "2.5", "2...5", "1e3"])
def test_what_is_no_number_of_clusters(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        ClusterCounts(text)
    assert str(refused.value) == (
        f"--k is {text}, but must be a number, a range such as 2..10, or a list such as 2,4,8"
    )


def test_what_several_k_do_not_go_with() -> None:
    with pytest.raises(UsageError, match=r"--k 1\.\.1001,5 asks for more than 1000 numbers of clusters"):
        ClusterCounts("1..1001,5")
    for text, least in (("0..3", 0), ("-3", -3), ("5,-7..-6", -7)):
        with pytest.raises(UsageError, match=f"--k is {least}, but must be 1 or more"):
            ClusteringOptions(ClusterCounts(text), 9)
    with pytest.raises(UsageError, match="--init-centroids is a start of one --k"):
        ClusteringOptions(ClusterCounts("2,3"), 9, init_centroids=SAMPLE)
