"""The authority of a cluster: it issues the certificates by which the hosts of a run know each other.

There is one folder for each role, with all that a host of that role needs and nothing else:

    certs/master/     ca.pem  master.pem   master.key
    certs/mapper/     ca.pem  mapper.pem   mapper.key
    certs/reducer/    ca.pem  reducer.pem  reducer.key
    certs/ca.key      signs more certificates; keep it off the hosts, or use --forget-ca-key and keep none
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.rpc.credentials import CA_FILE, PeerRole

_CLOCK_SKEW = timedelta(hours=1)
"""New certificates are valid on a host whose clock is late by at most this."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate as a file's content."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as a file's content."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_authority(stop: datetime) -> Issued:
    """Make the authority of a cluster, valid until `stop`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("kmeans-mapreduce authority")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = (
        _builder(name, key, stop)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Issued, role: PeerRole, stop: datetime) -> Issued:
    """Make a role's certificate: its role stands in the alternative name."""
    key = ec.generate_private_key(ec.SECP256R1())
    both_ends = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(_name(role), key, stop)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(role.dns_name)]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, stop: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(datetime.now(UTC), stop) - _CLOCK_SKEW)
        .not_valid_after(stop)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_folders(
    out: Path, stop: datetime, *, keep_authority_key: bool = True, roles: Iterable[PeerRole] = PeerRole
) -> None:
    """Make an authority, and for each role a folder with what its hosts need.

    Raises
    ------
    FileExistsError
        Something is there already: certificates in use are never overwritten.
    """
    out.mkdir(mode=0o700)
    authority = make_authority(stop)
    if keep_authority_key:
        _write(out / "ca.key", authority.key_pem, 0o600)
    for role in roles:
        folder, own = out / role, issue(authority, role, stop)
        folder.mkdir(mode=0o700)
        _write(folder / CA_FILE, authority.pem, 0o644)
        _write(folder / f"{role}.pem", own.pem, 0o644)
        _write(folder / f"{role}.key", own.key_pem, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    # Created with its mode, so that it is private from the first moment, whatever the umask.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
