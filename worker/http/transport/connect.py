"""Makes connections: name, address, TCP, a proxy's tunnel, TLS; all within one time limit.

Addresses are tried one after the other, in the order in which the system gives them (RFC 6724), each with an equal share of
the time that is left, not raced against each other (RFC 8305): which address was measured must not depend on a race.

Invariants: a connection is returned ready for a request, or its socket is closed; `connect_s` limits all the steps together;
an error names the host, and which step failed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple

import gevent
from gevent.monkey import get_original
from gevent.socket import getaddrinfo, wait_read, wait_write

from worker.http.errors import BadAnswerError, HttpError
from worker.http.protocol.reader import Reader
from worker.http.protocol.url import Origin
from worker.http.transport.connection import Connection, ResponseLimits
from worker.http.transport.kernel_timestamps import ANCILLARY_BYTES, enable_timestamps, received_s, round_trip_s
from worker.http.transport.tls import TlsCodec

# Connections wait in the hub by themselves: they need the system's socket, also where gevent has put its own in its place.
_Socket: type[socket.socket] = get_original("socket", "socket")
_RECEIVE_BYTES = 64 * 1024
_SHOWN_LENGTH = 40

_clock = time.monotonic


class ConnectSettings(NamedTuple):
    """How a user's connections are made. `connect_s` limits all the steps of making one, in seconds."""

    connect_s: float
    limits: ResponseLimits
    tls_context: Callable[[], ssl.SSLContext]
    proxy: Origin | None
    verify: bool | str | None = None
    """Whether servers' certificates are verified, or a file of CAs to verify against; None: as the user's own TLS context does."""


def connect(origin: Origin, settings: ConnectSettings) -> Connection:
    """Open a connection to `origin`. Raises OSError, also as ssl.SSLError and TimeoutError, or HttpError of a proxy."""
    return _Connector(origin, settings).connect()


class _Connector:
    """One connection in the making."""

    def __init__(self, origin: Origin, settings: ConnectSettings) -> None:
        self._origin = origin
        self._settings = settings
        self._peer = settings.proxy or origin
        self._peer_name = f"the proxy {self._peer}" if settings.proxy else str(self._peer)
        self._due_s = _clock() + settings.connect_s
        self._unread_s = 0.0  # seconds in which what had come was not looked at, where that held up the next step
        self._timestamped = True  # whether the kernel told that of every step
        self._last_unread_s = 0.0  # seconds in which what was received last was not looked at

    def connect(self) -> Connection:
        sock = self._open()
        try:
            tls = None
            if self._origin.scheme == "https":
                if self._settings.proxy is not None:
                    self._tunnel(sock)
                tls = TlsCodec(self._settings.tls_context(), self._origin.host)
                self._handshake(sock, tls)
            return Connection(sock, tls, self._settings.limits, self._unread_s if self._timestamped else None)
        except BaseException:
            sock.close()
            raise

    def _open(self) -> socket.socket:
        addresses = self._resolve()
        for tried, (family, kind, protocol, _, address) in enumerate(addresses, 1):
            try:
                # A silent first address must leave time for the next.
                return self._connect_tcp(family, kind, protocol, address, self._left_s() / (len(addresses) - tried + 1))
            except OSError:
                self._timestamped = False
                if tried == len(addresses):
                    raise
        raise AssertionError("a name has at least one address")

    def _resolve(self) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
        host, port = self._peer.host, self._peer.port
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, host)
            except OSError:
                continue
            return [(family, socket.SOCK_STREAM, 0, "", (host, port))]
        self._timestamped = False
        try:
            host.encode("idna")  # as the system will do, in another thread
            with gevent.Timeout(self._left_s(), self._timeout("finding the address of")):
                return list(getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except socket.gaierror as error:
            raise socket.gaierror(error.errno, f"no address for {host!r}: {error.strerror}") from None
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, f"{host[:_SHOWN_LENGTH]!r} is not a host name") from None

    def _connect_tcp(
        self, family: int, kind: int, protocol: int, address: tuple[object, ...], wait_s: float
    ) -> socket.socket:
        try:
            sock = _Socket(family, kind, protocol)
        except OSError as error:
            raise self._with_peer(error) from None
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            enable_timestamps(sock)
            begun_s = _clock()
            problem = sock.connect_ex(address)
            if problem == errno.EINPROGRESS:
                wait_write(sock.fileno(), timeout=wait_s, timeout_exc=self._timeout("connecting to"))
                problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._count_unread(sock, begun_s)
        except BaseException:
            sock.close()
            raise
        if problem:
            sock.close()
            raise self._with_peer(OSError(problem, os.strerror(problem)))
        return sock

    def _count_unread(self, sock: socket.socket, begun_s: float) -> None:
        took_s = round_trip_s(sock)
        if took_s is None:
            self._timestamped = False
        else:
            self._unread_s += max(0.0, _clock() - begun_s - took_s)

    def _tunnel(self, sock: socket.socket) -> None:
        """Have the proxy connect to the origin: authority-form, any 2xx opens the tunnel (RFC 9110 9.3.6, RFC 9112 3.2.3)."""
        self._send(sock, f"CONNECT {self._origin} HTTP/1.1\r\nHost: {self._origin}\r\n\r\n".encode("ascii"))
        reader = Reader(0)
        reader.begin(bodiless=False, streamed=True)  # a refusal may come with a page
        try:
            while reader.head is None:
                data = self._receive(sock)
                if not data:
                    raise BadAnswerError("closed without an answer to CONNECT")
                reader.feed(data)
            self._unread_s += self._last_unread_s
        except HttpError as error:
            raise BadAnswerError(f"{self._peer_name}: {error}") from None
        status = reader.head.status
        if not 200 <= status < 300:
            raise BadAnswerError(f"{self._peer_name} refused a tunnel to {self._origin} with status {status}")

    def _handshake(self, sock: socket.socket, tls: TlsCodec) -> None:
        received = b""
        while True:
            try:
                done, answer = tls.handshake(received)
            except ssl.SSLError as error:
                with contextlib.suppress(OSError):
                    sock.send(tls.reply())  # why: for the server's log
                raise self._tls_error(error) from None
            if answer or done:
                self._unread_s += self._last_unread_s
                self._last_unread_s = 0.0
            self._send(sock, answer)
            if done:
                return
            received = self._receive(sock)
            if not received:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, f"{self._origin} closed within the TLS handshake")

    def _tls_error(self, error: ssl.SSLError) -> ssl.SSLError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ssl.SSLCertVerificationError(
                error.errno,
                f"{self._origin}: certificate verify failed: {error.verify_message}"
                " (ca_file trusts a CA of your own; insecure = True turns the check off)",
            )
        return type(error)(error.errno, f"TLS with {self._origin}: {error.strerror}")

    def _send(self, sock: socket.socket, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[sock.send(left) :]
            except BlockingIOError:
                wait_write(sock.fileno(), timeout=self._left_s(), timeout_exc=self._timeout("talking to"))
            except OSError as error:
                raise self._with_peer(error) from None

    def _receive(self, sock: socket.socket) -> bytes:
        sent_s = _clock()
        while True:
            try:
                data, ancillary, _, _ = sock.recvmsg(_RECEIVE_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                wait_read(sock.fileno(), timeout=self._left_s(), timeout_exc=self._timeout("waiting for"))
            except OSError as error:
                raise self._with_peer(error) from None
            else:
                self._timestamped = self._timestamped and bool(ancillary)
                self._last_unread_s = _clock() - received_s(ancillary, sent_s)
                return data

    def _with_peer(self, error: OSError) -> OSError:
        """`error` with the peer's name."""
        return OSError(error.errno, f"{error.strerror} by {self._peer_name}")

    def _left_s(self) -> float:
        """Seconds left of `connect_s`, at least 1 ms: what is ready at once is taken, though late."""
        return max(0.001, self._due_s - _clock())

    def _timeout(self, doing: str) -> TimeoutError:
        return TimeoutError(f"{doing} {self._peer_name} took more than {self._settings.connect_s:g} s")
