"""Executors get `common` alone, so that no function of the master's may be sent to them."""

import ast
from pathlib import Path

import pytest

from tests.programs import ROOT

SENDING = {"filter", "map", "mapPartitionsWithIndex", "partitionBy"}
"""The methods of an RDD whose arguments run on the executors."""

SENDERS = sorted((ROOT / "master/engines/spark").glob("*.py"))


def sent_names(tree: ast.Module) -> set[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    sending = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in SENDING]
    arguments = [argument for call in sending for argument in call.args]
    return {node.id for each in arguments for node in ast.walk(each) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", SENDERS, ids=lambda path: path.stem)
def test_executors_are_sent_no_function_of_the_master(path: Path) -> None:
    tree = ast.parse(path.read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert not own & sent_names(tree)


def test_what_is_sent_is_found() -> None:
    engine = ast.parse((ROOT / "master/engines/spark/engine.py").read_text())
    assert {"is_report", "map_partition", "label_partition", "reduce_partition"} <= sent_names(engine)
