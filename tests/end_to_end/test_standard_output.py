"""Labels on standard output: they stand alone there, for the next program to read."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.programs import PATIENCE_S, SAMPLE, SAMPLE_CENTROIDS, command, environment, options, run_master

NO_SPACE = "No space left on device; free some space, or choose another folder"


def labels_of_sample(folder: Path) -> str:
    assert run_master(folder, *options(), "--labels", "labels.txt").returncode == 0
    return (folder / "labels.txt").read_text()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_labels_stand_alone_on_standard_output(tmp_path: Path, name: str) -> None:
    expected = labels_of_sample(tmp_path)
    ended = run_master(tmp_path, *options(), "--labels", name)
    assert (ended.returncode, ended.stdout) == (0, expected)
    assert "iteration 1 of 20" in ended.stderr
    assert ended.stderr.endswith(f"data/centroids.txt\n{SAMPLE_CENTROIDS}")
    new = ["predict", "--centroids", "data/centroids.txt", "--input", SAMPLE, "--labels", name, "--quiet"]
    ended = run_master(tmp_path, *new)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, expected, "")


def test_labels_are_appended_to_what_standard_output_has(tmp_path: Path) -> None:
    expected = labels_of_sample(tmp_path)
    with (tmp_path / "all.txt").open("a") as out:
        out.write("before\n")
        out.flush()
        subprocess.run(
            command(*options(), "--labels", "/dev/stdout", "--quiet"),
            cwd=tmp_path,
            env=environment(),
            stdout=out,
            check=True,
            timeout=PATIENCE_S,
        )
    assert (tmp_path / "all.txt").read_text() == f"before\n{expected}"


@pytest.mark.parametrize(
    ("redirection", "error"),
    [(">&-", "--labels -: standard output is closed"), (">/dev/full", "--labels -: No space left on device")],
)
def test_labels_that_standard_output_does_not_take(tmp_path: Path, redirection: str, error: str) -> None:
    ended = run_redirected(tmp_path, redirection, *options(), "--labels", "-", "--quiet")
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith(f"Error: {error}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["certs", "--help"], ["--version"], ["help"]])
def test_help_that_standard_output_does_not_take(tmp_path: Path, arguments: list[str]) -> None:
    ended = run_redirected(tmp_path, ">/dev/full", *arguments)
    assert (ended.returncode, ended.stderr) == (1, f"Error: {NO_SPACE}\n")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_what_a_command_says_beside_its_work_may_be_lost(tmp_path: Path, redirection: str) -> None:
    assert run_master(tmp_path, *options(), "--quiet").returncode == 0
    for arguments in (["certs"], ["verify"], ["explain", "--row", 2]):
        ended = run_redirected(tmp_path, redirection, *arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "certs" / "ca.key").is_file()


def run_redirected(folder: Path, redirection: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"{shlex.join(command(*arguments))} {redirection}",
        shell=True,
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
    )
