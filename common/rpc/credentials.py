"""How a process of a run proves who it is: by the run's secret and, between machines, by a certificate.

A folder made by `python -m scripts.certs` holds what one host needs:

    ca.pem        the authority's certificate
    ROLE.pem      this process's own certificate; ROLE is master, mapper or reducer
    ROLE.key      its private key, which only its owner may read
    secret        the run's secret, likewise

A certificate names a role, not a host, so that hosts may change their addresses.
"""

import hmac
import re
import secrets
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from common.errors import UsageError

HOW_TO_MAKE = "make certificates with: python -m scripts.certs --out certs"
CA_FILE = "ca.pem"
SECRET_FILE = "secret"  # noqa: S105 (the name of its file)
_DOMAIN = "kmeans-mapreduce.internal"
_SECRET = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 1 << 20


class PeerRole(StrEnum):
    """The role of a process in a run."""

    MASTER = "master"
    MAPPER = "mapper"
    REDUCER = "reducer"

    @property
    def dns_name(self) -> str:
        """The name in its certificate; no resolver knows it."""
        return f"{self}.{_DOMAIN}"


@dataclass(frozen=True)
class Certificates:
    """What mutual TLS needs, each in PEM: the authority, and a role's own certificate and key."""

    authority: bytes
    own: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """The secret of a run, and certificates if its processes run on several machines."""

    secret: str = field(repr=False)
    certificates: Certificates | None = None

    @classmethod
    def fresh(cls) -> "Credentials":
        """Make a 256-bit secret, for a run on this machine."""
        return cls(new_secret())

    @classmethod
    def load(cls, folder: Path, role: str) -> "Credentials":
        """Read the folder that `scripts.certs` made for a role, or the one in which it made all of them.

        UsageError if a file is missing, other users can read it, or the certificate does not fit the role.
        """
        if (folder / role).is_dir():
            folder /= role
        certificates = Certificates(
            _read(folder / CA_FILE),
            _read(folder / f"{role}.pem"),
            _read(folder / f"{role}.key", private=True),
        )
        path = folder / SECRET_FILE
        secret = _read(path, private=True).decode("ascii", "replace").strip()
        if not _SECRET.fullmatch(secret):
            raise UsageError(f"{path} does not hold a secret of 64 hexadecimal digits; {HOW_TO_MAKE}")
        if problem := _problem(certificates, folder, PeerRole(role)):
            raise UsageError(f"{problem}; {HOW_TO_MAKE}")
        return cls(secret, certificates)

    def admits(self, secret: str) -> bool:
        """Tell whether a caller's secret is right; the time it takes does not tell how much of it is."""
        return hmac.compare_digest(secret.encode("utf-8", "replace"), self.secret.encode())


def new_secret() -> str:
    """Make 256 bits that nobody can guess."""
    return secrets.token_hex(32)


def _read(path: Path, *, private: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            if private and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise UsageError(f"other users can read {path}; run: chmod 600 {path}")
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; {HOW_TO_MAKE}") from None


def _problem(certificates: Certificates, folder: Path, role: PeerRole) -> str:
    """Return what would make every connection fail, without telling why; empty if nothing would."""
    from cryptography import x509  # only where there are certificates
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = folder / f"{role}.pem"
    try:
        authority = x509.load_pem_x509_certificate(certificates.authority)
        own = x509.load_pem_x509_certificate(certificates.own)
        key = load_pem_private_key(certificates.key, None)
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return f"a file in {folder} is not a valid certificate or key"
    if key.public_key() != own.public_key():
        return f"{folder / f'{role}.key'} is not the key of {path}"
    try:
        own.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return f"{path} was not issued by {folder / CA_FILE}"
    if role.dns_name not in names.get_values_for_type(x509.DNSName):
        return f"{path} is not the certificate of a {role}"
    for what, certificate in ((path, own), (folder / CA_FILE, authority)):
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not first <= datetime.now(UTC) <= last:
            return f"{what} is valid only from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return ""
