"""TLS: a certificate that clients can verify, and no protocol or cipher of the past."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from master.audit.checks.check import Check
from master.audit.client import UnreachableError, ssl_context
from master.audit.finding import Finding, Rule, Severity
from master.audit.site import NotApplicableError, Site

_SOON = timedelta(days=14)
_MIN_RSA_BITS = 2048
_KEY_TOO_SMALL = 66  # OpenSSL's X509_V_ERR_EE_KEY_TOO_SMALL
_OLD = (("TLS 1.0", ssl.TLSVersion.TLSv1), ("TLS 1.1", ssl.TLSVersion.TLSv1_1))
_WEAK_CIPHERS = "aNULL:eNULL:RC4:3DES:DES:EXPORT:MD5@SECLEVEL=0"

_UNTRUSTED = Rule(
    "tls/certificate",
    "The certificate can't be verified",
    Severity.HIGH,
    "Serve a certificate for this name by an authority that clients trust, with its chain; for one of your own say --ca-file.",
    ("CWE-295", "CWE-298", "OWASP ASVS 5.0 12.2.2"),
)
_EXPIRING = Rule(
    "tls/certificate-expires",
    "The certificate expires within 14 days",
    Severity.LOW,
    "Renew certificates automatically, at two thirds of their time.",
    ("CWE-298",),
)
_KEY = Rule(
    "tls/short-key",
    "The certificate's RSA key is too short",
    Severity.HIGH,
    f"Use an EC key, or RSA with {_MIN_RSA_BITS} bits or more.",
    ("CWE-326", "OWASP ASVS 5.0 11.2.3"),
)
_PROTOCOL = Rule(
    "tls/old-protocol",
    "A protocol is accepted that is no longer to be used",
    Severity.MEDIUM,
    "Accept TLS 1.2 and 1.3 alone.",
    ("CWE-327", "OWASP ASVS 5.0 12.1.1", "RFC 8996"),
)
_CIPHER = Rule(
    "tls/weak-cipher",
    "A cipher is accepted that does not protect",
    Severity.HIGH,
    "Accept AEAD ciphers with forward secrecy alone.",
    ("CWE-327", "OWASP ASVS 5.0 12.1.2"),
)


class TlsCheck(Check):
    """Makes a few connections, each with what a client of today would not accept. Handshakes only."""

    id = "tls"
    title = "TLS"
    rules: ClassVar[tuple[Rule, ...]] = (_UNTRUSTED, _EXPIRING, _KEY, _PROTOCOL, _CIPHER)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        if not site.address.is_encrypted:
            raise NotApplicableError("the URL asks for no TLS (the check `encryption` judges that)")
        if error := _distrust(site):
            yield _UNTRUSTED.found(f"{site.address.origin}: {error}")
        unverified = _unverified()
        certificate = x509.load_der_x509_certificate(_connect(site, unverified)[0])
        left = certificate.not_valid_after_utc - datetime.now(UTC)
        if timedelta(0) < left < _SOON:
            yield _EXPIRING.found(f"it expires at {certificate.not_valid_after_utc.isoformat()}")
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
            yield _KEY.found(f"RSA with {key.key_size} bits")
        yield from self._accepted(site)

    def _accepted(self, site: Site) -> Iterator[Finding]:
        for name, version in _OLD:
            context = _unverified("DEFAULT@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
                context.minimum_version = context.maximum_version = version
            with suppress(ssl.SSLError, ConnectionError):
                yield _PROTOCOL.found(f"{name} is accepted, with {_connect(site, context)[1]}")
                break
        with suppress(ssl.SSLError, ConnectionError):
            context = _unverified(_WEAK_CIPHERS)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            yield _CIPHER.found(f"{_connect(site, context)[1]} is accepted")


def _distrust(site: Site) -> ssl.SSLError | None:
    """Why the certificate can't be verified, but for its short key, which is a finding of its own."""
    context = ssl_context(site.client.ca_file)
    error = _refusal(site, context)
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == _KEY_TOO_SMALL:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        return _refusal(site, context)
    return error


def _refusal(site: Site, context: ssl.SSLContext) -> ssl.SSLError | None:
    try:
        _connect(site, context)
    except ssl.SSLError as error:
        return error
    return None


def _unverified(ciphers: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def _connect(site: Site, context: ssl.SSLContext) -> tuple[bytes, str]:
    """The certificate of a connection, and its cipher. Raises SSLError, ConnectionError, and UnreachableError for all else."""
    timeout_s = site.client.connect_within_s()
    try:
        with (
            socket.create_connection((site.address.ip, site.address.port), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=site.address.host) as secured,
        ):
            cipher = secured.cipher()
            return secured.getpeercert(binary_form=True) or b"", cipher[0] if cipher else "no cipher"
    except (ssl.SSLError, ConnectionError):
        raise
    except OSError as error:
        raise UnreachableError(f"TLS: {error}") from None
