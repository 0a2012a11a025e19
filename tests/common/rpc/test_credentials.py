"""A folder of certificates is taken, or refused with one line that says what to do."""

import resource
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import UsageError
from common.rpc.credentials import Certificates, PeerRole
from master.cli.authority import issue, make_authority, make_folders


def days(count: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=count)


@pytest.fixture
def certs(tmp_path: Path) -> Path:
    make_folders(tmp_path / "certs", days(1))
    return tmp_path / "certs"


def test_nothing_secret_is_shown(certs: Path) -> None:
    assert "PRIVATE" not in repr(Certificates.load(certs / "mapper", "mapper"))


def test_a_process_that_holds_a_key_leaves_no_core_file(certs: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    Certificates.load(certs / "mapper", "mapper")
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, hard)


def test_all_roles_share_the_authority_alone(certs: Path) -> None:
    loaded = [Certificates.load(certs / role, role) for role in PeerRole]
    assert len({one.authority for one in loaded}) == 1
    assert len({one.key for one in loaded}) == 3


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
        (lambda folder: (folder / "mapper.key").chmod(0o604), "other users can read .*/mapper.key; run"),
        (
            lambda folder: (folder / "mapper.pem").write_text("x"),
            "a file in .*/mapper is not a valid certificate or key; make certificates",
        ),
        (
            lambda folder: (folder / "mapper.key").write_text("x"),
            "a file in .*/mapper is not a valid certificate or key; make certificates",
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
        (expired, r"mapper.pem is valid only from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d; make"),
    ],
)
def test_what_will_not_do_is_refused(certs: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(certs / "mapper")
    with pytest.raises(UsageError, match=reason) as caught:
        Certificates.load(certs / "mapper", "mapper")
    assert "\n" not in str(caught.value)
