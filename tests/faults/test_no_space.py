"""The disk gets full, or a quota is used up, in each phase: one line, and the earlier results stay."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.moments import at_first, opens
from tests.programs import centroids_of, environment_with_hook, options, run_here, run_master

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tmpfs")
PHASES = {
    "cache": opens("/.split_"),
    "map output": opens("/.map_output"),
    "partition": opens("/.partition_"),
    "reduce output": opens("/.output"),
    "checkpoint": "event == 'open' and '.iteration_' in str(arguments[0])",
    "centroids": "event == 'open' and '.centroids.txt' in str(arguments[0])",
    "labels": "event == 'open' and '.labels.txt' in str(arguments[0])",
}
FILL = """
        with open({filler!r}, "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, for all that a run writes."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def points(folder: Path) -> Path:
    path = folder / "points.csv"
    np.savetxt(path, np.random.default_rng(0).normal(size=(200, 2)), "%.3f", delimiter=",")
    return path


def asked(folder: Path, k: int) -> list[object]:
    usual = [*options(k=k, n=4, input_path=points(folder)), "--tol", 0, "--labels", "labels.txt"]
    return [*usual, "--dump", folder / "dump.txt", "--quiet"]


def run_there(folder: Path, where: Path, k: int, env: dict[str, str] | None = None) -> tuple[int, str]:
    ended = run_master(where, *asked(folder, k), env=env)
    return ended.returncode, ended.stderr


def check(folder: Path, where: Path, phase: str, ended: tuple[int, str], reason: str) -> None:
    """Check what was said, that the earlier results are there, and that the run can be done again."""
    code, said = ended
    assert (code, said.count("\n")) == (1, 1), said
    assert reason in said
    earlier = {name: (where / name).read_bytes() for name in ("data/centroids.txt", "labels.txt")}
    (where / "filler").unlink(missing_ok=True)
    left = [path for path in where.rglob(".*") if path.name.endswith(".tmp") or path.name == ".lock"]
    assert left == []
    assert run_there(folder, where, k=2) == (0, "")
    again = {name: (where / name).read_bytes() for name in earlier}
    changed = {name for name in earlier if earlier[name] != again[name]}
    # Centroids that are there already when the labels cannot be written are those of the failed run.
    assert changed == ({"data/centroids.txt"} if phase == "labels" else set())


@ROOT_ONLY
@pytest.mark.parametrize("phase", PHASES)
def test_a_full_disk(tmp_path: Path, tiny: Path, phase: str) -> None:
    assert run_there(tmp_path, tiny, k=2) == (0, "")
    # Until the labels are made, workers remove earlier files: there is space again.
    moment = opens("/map_output.txt", job="label") if phase == "labels" else PHASES[phase]
    fill = at_first(moment, FILL.format(filler=str(tiny / "filler")).strip(), tmp_path / "filled")
    ended = run_there(tmp_path, tiny, k=3, env=environment_with_hook(tmp_path, fill))
    assert (tmp_path / "filled").exists()
    check(tmp_path, tiny, phase, ended, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "checkpoint"])
def test_a_quota(tmp_path: Path, phase: str) -> None:
    where = tmp_path / "where"
    where.mkdir()
    assert run_here(where, *asked(tmp_path, k=2), "--engine", "inline").returncode == 0
    hook = f"if {PHASES[phase]}: raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), arguments[0])"
    ended = run_there(tmp_path, where, k=3, env=environment_with_hook(tmp_path, hook))
    check(tmp_path, where, phase, ended, os.strerror(errno.EDQUOT))


def test_a_quota_for_checkpoints_alone_stops_no_run(tmp_path: Path) -> None:
    where = tmp_path / "where"
    where.mkdir()
    hook = f"if {PHASES['checkpoint']}: raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))"
    assert run_there(tmp_path, where, k=3, env=environment_with_hook(tmp_path, hook)) == (0, "")
    found = centroids_of(where)
    assert run_there(tmp_path, where, k=3) == (0, "")
    assert centroids_of(where) == found


@ROOT_ONLY
def test_a_full_disk_for_the_log_alone(tmp_path: Path, tiny: Path) -> None:
    (tiny / "filler").write_bytes(bytes((1 << 20) - 8192))
    arguments = (*options(k=2, n=50, input_path=points(tmp_path)), "--tol", 0)
    ended = run_master(tmp_path, *arguments, "--dump", tiny / "dump.txt", "--quiet")
    assert ended.returncode == 0
    assert ended.stderr == f"Warning: {tiny}/dump.txt is incomplete: No space left on device\n"
    assert len(centroids_of(tmp_path).splitlines()) == 2
