"""A certificate for the live page that this machine makes itself: browsers ask once, and the fingerprint says whether it is this one."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master.errors import InputError
from worker.atomic_write import atomic_write

VALID_DAYS = 397
"""No browser takes longer (CA/Browser Forum, Baseline Requirements 6.3.2)."""


def make_certificate(certificate: Path, key: Path, names: list[str]) -> None:
    """Write a self-signed certificate for `names`, host names or addresses, and its key, which only its owner can read."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "piswarm")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    atomic_write(
        key,
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    atomic_write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


def fingerprint(certificate: Path) -> str:
    """The SHA-256 fingerprint, as browsers show it. Raises InputError for a file that is no certificate."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{certificate} is no certificate: {error}", hint="Make one: piswarm serve --make-certificate"
        ) from None
    return ":".join(f"{byte:02X}" for byte in found.fingerprint(hashes.SHA256()))


def check_pair(certificate: Path, key: Path) -> None:
    """Raises InputError where a server can't use the two."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"{certificate} with {key}: {error}", hint="Make both: piswarm serve --make-certificate"
        ) from None


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)
