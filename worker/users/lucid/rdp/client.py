"""Opens RDP connections: TCP, the first step of the connection sequence on it, and TLS where the server chooses it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from functools import cache

from worker.http.transport.kernel_timestamps import ANCILLARY_BYTES, enable_timestamps, received_s
from worker.users.lucid.rdp.connection import (
    TLS,
    TPKT_BYTES,
    Confirm,
    RdpError,
    connection_request,
    packet_bytes,
    parse_confirm,
)


class RdpConnection:
    """A connection to an RDP server, from the TCP connection on. What fails raises RdpError or OSError."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        """Connect. Raises OSError where nobody answers within `timeout_s` seconds, which also bound each step below."""
        self._timeout_s = timeout_s
        self._socket: socket.socket = socket.create_connection((host, port), timeout_s)
        enable_timestamps(self._socket)

    def request(self, user: str) -> tuple[Confirm, float]:
        """Ask for a connection as `user`; the server's confirm, and its latency in s, by the kernel's clock."""
        deadline_s = time.monotonic() + self._timeout_s
        sent_s = time.monotonic()
        self._socket.sendall(connection_request(user, TLS))
        packet, ended_s, wanted = b"", sent_s, TPKT_BYTES
        while len(packet) < wanted:
            self._socket.settimeout(max(0.001, deadline_s - time.monotonic()))
            piece, ancillary, _, _ = self._socket.recvmsg(wanted - len(packet), ANCILLARY_BYTES)
            if not piece:
                raise RdpError("the server hung up" + (" in the middle of its answer" if packet else ""))
            ended_s = received_s(ancillary, sent_s)
            packet += piece
            if len(packet) == TPKT_BYTES:
                wanted = packet_bytes(packet)
        return parse_confirm(packet, TLS), ended_s - sent_s

    def start_tls(self) -> None:
        """Go on by TLS. As RDP clients do on first use, any certificate is taken: a server makes its own."""
        self._socket.settimeout(self._timeout_s)
        self._socket = _tls_context().wrap_socket(self._socket)

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()


@cache
def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
