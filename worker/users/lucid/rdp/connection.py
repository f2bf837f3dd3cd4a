r"""The first step of an RDP connection: the client's X.224 connection request, and the server's confirm ([MS-RDPBCGR] 2.2.1.1, 2.2.1.2).

TPKT header  03 00, length of the whole packet (RFC 1006 6)
X.224        length of what follows, E0 for a request or D0 for a confirm, references, class 0 (ITU-T X.224 13.3, 13.4)
cookie       "Cookie: mstshash=NAME\r\n", in a request only
negotiation  type, flags, length 8, and security protocols, or the code of a failure; little-endian
"""

from __future__ import annotations

import struct
from typing import NamedTuple

TLS = 1
"""PROTOCOL_SSL: TLS 1.0 or newer."""
CREDSSP = 2
"""PROTOCOL_HYBRID: CredSSP over TLS."""

TPKT_BYTES = 4
MAX_CONFIRM_BYTES = 64
"""A confirm has 19 bytes, or 11 without a negotiation."""

_REQUEST, _CONFIRM = 0xE0, 0xD0
_NEGOTIATION_REQUEST, _NEGOTIATION_RESPONSE, _NEGOTIATION_FAILURE = 1, 2, 3
_tpkt = struct.Struct(">BBH")
_x224 = struct.Struct(">BBHHB")
_negotiation = struct.Struct("<BBHL")
_FAILURES = {
    1: "SSL_REQUIRED_BY_SERVER",
    2: "SSL_NOT_ALLOWED_BY_SERVER",
    3: "SSL_CERT_NOT_ON_SERVER",
    4: "INCONSISTENT_FLAGS",
    5: "HYBRID_REQUIRED_BY_SERVER",
    6: "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
}


class RdpError(Exception):
    """The server has answered with no confirm, or refuses."""


class Confirm(NamedTuple):
    """The server's answer. `protocol` is the one that it has chosen; 0 is RDP's own security, without TLS."""

    protocol: int


def connection_request(user: str, protocols: int = TLS | CREDSSP) -> bytes:
    """The packet that opens a connection for `user`, who can do these security protocols."""
    cookie = f"Cookie: mstshash={user}\r\n".encode("ascii")
    body = cookie + _negotiation.pack(_NEGOTIATION_REQUEST, 0, _negotiation.size, protocols)
    x224 = _x224.pack(_x224.size - 1 + len(body), _REQUEST, 0, 0, 0)
    return _tpkt.pack(3, 0, TPKT_BYTES + len(x224) + len(body)) + x224 + body


def packet_bytes(header: bytes) -> int:
    """The length of the packet that begins with this TPKT header. Raises RdpError for what is none, or too long."""
    version, _, length = _tpkt.unpack(header)
    if version != 3:
        raise RdpError(f"no TPKT packet: version {version} in place of 3")
    if not TPKT_BYTES + _x224.size <= length <= MAX_CONFIRM_BYTES:
        raise RdpError(f"a packet of {length} bytes is no connection confirm")
    return int(length)


def parse_confirm(packet: bytes, protocols: int = TLS | CREDSSP) -> Confirm:
    """The confirm in this whole packet, to a request with these `protocols`. Raises RdpError."""
    if len(packet) != packet_bytes(packet[:TPKT_BYTES]):
        raise RdpError("the packet's length is not the one that it tells")
    indicated, kind, *_ = _x224.unpack_from(packet, TPKT_BYTES)
    if kind != _CONFIRM:
        raise RdpError(f"X.224 code {kind:#04x} in place of a connection confirm")
    if indicated != len(packet) - TPKT_BYTES - 1:
        raise RdpError("X.224's length indicator contradicts the packet")
    negotiation = packet[TPKT_BYTES + _x224.size :]
    if not negotiation:
        return Confirm(0)
    if len(negotiation) != _negotiation.size:
        raise RdpError(f"a negotiation of {len(negotiation)} bytes in place of {_negotiation.size}")
    answer, _, length, value = _negotiation.unpack(negotiation)
    if length != _negotiation.size or answer not in {_NEGOTIATION_RESPONSE, _NEGOTIATION_FAILURE}:
        raise RdpError("no answer to the negotiation")
    if answer == _NEGOTIATION_FAILURE:
        raise RdpError(f"the server refuses: {_FAILURES.get(value, value)}")
    if value and not value & protocols:
        raise RdpError(f"the server chose protocol {value}, which was not offered")
    return Confirm(int(value))
