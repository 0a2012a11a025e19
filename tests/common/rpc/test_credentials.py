"""A folder of certificates is taken, or refused with one line that says what to do."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.errors import UsageError
from common.rpc.credentials import Credentials, PeerRole
from scripts.certs import issue, main, make_authority, make_folders


def days(count: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=count)


@pytest.fixture
def certs(tmp_path: Path) -> Path:
    make_folders(tmp_path / "certs", days(1))
    return tmp_path / "certs"


def test_fresh_secrets_are_long_and_differ() -> None:
    first, second = Credentials.fresh(), Credentials.fresh()
    assert first != second
    assert len(bytes.fromhex(first.secret)) == 32
    assert first.admits(first.secret)
    assert not first.admits(second.secret)
    assert not first.admits("")
    assert not first.admits("ä\ud800")


def test_nothing_secret_is_shown(certs: Path) -> None:
    loaded = Credentials.load(certs / "mapper", "mapper")
    assert loaded.certificates is not None
    assert loaded.secret not in repr(loaded)
    assert "PRIVATE" not in repr(loaded)


def test_all_parties_share_the_authority_and_the_secret(certs: Path) -> None:
    loaded = [Credentials.load(certs / role, role) for role in PeerRole]
    assert len({one.secret for one in loaded}) == 1
    assert len({one.certificates.authority for one in loaded if one.certificates}) == 1
    assert len({one.certificates.key for one in loaded if one.certificates}) == 3


def expired(folder: Path) -> None:
    authority = make_authority(days(1))
    own = issue(authority, PeerRole.MAPPER, days(-1))
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "mapper.pem").write_bytes(own.pem)
    (folder / "mapper.key").write_bytes(own.key_pem)


def other_role(folder: Path) -> None:
    reducer = folder.parent / "reducer"
    shutil.copy(reducer / "reducer.pem", folder / "mapper.pem")
    shutil.copy(reducer / "reducer.key", folder / "mapper.key")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            lambda folder: (folder / "ca.pem").unlink(),
            "ca.pem cannot be read: No such file or directory; make",
        ),
        (lambda folder: (folder / "mapper.key").unlink(), "mapper.key cannot be read: No such file"),
        (lambda folder: (folder / "secret").unlink(), "secret cannot be read: No such file"),
        (lambda folder: (folder / "secret").write_text("123"), "secret is not a secret of 64 hexadecimal"),
        (
            lambda folder: (folder / "secret").chmod(0o640),
            "others may read .*/secret; forbid it with: chmod 600 ",
        ),
        (lambda folder: (folder / "mapper.key").chmod(0o604), "others may read .*/mapper.key; forbid"),
        (
            lambda folder: (folder / "mapper.pem").write_text("x"),
            "no certificate or no key; make certificates",
        ),
        (
            lambda folder: (folder / "mapper.key").write_text("x"),
            "no certificate or no key; make certificates",
        ),
        (
            lambda folder: shutil.copy(folder.parent / "reducer" / "reducer.key", folder / "mapper.key"),
            "mapper.key is not the key of .*/mapper.pem; make",
        ),
        (
            lambda folder: (folder / "ca.pem").write_bytes(make_authority(days(1)).pem),
            "mapper.pem was not issued by .*/ca.pem; make",
        ),
        (other_role, "mapper.pem is not the certificate of a mapper; make"),
        (expired, r"mapper.pem is valid from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d only; make"),
    ],
)
def test_what_will_not_do_is_refused(certs: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(certs / "mapper")
    with pytest.raises(UsageError, match=reason) as caught:
        Credentials.load(certs / "mapper", "mapper")
    assert "\n" not in str(caught.value)


def test_the_command_makes_what_each_host_needs(tmp_path: Path) -> None:
    out = tmp_path / "certs"
    result = CliRunner().invoke(main, ["--out", str(out), "--days", "7", "--forget-ca-key"])
    assert (result.exit_code, len(result.output.splitlines())) == (0, 3)
    assert sorted(path.name for path in (out / "mapper").iterdir()) == [
        "ca.pem",
        "mapper.key",
        "mapper.pem",
        "secret",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["mapper", "master", "reducer"]
    before = (out / "master" / "secret").read_text()
    again = CliRunner().invoke(main, ["--out", str(out)])
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert (out / "master" / "secret").read_text() == before


def test_the_authority_key_is_kept_beside_the_folders(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["--out", str(tmp_path / "certs")]).exit_code == 0
    assert [path.name for path in (tmp_path / "certs").rglob("ca.key")] == ["ca.key"]
    assert (tmp_path / "certs" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--out", str(tmp_path / "none" / "certs")])
    assert result.exit_code == 2
    assert "No such file or directory" in result.output
