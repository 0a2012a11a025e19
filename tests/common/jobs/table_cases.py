"""Jobs over tables to be tried: any division of the rows must give the same result."""

from itertools import pairwise

import numpy as np

from common.jobs.apply import map_rows
from common.jobs.base import Job
from common.jobs.encoding import Column, Encoding, texts_to_array
from common.jobs.logistic import Curvature, Gradient, LocalFit
from common.jobs.models import Classify, Score
from common.jobs.tables import NumberRanges, NumberSums, SquaredDeviations, Vocabulary
from common.kernels.exact import SumGrid
from common.kernels.logistic.design import Grid
from common.model import State, Table
from tests.common.jobs.cases import Result, grouped

SEED, SHARE = 5, 0.25
SAMPLED = (SEED, SHARE, 0)
ENCODING = Encoding((0, 2), (Column(1, ("a", "b", "c")),), Column(3, ("no", "yes")))


def table(rows: int = 60) -> Table:
    """Two columns of numbers, one of categories, of which one is unknown, and the classes."""
    rng = np.random.default_rng(3)
    points = np.column_stack(
        [
            rng.normal(size=rows),
            rng.integers(4, size=rows),
            rng.normal(50, 20, size=rows),
            rng.integers(2, size=rows),
        ]
    )
    points[7, 0] = np.nan
    return Table(points, {1: ("b", "a", "?", "c"), 3: ("yes", "no")})


TABLE = table()
THETA = np.random.default_rng(4).normal(size=(1, 2, 6))
STATE: State = {
    "encoding": ENCODING.to_array(),
    "means": np.array([0.1, 50.0]),
    "scales": np.array([1.1, 20.0]),
    "class_weights": np.array([1.0, 1.5]),
    "grid": Grid.covering([9.0, 9.0], 1.5).to_array(),
    "theta": THETA,
    "classes": texts_to_array(["no", "yes"]),
    "penalties": np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0]),
}
SUMS = SumGrid.covering([4.0, 200.0], [1e-3, 1e-3], 60)
SQUARES = SumGrid.covering([16.0, 40000.0], [16.0 * 2.0**12, 40000.0 * 2.0**12], 60)

JOBS_OF_TABLES: list[Job] = [
    Vocabulary(*SAMPLED),
    NumberRanges(*SAMPLED),
    NumberSums(*SAMPLED, SUMS),
    SquaredDeviations(*SAMPLED, SQUARES),
    Gradient(*SAMPLED),
    Curvature(*SAMPLED, 3),
    Score(*SAMPLED, 1),
    Classify(0, 0.0, 0, 1),
    LocalFit(*SAMPLED, 1.0, 1, 1e-8, 20),
]


def divided(job: Job, bounds: list[int], rows: Table = TABLE, state: State = STATE) -> Result:
    """Run a job on parts with the given bounds."""
    inner = sorted(min(bound, len(rows)) for bound in bounds)
    return grouped(
        job,
        *(
            map_rows(job, state, rows[start:stop], start, combine=False)
            for start, stop in pairwise([0, *inner, len(rows)])
        ),
    )
