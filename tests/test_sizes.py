"""Functions and files of the product stay short."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from tests.programs import ROOT

PRODUCT = [
    path
    for package in ("common", "master", "mapper", "reducer")
    for path in sorted((ROOT / package).rglob("*.py"))
]
MOST_LINES = 300


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function's body has without its docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


def test_functions_are_short() -> None:
    lines = [body_lines(function) for path in PRODUCT for function in functions(path)]
    assert len(lines) > 500
    assert median(lines) <= 5
    assert quantiles(lines, n=10)[-1] <= 16


def test_files_are_short() -> None:
    counts = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in PRODUCT}
    too_long = {path: lines for path, lines in counts.items() if lines > MOST_LINES}
    assert too_long == {}
