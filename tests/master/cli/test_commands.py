"""The commands: their options, in sections."""

import re

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from master.algorithms import own_commands
from master.cli.commands import command_line, execute
from master.options.declare import declared_options

COMMANDS = own_commands()
LINE = command_line(COMMANDS, execute)
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
    [("run", SECTIONS), ("predict", ["Labelling", *SECTIONS[1:-1]]), ("wordcount", ["Input", *SECTIONS[3:]])],
)
def test_options_are_in_sections(command: str, sections: list[str]) -> None:
    text = help_of(command)
    assert re.findall(r"^  (\w[\w ]*): $", text, re.MULTILINE) == sections
    assert CliRunner(env={"COLUMNS": "200"}).invoke(LINE, [command, "--help"]).output == text


def test_without_a_command_it_is_a_run() -> None:
    assert help_of() == help_of("run") == help_of(option="--help")


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
