"""A TLS certificate of the service's own, for who has none from an authority.

Made at the first start with it and kept in a folder beside the database: `key.pem`, readable by its owner
alone, and `certificate.pem`, which clients are told to trust. It is renewed at a start when it ends soon or
lacks a name; the key stays, so that whoever pinned it need not do so again. A key that is not there, or can't
be read as one, is made anew.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LASTS = timedelta(days=820)
"""Some systems take no certificate that is longer valid than 825 days."""

RENEWED_BEFORE_END = timedelta(days=60)
HOURS_BACK = timedelta(hours=24)
"""Valid from yesterday: a client's clock may be behind."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Where the files are, and the SHA-256 by which a person recognises the certificate."""

    certificate: Path
    key: Path
    fingerprint: str
    ends_at: datetime


def own_certificate(folder: Path, names: Sequence[str], now: datetime) -> OwnCertificate:
    """The certificate in this folder for these host names and addresses, made or renewed when need be.

    Raises OSError when the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_file, certificate_file = folder / "key.pem", folder / "certificate.pem"
    key = _read_key(key_file)
    found = None if key is None else _read_certificate(certificate_file)
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        _write(key_file, _key_text(key))
    if found is None or not _fits(found, key, names, now):
        found = _make(key, names, now)
        _write(certificate_file, found.public_bytes(serialization.Encoding.PEM))
    fingerprint = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return OwnCertificate(certificate_file, key_file, fingerprint, found.not_valid_after_utc)


def _make(key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> x509.Certificate:
    """A certificate that is its own authority and can be no other's."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tradewarden")])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - HOURS_BACK)
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _fits(
    found: x509.Certificate, key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime
) -> bool:
    """Whether the certificate is this key's, has these names, and lasts long enough."""
    if found.public_key() != key.public_key() or found.not_valid_after_utc - now < RENEWED_BEFORE_END:
        return False
    held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {_name(each) for each in names} <= set(held)


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        found = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if isinstance(found, ec.EllipticCurvePrivateKey) else None


def _read_certificate(file: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


def utc_now() -> datetime:
    """The time of day; certificates are dated by it."""
    return datetime.now(UTC)
