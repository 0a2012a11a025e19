"""The commands: their options, in sections."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from master.algorithms import own_commands
from master.cli.commands import command_line, execute
from master.options.declare import declared_options
from tests.programs import ROOT, centroids_of, environment, run_master

COMMANDS = own_commands()
LINE = command_line(COMMANDS, execute)
THERE_ARE = f"There are: {', '.join(LINE.commands)}"
SECTIONS = [
    "Clustering",
    "Input",
    "Text files",
    "Output",
    "Workers",
    "Several machines",
    "Spark and Dask",
    "Trying failures",
]


def help_of(*arguments: str, option: str = "-h") -> str:
    return CliRunner(env={"COLUMNS": "200"}).invoke(LINE, [*arguments, option]).output


@pytest.mark.parametrize(
    ("command", "sections"),
    [
        ("run", SECTIONS),
        ("predict", ["Labelling", *SECTIONS[1:-1]]),
        ("wordcount", ["Input", *SECTIONS[3:]]),
        ("palette", ["Picture", "Palette", *SECTIONS[3:]]),
    ],
)
def test_options_are_in_sections(command: str, sections: list[str]) -> None:
    text = help_of(command)
    assert re.findall(r"^  (\w[\w ]*): $", text, re.MULTILINE) == sections
    assert CliRunner(env={"COLUMNS": "200"}).invoke(LINE, [command, "--help"]).output == text


def test_without_a_command_it_is_a_run() -> None:
    assert help_of() == help_of("run") == help_of(option="--help")


@pytest.mark.parametrize("folder", [ROOT, None], ids=["clone", "elsewhere"])
def test_who_types_nothing_is_told_a_first_run_that_works(tmp_path: Path, folder: Path | None) -> None:
    ended = run_master(folder or tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    typed = re.search(r"A first run:\n\n(.*?)\n\n", ended.stderr, re.DOTALL)
    assert typed
    assert ("printf" in typed[1]) == (folder is None)
    shutil.copytree(ROOT / "data" / "input", tmp_path / "data" / "input")
    script = typed[1].replace("python", sys.executable, 1)
    subprocess.run(script, shell=True, cwd=tmp_path, env=environment(), check=True, capture_output=True)
    assert len(centroids_of(tmp_path).splitlines()) == 2


def test_help_lists_the_commands(tmp_path: Path) -> None:
    shown = run_master(tmp_path, "help")
    assert (shown.returncode, shown.stderr) == (0, "")
    listed = dict(re.findall(r"^  (\w+) +(.*)$", shown.stdout, re.MULTILINE))
    assert list(listed) == list(LINE.commands)
    assert all(text.endswith(".") for text in listed.values())


def test_an_unknown_command_is_answered_by_those_there_are(tmp_path: Path) -> None:
    refused = run_master(tmp_path, "fit", "--k", "2")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert refused.stderr.startswith("Error: No such command 'fit'. There are: run, predict, ")
    assert all(name in refused.stderr for name in LINE.commands)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("predic --k 2", f"No such command 'predic'. {THERE_ARE} (did you mean 'predict'?) ("),
        (
            "--k=3 --input 'a b'",
            "Missing options '--iters', '--mappers', '--reducers'. For example: python -m master run --k=3 "
            "--input 'a b' --iters 20 --mappers 2 --reducers 2 (",
        ),
        ("explain", "Missing option '--row'. For example: python -m master explain --row 2 ("),
        ("run --k", "Option '--k' requires an argument."),
    ],
)
def test_what_was_meant_and_what_is_missing_is_named(tmp_path: Path, typed: str, said: str) -> None:
    refused = run_master(tmp_path, *shlex.split(typed))
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert refused.stderr.startswith(f"Error: {said}")


def test_a_clone_without_generated_code_says_what_helps(tmp_path: Path) -> None:
    left_out = shutil.ignore_patterns("*_pb2*", "__pycache__")
    for name in ("common", "mapper", "master", "protos"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    for program in ("master", "mapper"):
        done = subprocess.run([sys.executable, "-m", program], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "Error: protos/ lacks its generated code; in the folder of the project, run: make protos\n"
        )


def test_a_field_has_one_name_in_all_groups() -> None:
    for command in COMMANDS:
        names = [each.field for group in command.groups.values() for each in declared_options(group)]
        assert len(names) == len(set(names))


def test_options_can_be_completed() -> None:
    complete = BashComplete(LINE, {}, "kmeans-mapreduce", "_KMEANS_MAPREDUCE_COMPLETE")
    found = [each.value for each in complete.get_completions(["run", "--engine"], "")]
    assert found == ["grpc", "inline", "spark", "dask"]
    for arguments in ([], ["run"], ["--k", "2"]):
        found = [each.value for each in complete.get_completions(arguments, "--init-")]
        assert found == ["--init-centroids"]
    assert [each.value for each in complete.get_completions([], "pre")] == ["predict"]
