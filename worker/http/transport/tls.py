"""TLS as a codec: plain bytes in, encrypted bytes out and the other way round. No socket here.

Certificates are verified against the system's CAs, or a file's, and must name the host that was asked for (RFC 9110 4.3.4,
RFC 9525 6, RFC 5280 6), by the `ssl` module, unless the user is `insecure`. The host is sent in SNI (RFC 6066 3).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

_RECORDS_BYTES = 256 * 1024  # what one read takes out of the library at most; it is asked until it has no more
_MAX_CONTEXTS = 64
_contexts: dict[tuple[Any, ...], ssl.SSLContext] = {}


def shared_context(
    factory: Callable[[], ssl.SSLContext] | None, ca_file: str | None, *, insecure: bool
) -> ssl.SSLContext:
    """The one TLS context of all users with these settings: that of `factory`, else one that verifies unless `insecure`.

    A method is the same factory for all users of its class. Raises OSError if `ca_file` can't be read, and ssl.SSLError if
    it holds no certificate.
    """
    key = (getattr(factory, "__func__", factory), ca_file, insecure)
    context = _contexts.get(key)
    if context is None:
        if len(_contexts) >= _MAX_CONTEXTS:
            _contexts.clear()
        context = _contexts[key] = _context(ca_file, insecure=insecure) if factory is None else factory()
    return context


def _context(ca_file: str | None, *, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise type(error)(error.errno, f"ca_file {ca_file}: {error.strerror}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class TlsCodec:
    """The client's end of one TLS connection with `host`."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ended = False
        """Whether the peer has said that no more will come: close_notify (RFC 8446 6.1, RFC 9112 9.8)."""

    def handshake(self, received: bytes) -> tuple[bool, bytes]:
        """One step of the handshake: whether it is done, and what to send. Raises ssl.SSLError, also for a refused certificate."""
        self._incoming.write(received)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False, self._outgoing.read()
        return True, self._outgoing.read()

    def encrypt(self, plain: bytes) -> bytes:
        """The records to send that carry `plain`."""
        self._tls.write(plain)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """The content of the received records, which may be empty yet. Raises ssl.SSLError."""
        self._incoming.write(received)
        pieces = []
        try:
            while piece := self._tls.read(_RECORDS_BYTES):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(pieces)

    def reply(self) -> bytes:
        """What TLS itself has to send after `decrypt`, such as the reply to a key update."""
        return self._outgoing.read()
