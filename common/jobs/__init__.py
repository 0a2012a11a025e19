"""The jobs every worker has, by name. To add one, see ARCHITECTURE.md."""

from common.jobs.base import Job
from common.jobs.centroids import FarthestRows, Label, LloydStep, SampleRows, Score
from common.jobs.rows import Describe, FirstDistinctRows, TakeRows

JOBS: dict[str, type[Job]] = {
    job.name: job
    for job in (Describe, FirstDistinctRows, TakeRows, LloydStep, Score, FarthestRows, SampleRows, Label)
}
