"""The documentation names the options that there are, and no others."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = ["USAGE", "TUTORIAL", "PYTHON", "MACHINES", "CLUSTERS", "FAULTS", "FAQ", "PAGE", "PALETTE"]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
INLINE_CODE = re.compile(r"`([^`\n]+)`")


def options_of(*command: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-m", *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(OPTION.findall(shown.stdout))


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
