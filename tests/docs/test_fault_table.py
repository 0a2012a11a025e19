"""The tests that docs/FAULTS.md names exist."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
TABLE = TESTS.parent / "docs" / "FAULTS.md"


def functions_of(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_tests_and_they_exist() -> None:
    rows = [line for line in TABLE.read_text().splitlines() if re.match(r"\| (?!fault )[^-]", line)]
    assert len(rows) > 50
    named = re.findall(r"`([\w/]+/\w+\.py)::(\w+)`", TABLE.read_text())
    assert [row for row in rows if "::" not in row] == []
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(TESTS / file)] == []
