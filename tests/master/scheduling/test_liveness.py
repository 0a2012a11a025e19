"""A worker's health, by its heartbeats."""

from master.scheduling.liveness import DEAD_AFTER_S, HUNG_AFTER_S, SILENT_AFTER_S, Health, Heartbeats


def test_a_worker_is_silent_and_then_dead_by_the_age_of_its_last_heartbeat() -> None:
    heartbeats = Heartbeats(100.0)
    assert heartbeats.health(100.0 + SILENT_AFTER_S) is Health.ALIVE
    assert heartbeats.health(100.1 + SILENT_AFTER_S) is Health.SILENT
    assert heartbeats.health(100.1 + DEAD_AFTER_S) is Health.DEAD
    heartbeats.beat(109.0, 0, 0)
    assert heartbeats.health(110.0) is Health.ALIVE


def test_a_worker_hangs_if_its_task_makes_no_progress_though_its_heart_beats() -> None:
    idle, busy, stuck = Heartbeats(0.0), Heartbeats(0.0), Heartbeats(0.0)
    for second in range(1, int(HUNG_AFTER_S) + 3):
        idle.beat(second, 0, 7)
        busy.beat(second, 1, second // 30)
        stuck.beat(second, 1, 7)
        assert idle.health(second) is busy.health(second) is Health.ALIVE
        assert stuck.health(second) is (Health.HUNG if second > HUNG_AFTER_S + 1 else Health.ALIVE)


def test_a_task_that_begins_late_has_all_its_time() -> None:
    heartbeats = Heartbeats(0.0)
    for second in range(1, 200):
        heartbeats.beat(second, 0, 7)
    heartbeats.beat(200.0, 1, 7)
    assert heartbeats.health(200.5) is Health.ALIVE


def test_time_in_which_nobody_listened_does_not_count() -> None:
    heartbeats = Heartbeats(0.0)
    heartbeats.forgive(300.0)
    assert heartbeats.health(301.0) is Health.ALIVE
    assert heartbeats.health(300.1 + DEAD_AFTER_S) is Health.DEAD
