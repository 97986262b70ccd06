"""TLS contexts: the court's own certificate, or a self-signed one so that cameras work beyond this machine."""

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID_FOR = timedelta(days=397)  # the longest that browsers accept (CA/Browser Forum ballot SC-31)
_RENEW_BEFORE = timedelta(days=30)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context for the certificate chain and key in PEM. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def self_signed(directory: Path, hosts: list[str], *, now: datetime | None = None) -> tuple[Path, Path]:
    """Return (certificate, key) files for `hosts`, making them when missing, near their end or for other hosts."""
    at = now or datetime.now(UTC)
    certificate, key = directory / "self-signed.pem", directory / "self-signed.key"
    if not _is_usable(certificate, key, hosts, at):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(certificate, key, hosts, at)
    return certificate, key


def _is_usable(certificate: Path, key: Path, hosts: list[str], at: datetime) -> bool:
    if not (certificate.is_file() and key.is_file()):
        return False
    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return set(names) == set(_names(hosts)) and parsed.not_valid_after_utc - at > _RENEW_BEFORE


def _names(hosts: list[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _make(certificate: Path, key: Path, hosts: list[str], at: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "court hearing service")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(hours=1))
        .not_valid_after(at + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
