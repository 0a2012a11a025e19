"""The certificates that `python -m master certs` makes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.rpc.credentials import PeerRole
from master.cli.authority import make_folders
from tests.programs import run_here


def test_the_command_makes_what_each_host_needs(tmp_path: Path) -> None:
    made = run_here(tmp_path, "certs", "--days", 7, "--forget-ca-key")
    assert (made.returncode, made.stderr, made.stdout.count("\n")) == (0, "", 3)
    out = tmp_path / "certs"
    assert sorted(path.name for path in (out / "mapper").iterdir()) == [
        "ca.pem",
        "mapper.key",
        "mapper.pem",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["mapper", "master", "reducer"]
    before = (out / "master" / "master.key").read_text()
    again = run_here(tmp_path, "certs")
    assert again.returncode == 2
    assert again.stderr == "Error: certs is there already; remove it first, or choose another --out\n"
    assert (out / "master" / "master.key").read_text() == before


def test_the_authority_key_is_kept_beside_the_folders(tmp_path: Path) -> None:
    assert run_here(tmp_path, "certs", "--out", "new").returncode == 0
    assert [path.name for path in (tmp_path / "new").rglob("ca.key")] == ["ca.key"]
    assert (tmp_path / "new" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    ended = run_here(tmp_path, "certs", "--out", "none/certs")
    assert (ended.returncode, ended.stderr) == (2, "Error: none/certs: No such file or directory\n")


def test_private_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    out = tmp_path / "certs"
    make_folders(out, datetime.now(UTC) + timedelta(days=1))
    for role in PeerRole:
        modes = {path.name: path.stat().st_mode & 0o777 for path in (out / role).iterdir()}
        assert modes[f"{role}.key"] == 0o600
        assert (out / role).stat().st_mode & 0o777 == 0o700


def test_certificates_in_use_are_never_overwritten(tmp_path: Path) -> None:
    stop = datetime.now(UTC) + timedelta(days=1)
    make_folders(tmp_path / "certs", stop)
    before = {path: path.read_bytes() for path in (tmp_path / "certs").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError):
        make_folders(tmp_path / "certs", stop)
    assert {path: path.read_bytes() for path in before} == before
