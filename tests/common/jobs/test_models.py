"""Jobs with models of many classes, and what a mapper refuses of one that a master does not make."""

import tracemalloc

import numpy as np
import pytest

from common.jobs.base import Job
from common.jobs.encoding import Column, Encoding, texts_to_array
from common.jobs.models import Classify, Score
from common.kernels.__main__ import make_ready
from common.model import Block, FloatType, State, Table

CLASSES, ROWS = 200, 50_000
TEXTS = tuple(map(str, range(CLASSES)))


def many_classes() -> tuple[Table, State]:
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.normal(size=ROWS), rng.integers(CLASSES, size=ROWS)])
    encoding = Encoding((0,), (), Column(1, TEXTS))
    state: State = {
        "encoding": encoding.to_array(),
        "means": np.zeros(1),
        "scales": np.ones(1),
        "class_weights": np.ones(CLASSES),
        "theta": rng.normal(size=(1, CLASSES, 2)),
        "classes": texts_to_array(TEXTS),
    }
    return Table(points, {1: TEXTS}), state


@pytest.mark.parametrize("job", [Score(0, 0.0, 0, 0), Classify(0, 0.0, 0, 0)], ids=lambda job: job.name)
def test_rows_times_classes_are_never_held_at_once(job: Job) -> None:
    """They would be 80 MB."""
    make_ready(FloatType.FLOAT64)
    table, state = many_classes()
    tracemalloc.start()
    found = (
        job.combine(job.map(Block(table, 0), state)) if job.aggregates else job.map(Block(table, 0), state)
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 << 20
    pieces = [job.map(Block(table[start : start + 9999], start), state) for start in range(0, ROWS, 9999)]
    if job.aggregates:
        total = np.sum([piece.values for piece in pieces], axis=0)
        assert found.values[:, :-2].tolist() == total[:, :-2].tolist()
    else:
        assert found.keys.tolist() == [key for piece in pieces for key in piece.keys.tolist()]
