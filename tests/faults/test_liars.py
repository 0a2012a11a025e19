"""A worker that answers nonsense is charged, and its task moves to an honest one: the same bytes."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.events.catalogue.tasks import FAILURE, RpcResponse
from common.events.catalogue.workers import AwaitingWorkers
from tests.programs import PATIENCE_S, SAMPLE_CENTROIDS, BackgroundRun, centroids_of, environment, options

LIES = {
    "a partition too few": ("mapper", "del answer.partitions[1:]"),
    "a partition of another size": ("mapper", "answer.partitions[0].size_bytes += 1"),
    "more records than there are": ("mapper", "answer.partitions[0].records += 1"),
    "a wrong checksum": ("mapper", "answer.partitions[0].crc32 ^= 1"),
    "an impossible number": ("mapper", "answer.map_output.records = -1"),
    "nothing": ("mapper", "answer = type(answer)()"),
    "an output of another size": ("reducer", "answer.output.size_bytes += 1"),
    "records that are not there": ("reducer", "answer.output.records += 1; answer.counts.append(1.0)"),
    "counts that are no numbers": ("reducer", "answer.counts[:] = [float('nan')] * len(answer.counts)"),
}
LIAR = """
import sys
from common.model import Role
from common.worker.command import worker_command
from {role}.servicer import {Role}, add_{role}
honest = {Role}.{method}
def lie(*order):
    answer = honest(*order)
    {lie}
    return answer
{Role}.{method} = lie
worker_command(Role("{role}"), add_{role}, None)()
"""


def start(role: str, join: str, folder: Path, lie: str = "") -> "subprocess.Popen[str]":
    program = ["-m", role]
    if lie:
        method = "Map" if role == "mapper" else "Reduce"
        program = ["-c", LIAR.format(role=role, Role=role.capitalize(), method=method, lie=lie)]
    return subprocess.Popen(
        [sys.executable, *program, "--join", join, "--folder", str(folder)],
        env=environment(),
        cwd=folder.parent,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("what", LIES)
def test_the_result_is_right_beside_a_liar(tmp_path: Path, what: str) -> None:
    liar, lie = LIES[what]
    with ExitStack() as stack:
        run = stack.enter_context(BackgroundRun(tmp_path, *options(), "--workers", "remote"))
        join = run.wait_for(AwaitingWorkers).address
        workers = [
            start(role, join, tmp_path / f"{role}{number}", lie if (role, number) == (liar, 1) else "")
            for role in ("mapper", "reducer")
            for number in (1, 2)
        ]
        assert run.end() == (0, "")
        for worker in workers:
            worker.communicate(timeout=PATIENCE_S)
            assert worker.returncode == 0
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
    assert run.story().of(RpcResponse, status=FAILURE)
