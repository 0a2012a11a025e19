"""Every command that a message, the help or a page names is there for who types it."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from master.algorithms import own_commands
from master.cli.commands import command_line, execute
from tests.programs import ROOT

SHIPPED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "compose.yaml", ROOT / "Makefile"]
SOURCES = [path for package in SHIPPED for path in sorted((ROOT / package).rglob("*.py"))]
COMMAND = re.compile(r"python -m ([a-z][\w.]*)(?: ([a-z]\w*))?")
SUBCOMMANDS = set(command_line(own_commands(), execute).commands)
OF_OTHERS = {"pip", "pytest", "venv"}


def texts(path: Path) -> Iterator[str]:
    """Yield what a Python file can say: its strings, with those inside of f-strings."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_module(name: str, folders: list[str]) -> bool:
    path = ROOT.joinpath(*name.split("."))
    runs = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    return name.split(".")[0] in folders and runs


def unknown(text: str, folders: list[str]) -> list[str]:
    """Return what a text starts by `python -m` that is not there."""
    found = [(match[1], match[2] or "run") for match in COMMAND.finditer(text)]
    wrong = [module for module, _ in found if not is_module(module, folders)]
    return wrong + [
        f"master {word}" for module, word in found if module == "master" and word not in SUBCOMMANDS
    ]


def test_messages_and_help_name_only_what_is_installed() -> None:
    named = [text for path in SOURCES for text in texts(path) if COMMAND.search(text)]
    assert len(named) > 10
    assert [found for text in named for found in unknown(text, SHIPPED)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_name_only_what_a_clone_has(page: Path) -> None:
    assert set(unknown(page.read_text(), [*SHIPPED, "scripts"])) <= OF_OTHERS


def test_a_wrong_command_would_be_found() -> None:
    text = "run python -m scripts.certs, or python -m master cert; not python -m master certs"
    assert unknown(text, SHIPPED) == ["scripts.certs", "master cert"]
