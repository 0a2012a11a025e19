"""The certificates that `make certs` makes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.rpc.credentials import PeerRole
from scripts.certs import main, make_folders


def test_the_command_makes_what_each_host_needs(tmp_path: Path) -> None:
    out = tmp_path / "certs"
    result = CliRunner().invoke(main, ["--out", str(out), "--days", "7", "--forget-ca-key"])
    assert (result.exit_code, len(result.output.splitlines())) == (0, 3)
    assert sorted(path.name for path in (out / "mapper").iterdir()) == [
        "ca.pem",
        "mapper.key",
        "mapper.pem",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["mapper", "master", "reducer"]
    before = (out / "master" / "master.key").read_text()
    again = CliRunner().invoke(main, ["--out", str(out)])
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert (out / "master" / "master.key").read_text() == before


def test_the_authority_key_is_kept_beside_the_folders(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["--out", str(tmp_path / "certs")]).exit_code == 0
    assert [path.name for path in (tmp_path / "certs").rglob("ca.key")] == ["ca.key"]
    assert (tmp_path / "certs" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--out", str(tmp_path / "none" / "certs")])
    assert result.exit_code == 2
    assert "No such file or directory" in result.output


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
