"""Who may join, under which name, and what heartbeats say of a worker."""

import pytest

from common.errors import StaleAttemptError
from common.model import Role
from master.cluster.registry import JOIN_TIMEOUT_S, Registered, Registry
from master.scheduling.liveness import DEAD_AFTER_S, HUNG_AFTER_S, SILENT_AFTER_S, Heartbeats
from master.scheduling.messages import WorkerId

M1 = WorkerId(Role.MAPPER, 1, 1)
MAPPER, REDUCER = Role.MAPPER, Role.REDUCER


@pytest.fixture
def own() -> Registry:
    """The workers of a master that takes only its own processes, of which it has started M1."""
    registry = Registry(takes_strangers=False)
    registry.expect(M1, "one", 0.0)
    return registry


def test_only_a_process_that_is_expected_may_join(own: Registry) -> None:
    with pytest.raises(StaleAttemptError):
        own.join(MAPPER, "stranger", 0.0)
    assert own.join(MAPPER, "one", 0.0) == M1
    assert own.join(MAPPER, "one", 0.1) == M1  # the first answer was lost
    assert [found.worker for found in own.joined()] == [M1]


def test_one_that_was_lost_may_not_join_any_more(own: Registry) -> None:
    own.remove(M1)
    with pytest.raises(StaleAttemptError):
        own.join(MAPPER, "one", 1.0)
    with pytest.raises(StaleAttemptError):
        own.joined_with("one")


def test_one_that_was_replaced_may_not_join_any_more(own: Registry) -> None:
    own.remove(M1)
    next_one = WorkerId(MAPPER, 1, 2)
    own.expect(next_one, "two", 1.0)
    with pytest.raises(StaleAttemptError):
        own.join(MAPPER, "one", 1.0)
    assert own.join(MAPPER, "two", 1.0) == next_one


def test_one_that_does_not_join_is_overdue(own: Registry) -> None:
    assert own.overdue(JOIN_TIMEOUT_S) == []
    assert own.overdue(JOIN_TIMEOUT_S + 0.1) == [M1]
    own.join(MAPPER, "one", JOIN_TIMEOUT_S + 0.2)
    assert own.overdue(2 * JOIN_TIMEOUT_S) == []


def test_workers_from_elsewhere_get_the_first_free_slots() -> None:
    registry = Registry(takes_strangers=True)
    registry.expect(M1, "one", 0.0)
    mappers = [registry.join(MAPPER, token, 0.0) for token in ("a", "b")]
    assert mappers == [WorkerId(MAPPER, 2, 1), WorkerId(MAPPER, 3, 1)]
    assert registry.join(REDUCER, "c", 0.0) == WorkerId(REDUCER, 1, 1)


def test_they_keep_their_slots_when_they_join_again() -> None:
    registry = Registry(takes_strangers=True)
    first = registry.join(MAPPER, "a", 0.0)
    assert registry.joined_with("a") is registry.get(first)
    registry.remove(first)
    registry.join(MAPPER, "b", 0.0)
    assert registry.join(MAPPER, "a", 1.0) == WorkerId(MAPPER, 1, 2)


@pytest.mark.parametrize("token", ["one", "a"])
def test_nobody_changes_its_role(token: str) -> None:
    registry = Registry(takes_strangers=True)
    registry.expect(M1, "one", 0.0)
    registry.join(MAPPER, token, 0.0)
    with pytest.raises(StaleAttemptError):
        registry.join(REDUCER, token, 0.0)
    assert [found.worker.role for found in registry.joined()] == [MAPPER]


def test_a_slot_whose_process_is_being_started_again_is_not_free() -> None:
    """Else two workers would have one name, and even one number, once the process is back."""
    registry = Registry(takes_strangers=True)
    registry.expect(M1, "one", 0.0)
    registry.remove(M1)
    assert registry.join(MAPPER, "a", 1.0).index == 2


def test_who_is_gone_keeps_its_name(own: Registry) -> None:
    own.remove(M1)
    assert own.holder("one") == M1
    with pytest.raises(StaleAttemptError):
        own.holder("nobody")


def test_silence_is_told_once_until_the_next_heartbeat() -> None:
    worker = Registered(M1, Heartbeats(0.0))
    assert not worker.falls_silent(SILENT_AFTER_S)
    assert worker.falls_silent(SILENT_AFTER_S + 1)
    assert not worker.falls_silent(SILENT_AFTER_S + 2)
    assert worker.awaited


def test_causes_of_death() -> None:
    silent, hung = Registered(M1, Heartbeats(0.0)), Registered(M1, Heartbeats(0.0))
    assert silent.cause_of_death(DEAD_AFTER_S) == ""
    assert silent.cause_of_death(DEAD_AFTER_S + 0.1) == "M1 was silent for 10 s"
    for second in range(1, int(HUNG_AFTER_S) + 3):
        hung.heartbeats.beat(second, 1, 7)
    assert hung.cause_of_death(HUNG_AFTER_S + 2) == "M1 hangs: no progress for 60 s"
