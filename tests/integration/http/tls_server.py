"""A server behind TLS, with a certificate of the tests' own authority."""

from __future__ import annotations

import ssl
from pathlib import Path

import gevent.ssl
from gevent.server import StreamServer
from http_server import Server


class TlsServer(Server):
    """A Server behind TLS with the certificate in `chain`; `names` are those that clients sent in SNI."""

    def __init__(self, chain: Path, ca: Path | None = None, *, version: ssl.TLSVersion | None = None) -> None:
        super().__init__()
        self.names: list[str | None] = []
        context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        if ca is not None:
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
        if version is not None:
            context.minimum_version = context.maximum_version = version
        self._plain = self._streams
        self._plain.stop()
        self._streams = StreamServer(("127.0.0.1", 0), self._serve, ssl_context=context)
        self._streams.start()
        self.url = f"https://127.0.0.1:{self._streams.server_port}"
