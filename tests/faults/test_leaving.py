"""A worker that a person started ends at once when that person wants it, and leaves nothing behind.

The folder that it made for its files goes too, if it is empty.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.events.catalogue.workers import WorkerLost
from tests.moments import NO_STRAGGLERS, Gate, imports, opens
from tests.programs import (
    PATIENCE_S,
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
    wait_until,
)
from tests.story import containing


@pytest.mark.parametrize("role", ["mapper", "reducer"])
def test_while_it_imports(tmp_path: Path, role: str) -> None:
    """There is nothing to tidy yet, so the signal itself ends it, without a word."""
    hook = f"if {imports('grpc')}: os.kill(os.getpid(), 2)"
    result = subprocess.run(
        [sys.executable, "-m", role, "--join", "127.0.0.1:1", "--certs", str(tmp_path)],
        env=environment_with_hook(tmp_path, hook),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (result.returncode, result.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    ("role", "number", "code"), [("mapper", signal.SIGINT, 130), ("reducer", signal.SIGTERM, 143)]
)
def test_while_it_waits_for_its_master(tmp_path: Path, role: str, number: signal.Signals, code: int) -> None:
    certs, nobody = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    with JoinedWorker(role, nobody, certs, tmp_path / "a") as worker:
        wait_until(worker.log.read_text, "word of waiting")
        worker.process.send_signal(number)
        ended, said = worker.end()
    assert ended == code
    assert {line.split(" (")[0] for line in said.splitlines()} == {f"waiting for the master at {nobody}"}
    assert not (worker.folder / "node").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_in_the_middle_of_a_task(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The task runs again elsewhere, at once and uncharged, for the master is told."""
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(k=3, r=1, input_path=tmp_path / "points.txt"),
        *remote_workers(master, certs, tmp_path),
    ]
    gate = Gate(tmp_path, opens("/a/node/.map_output"))
    env = environment_with_hook(tmp_path, gate.hook, NO_STRAGGLERS)
    with (
        JoinedWorker("mapper", master, certs, tmp_path / "a", env=env) as first,
        JoinedWorker("mapper", master, certs, tmp_path / "b") as second,
        JoinedWorker("reducer", master, certs, tmp_path / "c") as reducer,
        BackgroundRun(tmp_path, *arguments, env=env) as run,
    ):
        gate.wait()
        first.process.send_signal(number)
        ended, said = first.end()
        assert ended == code
        assert said.splitlines()[-1].startswith("joined ")
        assert [path.name for path in (first.folder / "node").rglob(".*")] == []
        assert run.end() == (0, "")
        assert [worker.end()[0] for worker in (second, reducer)] == [0, 0]
    (lost,) = run.story().of(WorkerLost, worker=containing("M"))
    assert lost.reason == f"{lost.worker} has left"
    (tmp_path / "undisturbed").mkdir()
    assert run_master(tmp_path / "undisturbed", *options(k=3), "--engine", "inline").returncode == 0
    assert centroids_of(tmp_path) == centroids_of(tmp_path / "undisturbed")
