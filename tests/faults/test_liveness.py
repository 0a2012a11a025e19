"""A worker that stops without ending: work goes on elsewhere, and what it says later changes nothing."""

import re
import signal
from datetime import datetime
from pathlib import Path

from master.liveness import DEAD_AFTER_S, HUNG_AFTER_S, SILENT_AFTER_S, Pulse, Vital
from tests.programs import (
    SAMPLE,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    free_port,
    make_certificates,
    options,
    run_master,
)


def undisturbed(folder: Path, k: int) -> str:
    folder.mkdir()
    assert run_master(folder, *options(k=k), "--engine", "inline").returncode == 0
    return centroids_of(folder)


def test_a_stopped_mapper_is_replaced(tmp_path: Path) -> None:
    """The time is asserted in the run's own log, between two events that heartbeats tell apart."""
    with BackgroundRun(tmp_path, *options(k=3), "--task-delay", 0.5) as run:
        run.wait_for(r"^\S+ M1 event=map_started job=lloyd")
        run.worker("M1").suspend()
        assert run.end() == (0, "")
    dump = run.dump()
    assert re.search(r"event=worker_silent worker=M1[\s\S]*event=worker_killed worker=M1", dump)
    silent, again = (
        datetime.fromisoformat(re.search(rf"^(\S+)Z master {event}", dump, re.MULTILINE)[1])  # type: ignore[index]
        for event in ("event=worker_silent worker=M1", "event=rpc_call to=M1 .*job=lloyd .*attempt=2")
    )
    assert (again - silent).total_seconds() < 15 - SILENT_AFTER_S
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


def test_a_stopped_mapper_of_another_host_is_left_out_until_it_wakes_up(tmp_path: Path) -> None:
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(k=3, r=1, n=1000, input_path=tmp_path / "points.txt"),
        *("--workers", "remote", "--listen", master, "--certs", certs, "--data-root", tmp_path),
        *("--task-delay", 1, "--tol", 0),
    ]
    with (
        JoinedWorker("mapper", master, certs, tmp_path / "a") as first,
        JoinedWorker("mapper", master, certs, tmp_path / "b") as second,
        JoinedWorker("reducer", master, certs, tmp_path / "c") as reducer,
        BackgroundRun(tmp_path, *arguments) as run,
    ):
        run.wait_for(r"^\S+ M\d event=map_started job=lloyd")
        first.process.suspend()
        lost = run.wait_for(r"event=worker_lost worker=(M\d) reason=.*was silent").group(1)
        first.process.send_signal(signal.SIGCONT)
        run.wait_for(rf"event=worker_lost worker={lost}[\s\S]*event=worker_joined worker={lost}")
        assert run.end() == (0, "")
        assert [worker.end()[0] for worker in (first, second, reducer)] == [0, 0, 0]
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


# The judgement itself


def test_pulse() -> None:
    pulse = Pulse(100.0)
    assert pulse.vital(100.0 + SILENT_AFTER_S) is Vital.ALIVE
    assert pulse.vital(100.1 + SILENT_AFTER_S) is Vital.SILENT
    assert pulse.vital(100.1 + DEAD_AFTER_S) is Vital.DEAD
    pulse.beat(109.0, 0, 0)
    assert pulse.vital(110.0) is Vital.ALIVE


def test_a_worker_hangs_if_its_task_makes_no_progress_though_its_heart_beats() -> None:
    idle, busy, stuck = Pulse(0.0), Pulse(0.0), Pulse(0.0)
    for second in range(1, int(HUNG_AFTER_S) + 3):
        idle.beat(second, 0, 7)
        busy.beat(second, 1, second // 30)
        stuck.beat(second, 1, 7)
        assert idle.vital(second) is busy.vital(second) is Vital.ALIVE
        assert stuck.vital(second) is (Vital.HUNG if second > HUNG_AFTER_S + 1 else Vital.ALIVE)


def test_a_task_that_begins_late_has_all_its_time() -> None:
    pulse = Pulse(0.0)
    for second in range(1, 200):
        pulse.beat(second, 0, 7)
    pulse.beat(200.0, 1, 7)
    assert pulse.vital(200.5) is Vital.ALIVE


def test_time_in_which_nobody_listened_does_not_count() -> None:
    pulse = Pulse(0.0)
    pulse.forgive(300.0)
    assert pulse.vital(301.0) is Vital.ALIVE
    assert pulse.vital(300.1 + DEAD_AFTER_S) is Vital.DEAD
