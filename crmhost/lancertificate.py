"""Certificates for a customer's site in a network of its own: an authority for one host name, and what it signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crm.errors import Refused
from playbooks.lan.sites import AUTHORITY_SECRETS

AUTHORITY, AUTHORITY_KEY = AUTHORITY_SECRETS
CERTIFICATE, KEY = "tls-certificate", "tls-key"
"""The names of a contract's secrets, PEM texts."""
EARLY = timedelta(days=30)
"""How long before its end a certificate is made anew."""
_AUTHORITY_LASTS = timedelta(days=3650)
_LASTS = timedelta(days=397)
"""What browsers accept."""
_SLACK = timedelta(hours=1)  # clocks of devices may be behind


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, with all between it and its authority, and its private key; PEM texts."""

    certificate: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, certificate: str | None, key: str | None) -> Pair | None:
        """Return the pair, where there are both."""
        return None if certificate is None or key is None else cls(certificate, key)


def authority(host: str, now: datetime) -> Pair:
    """Return a new authority, which may sign for that host and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"crmhost for {host}"[:64])])
    made = (
        _builder(name, name, key, now, _AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([_constraint(host)], None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(_pem(made), _key_pem(key))


def issue(root: Pair, host: str, now: datetime) -> Pair:
    """Return a new certificate for the host, signed by the authority."""
    issuer = x509.load_pem_x509_certificate(root.certificate.encode())
    signer = _private(root.key)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    lasts = min(_LASTS, issuer.not_valid_after_utc - now)
    made = (
        _builder(name, issuer.subject, key, now, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_name(host)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type] # ours is an EC key
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    return Pair(_pem(made), _key_pem(key))


def renewed(pair: Pair, host: str, now: datetime) -> bool:
    """Tell whether a certificate of crmhost's own has to be made anew: it ends soon, or is for another host."""
    try:
        found = x509.load_pem_x509_certificate(pair.certificate.encode())
        _private(pair.key)
    except ValueError:
        return True
    return found.not_valid_after_utc - now < EARLY or not _is_for(found, host)


def checked(pair: Pair, host: str, now: datetime, where: str) -> Pair:
    """Return a customer's own certificate; raises Refused for one that browsers would not believe for the host."""
    remedy = f"set the contract's secrets {CERTIFICATE} and {KEY} anew; nothing was done"
    try:
        chain = x509.load_pem_x509_certificates(pair.certificate.encode())
        key = _private(pair.key)
    except (ValueError, TypeError) as error:
        raise Refused(
            f"{where} or its key is no PEM text without a passphrase ({type(error).__name__})", remedy
        ) from None
    found = chain[0]
    if _public(found.public_key()) != _public(key.public_key()):
        raise Refused(f"{where} does not belong to the key beside it", f"put the host's own first, and {remedy}")
    if not _is_for(found, host):
        raise Refused(f"{where} is not for {host}", remedy)
    if not found.not_valid_before_utc <= now < found.not_valid_after_utc:
        span = f"{found.not_valid_before_utc:%Y-%m-%d} to {found.not_valid_after_utc:%Y-%m-%d}"
        raise Refused(f"{where} is valid from {span}, and not now", remedy)
    return pair


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _constraint(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_network(host))
    except ValueError:
        return x509.DNSName(host)


def _is_for(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether a certificate is for the host; that of an authority, whether it may sign for it."""
    try:
        constraint = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        pass
    else:
        return _constraint(host) in (constraint.permitted_subtrees or [])
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    above = host.partition(".")[2]
    dns = names.get_values_for_type(x509.DNSName)
    return _name(host) in list(names) or host in dns or bool(above and f"*.{above}" in dns)


def _private(text: str) -> CertificateIssuerPrivateKeyTypes:
    key = serialization.load_pem_private_key(text.encode(), None)
    if not hasattr(key, "sign"):
        raise ValueError("this key signs nothing")
    return key  # type: ignore[return-value] # one that signs


def _public(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined,no-any-return] # every public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
