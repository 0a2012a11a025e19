"""Which failures of a call are worth another try."""

import pytest

from common.errors import (
    FetchFailedError,
    InputError,
    MapReduceError,
    OutputLostError,
    RunFailedError,
    StaleAttemptError,
    TaskError,
)
from common.rpc.statuses import (
    DamagedFileError,
    TimedOutError,
    UnreachableError,
    may_fetch_again,
    may_join_later,
)


@pytest.mark.parametrize(
    ("error", "fetch", "join"),
    [
        (UnreachableError(""), True, True),
        (TaskError("INTERNAL"), True, True),
        (DamagedFileError(""), True, False),
        (TimedOutError(""), False, True),
        (OutputLostError(""), False, False),
        (StaleAttemptError(""), False, False),
        (RunFailedError(""), False, False),
        (InputError(""), False, False),
        (FetchFailedError(0, 1, True, ""), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_is_tried_again(error: MapReduceError, fetch: bool, join: bool) -> None:
    assert may_fetch_again(error) is fetch
    assert may_join_later(error) is join
