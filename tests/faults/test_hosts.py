"""A run over several hosts, with mutual TLS: one is cut off and comes back; the result is the same."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.events.catalogue.workers import WorkerJoined, WorkerLost
from tests.hosts import Host, hosts, missing
from tests.moments import Gate, opens
from tests.programs import (
    SAMPLE,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    environment_with_hook,
    make_certificates,
    options,
    remote_workers,
    run_master,
)
from tests.story import containing

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture
def four_hosts() -> Iterator[list[Host]]:
    with hosts(4) as made:
        yield made


def test_a_host_is_cut_off_and_comes_back(tmp_path: Path, four_hosts: list[Host]) -> None:
    master, *workers = four_hosts
    certs, listen = make_certificates(tmp_path), f"{master.address}:7000"
    roots = [tmp_path / f"host{number}" for number in range(4)]
    for root in roots:  # each host has its own copy of the input
        root.mkdir()
        (root / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(k=3, r=1, input_path=roots[0] / "points.txt"),
        *remote_workers(listen, certs, roots[0]),
    ]
    gate = Gate(tmp_path, opens("/host3/worker/node/.output"))
    env = environment_with_hook(tmp_path, gate.hook)
    with ExitStack() as stack:
        mapper, other, reducer = [
            stack.enter_context(
                JoinedWorker(role, listen, certs, root / "worker", prefix=host.prefix, env=env)
            )
            for role, root, host in zip(("mapper", "mapper", "reducer"), roots[1:], workers, strict=True)
        ]
        run = stack.enter_context(BackgroundRun(roots[0], *arguments, prefix=master.prefix))
        gate.wait()
        workers[0].cut_off()
        lost = run.wait_for(WorkerLost, worker=containing("M"), reason=containing("was silent"))
        workers[0].heal()
        run.wait_for(WorkerJoined, after=lost, worker=lost.worker)
        gate.open()
        assert run.end() == (0, "")
        assert [worker.end()[0] for worker in (mapper, other, reducer)] == [0, 0, 0]
    (tmp_path / "undisturbed").mkdir()
    assert run_master(tmp_path / "undisturbed", *options(k=3), "--engine", "inline").returncode == 0
    assert centroids_of(roots[0]) == centroids_of(tmp_path / "undisturbed")
