"""Opens RDP connections: a TCP connection, the first step of the connection sequence on it, and its end."""

from __future__ import annotations

import socket
import time

from worker.http.transport.kernel_timestamps import ANCILLARY_BYTES, enable_timestamps, received_s
from worker.users.lucid.rdp_connection import (
    TPKT_BYTES,
    Confirm,
    RdpError,
    connection_request,
    packet_bytes,
    parse_confirm,
)


class RdpReply:
    """The server's confirm; `kernel_latency_ms` is by the kernel's clock, as that of an HTTP response of ours."""

    __slots__ = ("confirm", "kernel_latency_ms", "received_bytes")

    def __init__(self, confirm: Confirm, latency_ms: float, received_bytes: int) -> None:
        self.confirm = confirm
        self.kernel_latency_ms = latency_ms
        self.received_bytes = received_bytes


def open_connection(host: str, port: int, user: str, timeout_s: float) -> RdpReply:
    """Connect as `user` and take the server's confirm. Raises RdpError, and OSError without an answer in `timeout_s` seconds."""
    deadline_s = time.monotonic() + timeout_s
    with socket.create_connection((host, port), timeout_s) as sock:
        enable_timestamps(sock)
        sent_s = time.monotonic()
        sock.sendall(connection_request(user))
        packet, ended_s = b"", sent_s
        wanted = TPKT_BYTES
        while len(packet) < wanted:
            sock.settimeout(max(0.001, deadline_s - time.monotonic()))
            piece, ancillary, _, _ = sock.recvmsg(wanted - len(packet), ANCILLARY_BYTES)
            if not piece:
                raise RdpError("the server hung up" + (" in the middle of its answer" if packet else ""))
            ended_s = received_s(ancillary, sent_s)
            packet += piece
            if len(packet) == TPKT_BYTES:
                wanted = packet_bytes(packet)
        return RdpReply(parse_confirm(packet), 1000 * (ended_s - sent_s), len(packet))
