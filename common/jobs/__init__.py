"""The jobs: classes in the modules of this package, and in packages that announce theirs.

A package announces a job by an entry point of the group `mapreduce.jobs`, under the job's name:

    [project.entry-points."mapreduce.jobs"]
    median = "my_package.my_module:Median"
"""

import importlib
import pkgutil
from functools import cache
from typing import Any

from common.jobs.base import JOBS, Job

__all__ = ["JOBS", "Job", "find_job"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def find_job(name: str) -> type[Job] | None:
    """Return the job of a name, or None; import it if a package announces it.

    The name may come over the wire: only what was announced is imported.
    """
    if name not in JOBS and (announced := _announced().get(name)):
        announced.load()
    return JOBS.get(name)


@cache
def _announced() -> dict[str, Any]:
    """Return the jobs that installed packages announce."""
    from importlib.metadata import entry_points  # takes a while

    return {announced.name: announced for announced in entry_points(group="mapreduce.jobs")}
