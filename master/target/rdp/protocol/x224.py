"""X.224 Connection Request and Connection Confirm as RDP uses them ([MS-RDPBCGR] 2.2.1.1 and 2.2.1.2). Pure.

A TPDU is what a TPKT frame holds:

    length of what follows this byte | code | destination reference (2) | source reference (2) | class | variable part

The variable part of a request is, each optional and in this order: a routing token or a cookie, both text that ends with
CR LF; RDP_NEG_REQ (8 bytes); RDP_NEG_CORRELATION_INFO (36 bytes). That of a confirm is RDP_NEG_RSP or RDP_NEG_FAILURE
(8 bytes each), if the request had an RDP_NEG_REQ. The structures of RDP are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from master.target.rdp.protocol.tpkt import HEADER_BYTES, ProtocolError

FIXED_BYTES = 7
MAX_TPDU_BYTES = 255  # the length byte is at most 254 (X.224, 13.2.1) and doesn't count itself
MAX_CONNECTION_FRAME_BYTES = HEADER_BYTES + MAX_TPDU_BYTES

CONNECTION_REQUEST = 0xE0
CONNECTION_CONFIRM = 0xD0
DISCONNECT_REQUEST = 0x80
DATA = 0xF0
_SERVER_REFERENCE = 0x1234  # [MS-RDPBCGR] 3.3.5.3.2

_FIXED = struct.Struct(">BBHHB")
_NEGOTIATION = struct.Struct("<BBHI")
_REQUEST, _RESPONSE, _FAILURE, _CORRELATION = 1, 2, 3, 6
_CORRELATION_BYTES = 36
_CORRELATION_INFO_PRESENT = 0x08
_LINE_END = b"\r\n"
_MAX_TEXTS = 2  # a routing token and a cookie together are a client's mistake that servers bear (3.3.5.3.1)


class Protocols(IntFlag):
    """Security protocols that a client offers, or the one that a server selects."""

    RDP = 0
    SSL = 1
    HYBRID = 2
    RDSTLS = 4
    HYBRID_EX = 8
    RDSAAD = 16


class Failure(IntEnum):
    """Why no security protocol could be agreed upon (RDP_NEG_FAILURE)."""

    SSL_REQUIRED_BY_SERVER = 1
    SSL_NOT_ALLOWED_BY_SERVER = 2
    SSL_CERT_NOT_ON_SERVER = 3
    INCONSISTENT_FLAGS = 4
    HYBRID_REQUIRED_BY_SERVER = 5
    SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER = 6


@dataclass(frozen=True, slots=True)
class ConnectionRequest:
    """A client's first message. `offered` is None from a client that doesn't negotiate; `texts` are token and cookie."""

    offered: Protocols | None = None
    texts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionConfirm:
    """The server's answer: a protocol, a failure, or neither for a client that didn't negotiate."""

    selected: Protocols | None = None
    failure: Failure | None = None


def pack_request(request: ConnectionRequest) -> bytes:
    """The TPDU of a Connection Request. Raises ValueError if it is longer than X.224 allows."""
    variable = b"".join(text + _LINE_END for text in request.texts)
    if request.offered is not None:
        variable += _NEGOTIATION.pack(_REQUEST, 0, _NEGOTIATION.size, request.offered)
    return _pack(CONNECTION_REQUEST, 0, variable)


def parse_request(tpdu: bytes) -> ConnectionRequest:
    """Parse a Connection Request. References, routing token and cookie are not looked into (3.3.5.3.1).

    Raises ProtocolError for whatever isn't one of class 0, and for bytes that no field accounts for.
    """
    variable = _variable_part(tpdu, CONNECTION_REQUEST)
    texts: list[bytes] = []
    while variable and variable[0] != _REQUEST:
        text, line_end, variable = variable.partition(_LINE_END)
        if not line_end or len(texts) == _MAX_TEXTS:
            raise ProtocolError("neither a cookie nor a negotiation request")
        texts.append(text)
    if not variable:
        return ConnectionRequest(None, tuple(texts))
    kind, flags, value = _negotiation(variable)
    if kind != _REQUEST:
        raise ProtocolError(f"a negotiation structure of type {kind}, not a request")
    rest = variable[_NEGOTIATION.size :]
    if flags & _CORRELATION_INFO_PRESENT:
        if len(rest) != _CORRELATION_BYTES or rest[:4] != bytes((_CORRELATION, 0, _CORRELATION_BYTES, 0)):
            raise ProtocolError("correlation info is announced, and is none")
    elif rest:
        raise ProtocolError(f"{len(rest)} bytes after the negotiation request")
    return ConnectionRequest(Protocols(value), tuple(texts))


def pack_confirm(confirm: ConnectionConfirm) -> bytes:
    """The TPDU of a Connection Confirm."""
    variable = b""
    if confirm.failure is not None:
        variable = _NEGOTIATION.pack(_FAILURE, 0, _NEGOTIATION.size, confirm.failure)
    elif confirm.selected is not None:
        variable = _NEGOTIATION.pack(_RESPONSE, 0, _NEGOTIATION.size, confirm.selected)
    return _pack(CONNECTION_CONFIRM, _SERVER_REFERENCE, variable)


def parse_confirm(tpdu: bytes) -> ConnectionConfirm:
    """Parse a Connection Confirm. Raises ProtocolError for anything else."""
    variable = _variable_part(tpdu, CONNECTION_CONFIRM)
    if not variable:
        return ConnectionConfirm()
    kind, _flags, value = _negotiation(variable)
    if len(variable) != _NEGOTIATION.size:
        raise ProtocolError(f"{len(variable) - _NEGOTIATION.size} bytes after the negotiation response")
    if kind == _RESPONSE:
        return ConnectionConfirm(selected=Protocols(value))
    if kind != _FAILURE:
        raise ProtocolError(f"a negotiation structure of type {kind}, neither response nor failure")
    try:
        return ConnectionConfirm(failure=Failure(value))
    except ValueError:
        raise ProtocolError(f"unknown negotiation failure {value}") from None


def _pack(code: int, source_reference: int, variable: bytes) -> bytes:
    length = FIXED_BYTES + len(variable)
    if length > MAX_TPDU_BYTES:
        raise ValueError(f"a connection TPDU has at most {MAX_TPDU_BYTES} bytes, not {length}")
    return _FIXED.pack(length - 1, code, 0, source_reference, 0) + variable


def _variable_part(tpdu: bytes, expected_code: int) -> bytes:
    if len(tpdu) < FIXED_BYTES:
        raise ProtocolError(f"a TPDU of {len(tpdu)} bytes, where {FIXED_BYTES} are fixed")
    length, code, _destination, _source, options = _FIXED.unpack_from(tpdu)
    if code & 0xF0 != expected_code:  # the low half is a credit, which class 0 doesn't use
        raise ProtocolError(f"TPDU {code:#04x}, not {expected_code:#04x}")
    if length != len(tpdu) - 1:
        raise ProtocolError(f"the TPDU says that {length} bytes follow, and {len(tpdu) - 1} do")
    if options & 0xF0:
        raise ProtocolError(f"X.224 class {options >> 4}, not 0")
    return tpdu[FIXED_BYTES:]


def _negotiation(variable: bytes) -> tuple[int, int, int]:
    """Type, flags and value of the structure at the beginning of `variable`."""
    if len(variable) < _NEGOTIATION.size:
        raise ProtocolError(f"a negotiation structure of {len(variable)} bytes, not {_NEGOTIATION.size}")
    kind, flags, length, value = _NEGOTIATION.unpack_from(variable)
    if length != _NEGOTIATION.size:
        raise ProtocolError(f"a negotiation structure that says it has {length} bytes, not {_NEGOTIATION.size}")
    return kind, flags, value
