"""Certificates for servers on loopback: an authority made for one test, and servers' certificates with any fault."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternatives(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return x509.SubjectAlternativeName([general(name) for name in names])


@dataclass(frozen=True)
class Authority:
    """A certification authority; `file` is what a client is told to trust."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        """The authority's own certificate, in PEM."""
        return self.folder / "authority.pem"

    def server(self, *names: str, valid: tuple[datetime, datetime] | None = None) -> ssl.SSLContext:
        """A server's TLS context whose certificate bears these names (host names or addresses)."""
        begin, end = valid or _around_now()
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(names[0], key, begin, end)
            .issuer_name(self.certificate.subject)
            .add_extension(_alternatives(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _context(self.folder, key, certificate)


def make_authority(folder: Path) -> Authority:
    """Make an authority whose files lie in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("an authority for tests", key, *_around_now())
        .issuer_name(_name("an authority for tests"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(folder, key, certificate)
    authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return authority


def self_signed(folder: Path, *names: str) -> ssl.SSLContext:
    """A server's TLS context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(names[0], key, *_around_now())
        .issuer_name(_name(names[0]))
        .add_extension(_alternatives(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _context(folder, key, certificate)


def _around_now() -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return now - timedelta(days=1), now + timedelta(days=90)


def _builder(subject: str, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _context(folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
    path = folder / f"server-{certificate.serial_number}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
