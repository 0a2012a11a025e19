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
    environment_with_hook,
    free_port,
    make_certificates,
    options,
    remote_workers,
    run_master,
)


def undisturbed(folder: Path, k: int) -> str:
    folder.mkdir()
    assert run_master(folder, *options(k=k), "--engine", "inline").returncode == 0
    return centroids_of(folder)


def test_a_stopped_mapper_is_overtaken_and_replaced(tmp_path: Path) -> None:
    """The other one goes on with its task before. The time is asserted in the run's own log."""
    with BackgroundRun(tmp_path, *options(k=3), "--task-delay", 1) as run:
        run.wait_for(r"^\S+ M1 event=map_started job=lloyd")
        run.worker("M1").suspend()
        assert run.end() == (0, "")
    dump = run.dump()
    assert re.search(r"event=worker_silent worker=M1[\s\S]*event=worker_killed worker=M1", dump)
    task = "method=Map job=lloyd iteration=1 task=1"
    first, backup = (
        datetime.fromisoformat(re.search(rf"^(\S+)Z master event=rpc_call {call}", dump, re.MULTILINE)[1])  # type: ignore[index]
        for call in (f"to=M1 {task} attempt=1", f"to=M2 {task} attempt=2")
    )
    assert (backup - first).total_seconds() < 15
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


def test_a_stopped_mapper_of_another_host_is_left_out_until_it_wakes_up(tmp_path: Path) -> None:
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(k=3, r=1, n=1000, input_path=tmp_path / "points.txt"),
        *remote_workers(master, certs, tmp_path),
        *("--task-delay", 2, "--tol", 0),
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


def run_where_a_mapper_pauses(folder: Path, seconds: float, *arguments: object) -> str:
    """Run on the sample where M1 stands still in its first map of iteration 1, alive; return the dump."""
    once = folder / "paused"
    condition = (
        f"event == 'open' and 'M1/.map_output' in str(arguments[0]) and not os.path.exists({str(once)!r})"
    )
    hook = f"if {condition}: open({str(once)!r}, 'x').close(); __import__('time').sleep({seconds})"
    result = run_master(folder, *arguments, "--quiet", env=environment_with_hook(folder, hook))
    assert (result.returncode, result.stderr) == (0, "")
    assert once.exists()
    assert centroids_of(folder) == undisturbed(folder / "undisturbed", k=3)
    return (folder / "dump.txt").read_text()


def test_a_hung_mapper_is_replaced(tmp_path: Path) -> None:
    """Nobody else is there to take its task, so it waits until the mapper is given up."""
    dump = run_where_a_mapper_pauses(tmp_path, 3600, *options(m=1, k=3))
    hangs = re.search(r"event=worker_killed worker=M1 reason=\"M1 hangs: no progress for 60 s\"", dump)
    assert hangs
    assert re.search(r"worker_started worker=M1 pid=\d+ incarnation=2", dump[hangs.end() :])
    assert "event=worker_silent" not in dump


def test_a_slow_mapper_is_overtaken(tmp_path: Path) -> None:
    """The others are done, one of them makes a backup, and what the slow one answers late is not used."""
    dump = run_where_a_mapper_pauses(tmp_path, 6, *options(m=2, k=3), "--splits", 4)
    method = "method=Map job=lloyd iteration=1"
    calls = re.findall(rf"event=rpc_(\w+) \w+=(M\d) {method} task=(\d) attempt=(\d)(.*)", dump)
    (task,) = {number for kind, _, number, attempt, _ in calls if kind == "call" and attempt == "2"}
    mine = [(kind, *rest) for kind, *rest in calls if rest[1] == task]
    assert [found[:2] for found in mine[:2]] == [("call", "M1"), ("call", "M2")]
    assert mine[2][:2] == ("response", "M2")
    assert "SUCCESS" in mine[2][-1]
    assert not re.search("event=worker_(lost|killed|silent)", dump)


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
