"""A worker that stops without ending: work goes on elsewhere, and what it says later changes nothing."""

import re
import signal
from pathlib import Path

from tests.moments import STOP, Gate, at_first, imports, opens
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
    """The other one goes on with its task before it is given up; the run's end waits for that here."""
    stop = at_first(opens("M1/.map_output"), STOP, tmp_path / "stopped")
    end = Gate(tmp_path, opens("R1/", job="score"))
    env = environment_with_hook(tmp_path, stop, end.hook)
    with BackgroundRun(tmp_path, *options(r=1, k=3), env=env) as run:
        run.wait_for("event=worker_killed worker=M1")
        end.open()
        assert run.end() == (0, "")
    before, _, _ = run.dump().partition("event=worker_killed worker=M1")
    assert "event=rpc_call to=M2 method=Map job=lloyd iteration=1 task=1 attempt=2" in before
    assert "event=worker_silent worker=M1" in before
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


def test_a_stopped_mapper_of_another_host_is_left_out_until_it_wakes_up(tmp_path: Path) -> None:
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(k=3, r=1, input_path=tmp_path / "points.txt"),
        *remote_workers(master, certs, tmp_path),
    ]
    gate = Gate(tmp_path, opens("/c/node/.output"))
    env = environment_with_hook(tmp_path, gate.hook)
    with (
        JoinedWorker("mapper", master, certs, tmp_path / "a") as first,
        JoinedWorker("mapper", master, certs, tmp_path / "b") as second,
        JoinedWorker("reducer", master, certs, tmp_path / "c", env=env) as reducer,
        BackgroundRun(tmp_path, *arguments) as run,
    ):
        gate.wait()
        first.process.suspend()
        lost = run.wait_for(r"event=worker_lost worker=(M\d) reason=.*was silent").group(1)
        first.process.send_signal(signal.SIGCONT)
        run.wait_for(rf"event=worker_lost worker={lost}[\s\S]*event=worker_joined worker={lost}")
        gate.open()
        assert run.end() == (0, "")
        assert [worker.end()[0] for worker in (first, second, reducer)] == [0, 0, 0]
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


def test_a_hung_mapper_is_replaced(tmp_path: Path) -> None:
    """Nobody else is there to take its task, so it waits until the mapper is given up."""
    hangs = at_first(opens("M1/.map_output"), "time.sleep(3600)", tmp_path / "hung")
    module = "master.scheduling.liveness"
    sooner = f"if {imports('master.cluster.membership')}: import {module}; {module}.HUNG_AFTER_S = 8"
    env = environment_with_hook(tmp_path, hangs, sooner)
    result = run_master(tmp_path, *options(m=1, k=3), env=env)
    assert (result.returncode, result.stderr) == (0, "")
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)
    dump = (tmp_path / "dump.txt").read_text()
    given_up = re.search(r"event=worker_killed worker=M1 reason=\"M1 hangs: no progress for 8 s\"", dump)
    assert given_up
    assert re.search(r"worker_started worker=M1 pid=\d+ incarnation=2", dump[given_up.end() :])


def test_a_slow_mapper_is_overtaken(tmp_path: Path) -> None:
    """The other one is done and makes a backup; what the slow one answers late is not used."""
    gate = Gate(tmp_path, opens("M1/.map_output"))
    env = environment_with_hook(tmp_path, gate.hook)
    with BackgroundRun(tmp_path, *options(k=3), env=env) as run:
        backup = run.wait_for(r"from=M2 method=Map job=lloyd iteration=1 task=1 attempt=2 status=SUCCESS")
        gate.open()
        assert run.end() == (0, "")
    assert "from=M1 method=Map job=lloyd iteration=1" not in run.dump()[: backup.start()]
    assert not re.search("event=worker_(lost|killed)", run.dump())
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)
