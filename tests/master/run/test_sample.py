"""The rows that the page shows."""

import numpy as np
import pytest

from common.events.catalogue.run import SampledRow
from master.engines.inline import InlineEngine
from master.run.sample import log_sample
from tests.story import ListLog


@pytest.mark.parametrize(("count", "chosen"), [(4, [1, 3, 6, 8]), (1, [1]), (500, [*range(1, 11)])])
def test_rows_are_chosen_at_even_distances(count: int, chosen: list[int]) -> None:
    points = np.arange(250, dtype=float).reshape(10, 25)
    log = ListLog()
    log_sample(InlineEngine(points, combine=False), len(points), count, log)
    told = log.of(SampledRow)
    assert [event.row for event in told] == chosen
    for event in told:
        shown = [float(text) for text in event.value.split(",")]
        assert shown == points[event.row - 1, :20].tolist()
