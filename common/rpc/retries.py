"""Which failed calls are worth another try. This is the one place that decides it for a call.

A whole task that fails is another matter: the scheduler orders a new attempt (`master.scheduling.scheduler`).
"""

from common.errors import MapReduceError, TaskError
from common.rpc.statuses import DamagedFileError, TimedOutError, UnreachableError

FETCH_PAUSES_S = (0.05, 0.2)
"""Before the second and the third try to fetch a partition; soon over, for the mapper may be dead."""
JOIN_PAUSE_S = 1.0
"""Before a worker from another host asks the master again; it does so as long as it takes."""

_PASSING = {UnreachableError, TaskError}
"""The connection broke, or the server failed in a way that says nothing about the request."""


def may_fetch_again(error: MapReduceError) -> bool:
    """Tell whether to fetch a partition again; not if the mapper says that it has lost it."""
    return type(error) in {*_PASSING, DamagedFileError}


def may_join_later(error: MapReduceError) -> bool:
    """Tell whether to ask the master again; not if it refuses this worker."""
    return type(error) in {*_PASSING, TimedOutError}
