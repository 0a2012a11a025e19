"""The documentation names the options that there are, and no others."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.model import Role
from common.worker.command import worker_command
from mapper.servicer import add_mapper
from master.cli.commands import command_line, commands_for, execute
from reducer.servicer import add_reducer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = ["USAGE", "TUTORIAL", "PYTHON", "MACHINES", "CLUSTERS", "FAULTS", "FAQ", "PAGE", "PALETTE"]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
PROGRAMS = {
    "master": command_line(commands_for([]), execute),
    "mapper": worker_command(Role.MAPPER, add_mapper, None),
    "reducer": worker_command(Role.REDUCER, add_reducer, None),
}
INLINE_CODE = re.compile(r"`([^`\n]+)`")


def options_of(program: str, *command: str) -> set[str]:
    shown = CliRunner().invoke(PROGRAMS[program], [*command, "--help"])
    assert shown.exit_code == 0
    return set(OPTION.findall(shown.output))


def named_in(*guides: str) -> set[str]:
    code = [span for guide in guides for span in INLINE_CODE.findall((DOCS / f"{guide}.md").read_text())]
    return {option for span in code for option in OPTION.findall(span)}


@pytest.mark.parametrize(
    ("command", "guides"),
    [
        (["master"], ["USAGE", "MACHINES", "CLUSTERS"]),
        (["master", "predict"], ["USAGE", "MACHINES", "CLUSTERS"]),
        (["master", "evaluate"], ["USAGE", "MACHINES", "CLUSTERS"]),
        (["master", "wordcount"], ["USAGE", "MACHINES", "CLUSTERS"]),
        (["master", "palette"], ["PALETTE", "USAGE", "MACHINES", "CLUSTERS"]),
        (["master", "certs"], ["USAGE", "MACHINES"]),
        (["master", "verify"], ["USAGE"]),
        (["master", "explain"], ["USAGE"]),
        (["master", "report"], ["USAGE", "PAGE"]),
        (["master", "ui"], ["USAGE", "PAGE"]),
        (["mapper"], ["USAGE", "MACHINES"]),
        (["reducer"], ["USAGE", "MACHINES"]),
    ],
    ids=" ".join,
)
def test_every_option_is_documented(command: list[str], guides: list[str]) -> None:
    assert options_of(*command) - named_in(*guides) == set()


def test_every_documented_option_exists() -> None:
    known = options_of("master") | options_of("master", "predict")
    known |= options_of("master", "explain") | options_of("master", "palette")
    known |= options_of("master", "report") | options_of("master", "ui")
    known |= options_of("master", "certs") | options_of("mapper") | options_of("reducer")
    assert named_in(*GUIDES) - known == set()
