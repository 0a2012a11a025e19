"""No new file slips past the import contracts.

Each test adds files to a copy of the product that do nothing but break a wall, and expects `lint-imports` to
name them.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import PATIENCE_S, ROOT

PRODUCT = ("protos", "common", "master", "mapper", "reducer")

FORBIDDEN = {
    "protos": ["common", "master", "tests"],
    "common.engines": ["common.rpc", "common.worker", "master.engines", "protos", "grpc", "click"],
    "common.events": ["common.jobs", "common.kernels", "common.records", "master.views", "grpc", "rich"],
    "common.formats": ["common.rpc", "common.worker", "common.engines", "grpc", "click", "pyspark"],
    "common.jobs": ["common.records", "common.formats", "protos", "threading", "pathlib", "random"],
    "common.kernels": ["common.jobs", "common.store", "grpc", "os", "time", "multiprocessing"],
    "common.kernels.nearest": ["common.jobs", "socket", "secrets"],
    "common.records": ["common.formats", "common.store", "protos", "dask", "master.run"],
    "common.rpc": ["common.store", "common.formats", "common.worker", "mapper", "tests"],
    "common.store": ["common.rpc", "common.formats", "common.engines", "grpc", "distributed", "scripts"],
    "common.worker": ["common.engines", "mapper", "reducer", "master.cluster", "dask"],
    "master.algorithms": ["master.engines", "master.run", "master.views", "grpc", "subprocess", "click"],
    "master.algorithms.kmeans": ["master.engines.spark", "protos", "pyspark"],
    "master.cli": ["master.estimator", "mapper", "grpc", "pyspark", "dask"],
    "master.cluster": ["master.engines", "master.run", "master.views", "mapper", "click"],
    "master.engines": ["master.algorithms", "master.run", "master.views", "pyspark", "distributed", "grpc"],
    "master.engines.dask": ["master.run", "master.estimator", "master.cli"],
    "master.engines.spark": ["master.run", "master.estimator", "master.cli"],
    "master.estimator": ["master.cli", "reducer", "grpc", "scripts", "pyspark", "dask"],
    "master.options": ["master.scheduling", "master.engines", "master.run", "click", "grpc", "dask"],
    "master.run": ["master.cli", "master.estimator", "master.views", "grpc", "protos", "pyspark", "click"],
    "master.scheduling": ["master.cluster", "master.views", "grpc", "time", "datetime", "random"],
    "master.teaching": ["master.cli", "master.estimator", "master.run", "mapper", "grpc", "scripts"],
    "master.views": ["master.run", "master.algorithms", "master.cluster", "master.scheduling", "grpc"],
}
"""For each package, imports that some contract forbids it."""

UNLISTED = [
    "common/loose.py",
    "common/loose_package/__init__.py",
    "master/loose.py",
    "master/loose_package/__init__.py",
    "mapper/loose.py",
    "mapper/loose_package/__init__.py",
    "reducer/loose.py",
    "reducer/loose_package/__init__.py",
]
"""Empty files in no place that a contract knows."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PRODUCT:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def added(copy: Path) -> Iterator[dict[str, str]]:
    """Files to add to the copy, by their path; they are gone after the test."""
    files: dict[str, str] = {}
    yield files
    for path in files:
        (copy / path).unlink()
        if Path(path).name == "__init__.py":
            (copy / path).parent.rmdir()


def lint_imports(copy: Path, added: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for path, content in added.items():
        (copy / path).parent.mkdir(exist_ok=True)
        (copy / path).write_text(content)
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--cache-dir", "cache"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        cwd=copy,
        env=environment | {"COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_the_product_keeps_its_contracts(copy: Path) -> None:
    result = lint_imports(copy, {})
    assert result.returncode == 0, result.stdout


def test_each_package_has_a_case_below() -> None:
    inner = {path.parent.name for top in ("common", "master") for path in ROOT.glob(f"{top}/*/__init__.py")}
    assert inner == {name.split(".")[1] for name in FORBIDDEN if "." in name}


@pytest.mark.parametrize("path", UNLISTED)
def test_an_empty_file_in_no_package_is_refused(copy: Path, added: dict[str, str], path: str) -> None:
    added[path] = ""
    result = lint_imports(copy, added)
    module = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    assert result.returncode == 1
    assert f"- {module}\n" in result.stdout


@pytest.mark.parametrize("package", FORBIDDEN)
def test_an_import_through_a_wall_is_refused(copy: Path, added: dict[str, str], package: str) -> None:
    """One file for each import; the report names each."""
    folder = package.replace(".", "/")
    added |= {f"{folder}/probe_{i}.py": f"import {target}\n" for i, target in enumerate(FORBIDDEN[package])}
    result = lint_imports(copy, added)
    missed = {
        target
        for i, target in enumerate(FORBIDDEN[package])
        if f"{package}.probe_{i} -> {target} (l.1)" not in result.stdout
    }
    assert result.returncode == 1
    assert not missed, result.stdout


@pytest.mark.parametrize(("program", "other"), [("mapper", "reducer"), ("reducer", "master.run")])
def test_programs_do_not_import_each_other(
    copy: Path, added: dict[str, str], program: str, other: str
) -> None:
    added[f"{program}/probe.py"] = f"import {other}\n"
    result = lint_imports(copy, added)
    assert result.returncode == 1
    assert f"{program}.probe -> {other} (l.1)" in result.stdout
