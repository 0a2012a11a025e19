"""What make runs: a file of any name is one argument, and a run in containers ends as its master does."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.programs import PATIENCE_S, ROOT

DOCKER = """#!/bin/sh
echo "$M $R $K $N $RUN_AS $INPUT: $*" >> "$CALLS"
case "$*" in *"--use-aliases master"*) exit 3;; esac
"""
NAMES = ["points.txt", "my points.txt", 'it\'s $HOME; "x" `y` *.txt']


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = [argument.replace("$", "$$") for argument in arguments]
    return subprocess.run(
        ["make", "--no-print-directory", *given],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("target", ["run-local", "spark-run", "dask-run"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_one_argument(target: str, name: str) -> None:
    shown = make("--dry-run", target, f"INPUT={name}").stdout
    assert name in shlex.split(shown.splitlines()[-1])


def docker_calls(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run make run-docker with a program in docker's place; return its exit code and docker's calls."""
    docker, calls = folder / "docker", folder / "calls"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    ended = make(
        "--directory",
        str(folder),
        "--file",
        str(ROOT / "Makefile"),
        "run-docker",
        *arguments,
        PATH=f"{folder}:{os.environ['PATH']}",
        CALLS=str(calls),
    )
    return ended.returncode, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_containers_ends_as_its_master_does(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    code, calls = docker_calls(tmp_path, "M=4", "R=3", "K=5", "N=7", "ARGS=--combine", f"INPUT={name}")
    known = f"4 3 5 7 {os.getuid()}:{os.getgid()} {tmp_path.resolve() / name}: compose"
    assert calls == [
        f"{known} build certs",
        f"{known} run --rm certs",
        f"{known} run --rm --use-aliases master --combine",
        f"{known} down --volumes",
    ]
    assert code == 2  # of make: a command failed
    assert (tmp_path / "out" / "data").is_dir()


def test_no_container_starts_without_its_input(tmp_path: Path) -> None:
    assert docker_calls(tmp_path, "INPUT=none.txt") == (2, [])
