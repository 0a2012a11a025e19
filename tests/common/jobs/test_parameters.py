"""A job's parameters as arrays, and back."""

import numpy as np
import pytest

from common.jobs import JOBS
from common.jobs.parameters import job_from, parameters_of
from common.jobs.rows import FirstDistinctRows
from tests.common.jobs.cases import CENTROIDS, Case, every_job


@every_job
def test_a_job_survives_the_wire(case: Case) -> None:
    job = case.make(CENTROIDS)
    assert JOBS[job.name] is type(job)
    assert job_from(JOBS[job.name], parameters_of(job)) == job


@pytest.mark.parametrize("limit", [np.array([1.0]), np.array([1, 2]), np.array(1), np.array([], np.int64)])
def test_a_parameter_of_another_type_is_refused(limit: np.ndarray) -> None:
    with pytest.raises(ValueError, match="where one <class 'int'> is expected"):
        job_from(FirstDistinctRows, {"limit": limit})


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(KeyError, match="limit"):
        job_from(FirstDistinctRows, {})
