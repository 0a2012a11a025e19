"""What is installed works without the sources, in a folder that its users cannot write to, as in an image."""

import os
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.programs import PATIENCE_S, ROOT

pytestmark = pytest.mark.slow

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
FOR_FLOAT64 = "from common.kernels.__main__ import make_ready; make_ready('float64')"
"""Of what `python -m common.kernels` compiles; all of it takes most of a minute, and make does it."""

NO_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
"""Root may write anywhere."""

needs_setpriv = pytest.mark.skipif(
    bool(NO_PRIVILEGES) and shutil.which("setpriv") is None,
    reason="root needs setpriv to be refused anything",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy what a wheel has into a new folder, which nobody may write to then."""
    site = tmp_path_factory.mktemp("site")
    for package in SETTINGS["wheel"]["packages"]:
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    protect(site, writable=False)
    yield site
    protect(site, writable=True)


def protect(folder: Path, *, writable: bool) -> None:
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | 0o200 if writable else mode & 0o555)


def run(site: Path, folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with what is installed, without any privileges and with a home that cannot be written to."""
    known = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env = known | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/proc"} | environment
    command = [*NO_PRIVILEGES, sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S)


def cluster(site: Path, folder: Path, **environment: str) -> bytes:
    """Cluster so many rows that compiled kernels are used; return the centroids."""
    folder.mkdir()
    np.save(folder / "points.npy", np.random.default_rng(0).normal(size=(500_000, 3)))
    given = ["--mappers", 1, "--reducers", 1, "--k", 64, "--iters", 3, "--combine", "--quiet"]
    ended = run(site, folder, "-m", "master", *given, "--input", "points.npy", **environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    return (folder / "data" / "centroids.txt").read_bytes()


@needs_setpriv
def test_kernels_that_were_compiled_at_the_build_are_used(site: Path, tmp_path: Path) -> None:
    """And what cannot be written to compiles for itself, to the same result."""
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    made = run(site, Path("/"), "-c", FOR_FLOAT64, NUMBA_CACHE_DIR=str(kernels))
    assert (made.returncode, made.stderr) == (0, "")
    before = {path: path.stat().st_mtime_ns for path in kernels.rglob("*.nb?")}
    assert len(before) > 10
    compiled = cluster(site, tmp_path / "compiled", NUMBA_CACHE_DIR=str(kernels))
    assert {path: path.stat().st_mtime_ns for path in kernels.rglob("*.nb?")} == before
    assert cluster(site, tmp_path / "alone") == compiled


@needs_setpriv
@pytest.mark.parametrize("module", ["master", "mapper", "reducer"])
def test_each_program_says_its_options(site: Path, tmp_path: Path, module: str) -> None:
    ended = run(site, tmp_path, "-m", module, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "--certs" in ended.stdout


@needs_setpriv
def test_certificates_are_made(site: Path, tmp_path: Path) -> None:
    made = run(site, tmp_path, "-m", "master", "certs")
    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "certs" / "mapper" / "mapper.key").is_file()
