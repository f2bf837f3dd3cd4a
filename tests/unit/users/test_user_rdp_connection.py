"""The first packets of an RDP connection, byte for byte."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.users.lucid.rdp.connection import (
    CREDSSP,
    TLS,
    Confirm,
    RdpError,
    connection_request,
    packet_bytes,
    parse_confirm,
)

# [MS-RDPBCGR] 4.1.1 and 4.1.2, the annotated packets of the specification: the request asks for no protocol but RDP's own.
SPECIFIED_REQUEST = bytes.fromhex(
    "03 00 00 2c 27 e0 00 00 00 00 00 43 6f 6f 6b 69 65 3a 20 6d 73 74 73 68 61 73 68 3d 65 6c 74 6f 6e 73 0d 0a"
    "01 00 08 00 00 00 00 00"
)
SPECIFIED_CONFIRM = bytes.fromhex("03 00 00 13 0e d0 00 00 12 34 00 02 00 08 00 00 00 00 00")


def confirm(negotiation: bytes, code: int = 0xD0) -> bytes:
    x224 = bytes((6 + len(negotiation), code, 0, 0, 0x12, 0x34, 0)) + negotiation
    return bytes((3, 0, 0, 4 + len(x224))) + x224


def test_the_request_is_that_of_the_specification() -> None:
    assert connection_request("eltons", 0) == SPECIFIED_REQUEST


def test_the_confirm_of_the_specification_is_read() -> None:
    assert packet_bytes(SPECIFIED_CONFIRM[:4]) == len(SPECIFIED_CONFIRM)
    assert parse_confirm(SPECIFIED_CONFIRM) == Confirm(0)


@pytest.mark.parametrize(("protocol"), [TLS, CREDSSP])
def test_the_chosen_protocol_is_told(protocol: int) -> None:
    assert parse_confirm(confirm(bytes((2, 0, 8, 0, protocol, 0, 0, 0)))) == Confirm(protocol)


def test_a_server_that_does_not_negotiate_has_the_security_of_rdp_itself() -> None:
    assert parse_confirm(confirm(b"")) == Confirm(0)


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (confirm(bytes((3, 0, 8, 0, 5, 0, 0, 0))), "the server refuses: HYBRID_REQUIRED_BY_SERVER"),
        (confirm(bytes((3, 0, 8, 0, 99, 0, 0, 0))), "the server refuses: 99"),
        (confirm(bytes((2, 0, 8, 0, 8, 0, 0, 0))), "chose protocol 8, which was not offered"),
        (confirm(bytes((9, 0, 8, 0, 1, 0, 0, 0))), "no answer to the negotiation"),
        (confirm(bytes((2, 0, 9, 0, 1, 0, 0, 0))), "no answer to the negotiation"),
        (confirm(b"\2\0\x08\0"), "a negotiation of 4 bytes"),
        (confirm(b"", code=0x80), "X.224 code 0x80 in place of a connection confirm"),
        (SPECIFIED_CONFIRM[:4] + b"\x0d" + SPECIFIED_CONFIRM[5:], "length indicator contradicts"),
        (SPECIFIED_CONFIRM[:-1], "length is not the one that it tells"),
        (b"HTTP/1.1 400 Bad Request", "no TPKT packet: version 72 in place of 3"),
        (bytes((3, 0, 255, 255)), "a packet of 65535 bytes is no connection confirm"),
        (bytes((3, 0, 0, 4)), "a packet of 4 bytes is no connection confirm"),
    ],
)
def test_another_answer_is_refused_with_what_is_wrong(packet: bytes, says: str) -> None:
    with pytest.raises(RdpError, match=says):
        parse_confirm(packet)


@given(st.binary(min_size=4, max_size=80))
def test_whatever_a_server_sends_is_a_confirm_or_an_rdp_error(packet: bytes) -> None:
    with suppress(RdpError):
        assert parse_confirm(packet).protocol in {0, TLS, CREDSSP, TLS | CREDSSP}


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=60))
def test_every_request_tells_its_own_length(user: str) -> None:
    request = connection_request(user)
    assert int.from_bytes(request[2:4], "big") == len(request)
    assert request[4] == len(request) - 5
    assert f"mstshash={user}\r\n".encode() in request
