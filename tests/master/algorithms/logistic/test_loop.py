"""Newton's loop on an engine, where a sample of the rows tells nothing."""

import numpy as np

from common.events.log import EventLog
from common.jobs.apply import map_rows
from common.jobs.encoding import Sample
from common.jobs.logistic import LocalFit
from common.kernels.logistic.newton import Step
from common.kernels.logistic.objective import Objective
from master.algorithms.logistic.learning import Learned, learn
from master.algorithms.logistic.loop import fit
from master.engines.inline import InlineEngine
from tests.master.algorithms.logistic.tables import in_memory

SKIPS = Sample(skips=True)


def every_other_row_lacks_its_class() -> tuple[InlineEngine, Learned]:
    """Return 100,000 training rows, and as many that do not count: those with an even number."""
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=200_000)
    places = np.where(numbers + rng.logistic(size=200_000) > 0, 2.0, 1.0)
    places[::2] = 0.0
    engine, source = in_memory(np.column_stack([numbers, places]), ("", "no", "yes"))
    return engine, learn(engine, source, SKIPS, balanced=False)


def objective_of(learned: Learned) -> Objective:
    return Objective(learned.grid, learned.weight, 1 / learned.rows, np.array([1.0, 0.0]))


def fitted(engine: InlineEngine, learned: Learned) -> Step:
    log = EventLog("master", lambda _: None)
    return fit(engine, learned, objective_of(learned), iterations=50, tol=1e-8, log=log)


def test_a_sample_without_a_row_that_counts_gives_way_to_all_rows() -> None:
    engine, learned = every_other_row_lacks_its_class()
    step = fitted(engine, learned)
    assert (learned.rows, step.converged) == (100_000, True)
    assert 0.8 < step.theta[1, 0] - step.theta[0, 0] < 1.2
    state = {**learned.state, "theta": np.zeros((1, 2, 2)), "penalties": np.array([1.0, 0.0])}
    job = LocalFit(*SKIPS.parameters, 1.0, 1, 1e-8, 50)
    found = map_rows(job, state, engine._rows, 0, combine=False)
    assert found.values[0, :3].tolist() == [100_000, step.iteration, 1.0]
    assert found.values[0, 4:8].tolist() == step.theta.ravel().tolist()
