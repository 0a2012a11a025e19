"""Time in which the master itself did not run does not count against workers."""

import threading

import pytest

from common.model import Role
from common.rpc.credentials import Credentials
from master.cluster.membership import Membership, unheard_s
from master.scheduling.messages import WorkerId
from tests.servers import NO_LOG


@pytest.mark.parametrize(("since_s", "expected"), [(0.5, 0.0), (1.0, 0.0), (1.5, 1.0), (300.0, 299.5)])
def test_time_in_which_nobody_listened(since_s: float, expected: float) -> None:
    assert unheard_s(since_s) == expected


def test_it_looks_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.cluster.registry.JOIN_TIMEOUT_S", 0.0)
    killed = threading.Event()
    membership = Membership(Credentials.fresh(), NO_LOG, lambda news: None, lambda worker: killed.set())
    membership.expect(WorkerId(Role.MAPPER, 1, 1))
    membership.watch(stop=killed)
    assert killed.is_set()
