"""Who may join, under which name, and what heartbeats say of a worker."""

import pytest

from common.errors import StaleAttemptError
from common.model import Role
from master.cluster.registry import JOIN_TIMEOUT_S, Registered, Registry
from master.scheduling.liveness import DEAD_AFTER_S, HUNG_AFTER_S, SILENT_AFTER_S, Heartbeats
from master.scheduling.messages import WorkerId

M1 = WorkerId(Role.MAPPER, 1, 1)


def test_only_a_process_that_is_expected_may_join() -> None:
    registry = Registry()
    with pytest.raises(StaleAttemptError):
        registry.join(M1, 0.0)
    registry.expect(M1, 0.0)
    with pytest.raises(StaleAttemptError):
        registry.join(WorkerId(Role.MAPPER, 1, 2), 0.0)
    registry.join(M1, 0.0)
    registry.join(M1, 0.1)  # the first answer was lost
    assert [found.worker for found in registry.joined()] == [M1]


def test_one_that_was_lost_may_not_join_any_more() -> None:
    registry = Registry()
    registry.expect(M1, 0.0)
    registry.remove(M1)
    with pytest.raises(StaleAttemptError):
        registry.join(M1, 1.0)
    with pytest.raises(StaleAttemptError):
        registry.get(M1)


def test_one_that_does_not_join_is_overdue() -> None:
    registry = Registry()
    registry.expect(M1, 0.0)
    assert registry.overdue(JOIN_TIMEOUT_S) == []
    assert registry.overdue(JOIN_TIMEOUT_S + 0.1) == [M1]
    registry.join(M1, JOIN_TIMEOUT_S + 0.2)
    assert registry.overdue(2 * JOIN_TIMEOUT_S) == []


def test_workers_from_elsewhere_get_the_first_free_slots() -> None:
    registry = Registry()
    registry.expect(M1, 0.0)
    mappers = [registry.join_from_elsewhere(Role.MAPPER, name, 0.0) for name in ("a", "b")]
    assert mappers == [WorkerId(Role.MAPPER, 2, 1), WorkerId(Role.MAPPER, 3, 1)]
    assert registry.join_from_elsewhere(Role.REDUCER, "a", 0.0) == WorkerId(Role.REDUCER, 1, 1)


def test_they_keep_their_slots_when_they_join_again() -> None:
    registry = Registry()
    first = registry.join_from_elsewhere(Role.MAPPER, "a", 0.0)
    assert registry.joined_as(Role.MAPPER, "a") is registry.get(first)
    registry.remove(first)
    assert registry.joined_as(Role.MAPPER, "a") is None
    registry.join_from_elsewhere(Role.MAPPER, "b", 0.0)
    assert registry.join_from_elsewhere(Role.MAPPER, "a", 1.0) == WorkerId(Role.MAPPER, 1, 2)


def test_a_slot_whose_process_is_being_started_again_is_not_free() -> None:
    """Else two workers would have one name, and even one number, once the process is back."""
    registry = Registry()
    registry.expect(M1, 0.0)
    registry.remove(M1)
    assert registry.join_from_elsewhere(Role.MAPPER, "a", 1.0).index == 2


def test_who_does_not_name_its_instance_is_refused() -> None:
    with pytest.raises(StaleAttemptError):
        Registry().join_from_elsewhere(Role.MAPPER, "", 0.0)


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
