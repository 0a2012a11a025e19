"""What comes of a pipeline, and how it is shown: tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score

SCORES = {
    "weighted F1": "weighted_f1",
    "macro F1": "macro_f1",
    "accuracy": "accuracy",
    "log-loss": "log_loss",
}
"""Headings of a table, and where the figures stand in JSON."""
_LEAST_PROBABILITY = 2.0**-52  # so that the loss is finite


@dataclass(frozen=True)
class Scores:
    """How well the classes of the test rows were found."""

    weighted_f1: float
    macro_f1: float
    accuracy: float
    log_loss: float


@dataclass(frozen=True)
class Usage:
    """What it took."""

    fit_seconds: float  # of the fit alone
    cpu_seconds: float  # of all processes, from their start to the end of the work
    peak_mb: float  # of all processes together


def score(truth: npt.ArrayLike, probabilities: npt.ArrayLike) -> Scores:
    """Score the probabilities of the classes, shape (rows, K), where the truth is 0 to K-1."""
    right, found = np.asarray(truth, int), np.asarray(probabilities, float)
    chosen = found.argmax(axis=1)
    of_right = found[np.arange(len(right)), right]
    return Scores(
        float(f1_score(right, chosen, average="weighted", zero_division=0)),
        float(f1_score(right, chosen, average="macro", zero_division=0)),
        float(accuracy_score(right, chosen)),
        float(-np.log(np.maximum(of_right, _LEAST_PROBABILITY)).mean()),
    )


def as_json(name: str, *parts: Any, **more: Any) -> dict[str, Any]:
    """Join a pipeline's name, its scores and its usage to one object."""
    found: dict[str, Any] = {"name": name}
    for part in parts:
        found |= asdict(part)
    return found | more


def show(result: Mapping[str, Any], wanted_json: bool) -> None:
    """Print a result, and below it those of its nodes."""
    if wanted_json:
        return click.echo(json.dumps(result))
    nodes = result.get("nodes", [])
    plain = [(name.replace("_", " "), _cell(value)) for name, value in result.items() if name != "nodes"]
    click.echo("\n".join(table(["", ""], plain)[2:]))
    if nodes:
        click.echo("\n".join(["", *table(*node_rows(result))]))


def node_rows(result: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Return headings and rows: the model of each node, and the global one."""
    rows = [
        [f"node {node['node']}", node["rows"], *map(node.get, SCORES.values())] for node in result["nodes"]
    ]
    known = ["all rows", result["rows"] - result["test_rows"], *map(result.get, SCORES.values())]
    return ["model of", "training rows", *SCORES], [*rows, known]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table in Markdown, in columns of one width; the first is text."""
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [cells[0], rules, *cells[1:]]
    return [f"| {' | '.join(_padded(line, widths))} |" for line in lines]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    others = zip(row[1:], widths[1:], strict=True)
    return [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in others)]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
