"""The certificates by which the processes of a run on several machines know each other.

A folder made by `python -m master certs` holds what one host needs:

    ca.pem        the authority's certificate
    ROLE.pem      this process's own certificate; ROLE is master, mapper or reducer
    ROLE.key      its private key, which only its owner may read

A certificate names a role, not a host, so that hosts may change their addresses. On one machine there are no
certificates: there the processes use sockets in a folder that only their user can enter.
"""

import resource
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from common.errors import UsageError

HOW_TO_MAKE = "make certificates with: python -m master certs --out certs"
CA_FILE = "ca.pem"
_DOMAIN = "kmeans-mapreduce.internal"
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

    @classmethod
    def load(cls, folder: Path, role: str) -> Self:
        """Read the folder that was made for a role, or the one that holds those of all roles.

        UsageError if a file is missing, other users can read it, or the certificate does not fit the role.
        """
        # A core file would hold the key.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if (folder / role).is_dir():
            folder /= role
        certificates = cls(
            _read(folder / CA_FILE),
            _read(folder / f"{role}.pem"),
            _read(folder / f"{role}.key", private=True),
        )
        if problem := _problem(certificates, folder, PeerRole(role)):
            raise UsageError(f"{problem}; {HOW_TO_MAKE}")
        return certificates


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
