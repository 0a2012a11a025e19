"""Models as files, and their scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from common.jobs.encoding import Sample
from master.algorithms.logistic import scores
from master.algorithms.logistic.model import Model, NumberColumn, read_model
from tests.master.algorithms.logistic.tables import in_memory

THETA = np.array([[0.5, 1.0], [-0.5, -1.0]])
MODEL = Model("t", ("no", "yes"), (NumberColumn("x", 1.0, 2.0),), (), THETA, 0.1, 3, 1e-9, True, 9)


def test_a_model_too_large_for_the_workers_is_refused(tmp_path: Path) -> None:
    path, classes = tmp_path / "model.json", tuple(map(str, range(1501)))
    path.write_bytes(MODEL.to_json())
    assert read_model(path).to_json() == MODEL.to_json()
    path.write_bytes(replace(MODEL, classes=classes, theta=np.ones((1501, 2))).to_json())
    with pytest.raises(InputError, match="more than 3,000 parameters in all"):
        read_model(path)


def test_many_models_are_scored_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = in_memory(np.column_stack([np.arange(6.0), np.arange(6) % 2]), ("no", "yes"))
    models = np.random.default_rng(0).normal(size=(7, 2, 2))
    given = (engine, MODEL.state(with_target=True), models, MODEL.classes, Sample())
    at_once = scores.score(*given, test=False)
    monkeypatch.setattr(scores, "MOST_SCORES", 3 * 2 * 4)
    few = scores.score(*given, test=False)
    assert [each.loss for each in few] == [each.loss for each in at_once]
    assert [each.confusion.tolist() for each in few] == [each.confusion.tolist() for each in at_once]
