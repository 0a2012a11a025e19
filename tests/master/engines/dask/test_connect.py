"""An address of a scheduler is tried before Dask tries it; clusters are tested in tests/engines."""

import pytest

from common.errors import UsageError
from master.engines.dask.connect import _check_scheduler
from tests.programs import free_port


@pytest.mark.parametrize("address", ["http://x:1", "tcp://x", "tls://:1", "tcp://x:many", "x:1"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        _check_scheduler(address)
    expected = f"--dask-scheduler {address}: it must be tcp://host:port or tls://host:port"
    assert str(refused.value) == expected


def test_nobody_answers() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(
        UsageError,
        match=r"no answer \(Connection refused\)\. Is the scheduler running\? Is the port right\?$",
    ):
        _check_scheduler(address)
