"""An RDP server's side of a connection, from bytes to bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.rdp.protocol.connection import Security, ServerConnection, negotiate
from master.target.rdp.protocol.tpkt import ProtocolError, pack_frame, take_frame
from master.target.rdp.protocol.x224 import (
    ConnectionConfirm,
    ConnectionRequest,
    Failure,
    Protocols,
    pack_request,
    parse_confirm,
)

RDP, TLS, BOTH = Security.RDP, Security.TLS, Security.NEGOTIATE
DATA = pack_frame(b"\x02\xf0\x80payload")
DISCONNECT = pack_frame(b"\x06\x80\0\0\0\0\0")


def request(offered: Protocols | None = Protocols.RDP) -> bytes:
    return pack_frame(pack_request(ConnectionRequest(offered)))


def answered(security: Security, offered: Protocols | None) -> tuple[ServerConnection, ConnectionConfirm]:
    """A connection after its request, and the answer."""
    connection = ServerConnection(security)
    payload = take_frame(bytearray(connection.receive(request(offered))))
    assert payload is not None
    return connection, parse_confirm(payload)


@pytest.mark.parametrize(
    ("security", "offered", "expected"),
    [
        (RDP, None, ConnectionConfirm()),
        (RDP, Protocols.RDP, ConnectionConfirm(selected=Protocols.RDP)),
        (RDP, Protocols.SSL, ConnectionConfirm(failure=Failure.SSL_NOT_ALLOWED_BY_SERVER)),
        (RDP, Protocols.SSL | Protocols.HYBRID, ConnectionConfirm(failure=Failure.SSL_NOT_ALLOWED_BY_SERVER)),
        (TLS, Protocols.SSL | Protocols.HYBRID, ConnectionConfirm(selected=Protocols.SSL)),
        (TLS, Protocols.RDP, ConnectionConfirm(failure=Failure.SSL_REQUIRED_BY_SERVER)),
        (BOTH, None, ConnectionConfirm()),
        (BOTH, Protocols.RDP, ConnectionConfirm(selected=Protocols.RDP)),
        (BOTH, Protocols.SSL | Protocols.HYBRID, ConnectionConfirm(selected=Protocols.SSL)),
        (BOTH, Protocols.HYBRID, ConnectionConfirm(failure=Failure.SSL_REQUIRED_BY_SERVER)),
        (TLS, Protocols.HYBRID, ConnectionConfirm(failure=Failure.SSL_REQUIRED_BY_SERVER)),
    ],
)
def test_security_is_negotiated(security: Security, offered: Protocols | None, expected: ConnectionConfirm) -> None:
    """A server selects its own protocol or says why it can't; a failed negotiation ends the connection."""
    connection, confirm = answered(security, offered)
    assert confirm == expected
    assert connection.over == (expected.failure is not None)
    assert connection.confirmed != connection.over


def test_a_client_that_does_not_negotiate_gets_no_answer_from_a_server_that_needs_tls() -> None:
    """The specification leaves nothing to answer it with."""
    with pytest.raises(ProtocolError, match="needs TLS"):
        negotiate(ConnectionRequest(None), TLS)


@given(st.lists(st.integers(1, 6), max_size=20))
def test_an_established_connection_is_followed_however_it_is_cut(sizes: list[int]) -> None:
    """Data of any number of frames, cut anywhere, end with the client's Disconnect Request."""
    connection, _ = answered(RDP, Protocols.RDP)
    stream = DATA * 3 + DISCONNECT
    for size in [*sizes, len(stream)]:
        if not connection.over:
            assert connection.receive(stream[:size]) == b""
            stream = stream[size:]
    assert connection.over


def test_a_long_frame_is_not_held() -> None:
    """Of 64 KiB of data nothing stays but the count of what is to be skipped."""
    connection, _ = answered(RDP, Protocols.RDP)
    connection.receive(pack_frame(b"\x02\xf0\x80" + bytes(65_000)))
    assert not connection._received
    connection.receive(DISCONNECT)
    assert connection.over


@pytest.mark.parametrize("data", [b"\x16\x03\x01\0\0\0\0\0", pack_frame(b"\x06\xe0\0\0\0\0\0"), b"\x03\0\0\x02"])
def test_garbage_on_an_established_connection_breaks_the_protocol(data: bytes) -> None:
    """Neither TLS where none was agreed on, nor a second request, nor an impossible length is borne."""
    connection, _ = answered(RDP, Protocols.RDP)
    with pytest.raises(ProtocolError):
        connection.receive(data)


def test_a_client_waits_for_its_answer() -> None:
    """What follows the request in the same breath breaks the protocol."""
    with pytest.raises(ProtocolError, match="went on"):
        ServerConnection(RDP).receive(request() + b"x")


@given(st.lists(st.binary(max_size=400), max_size=8), st.sampled_from(Security))
def test_no_bytes_do_anything_but_be_answered_or_break_the_protocol(pieces: list[bytes], security: Security) -> None:
    """Hostile bytes raise nothing but ProtocolError, and never more is held than a request may have."""
    connection = ServerConnection(security)
    try:
        for piece in pieces:
            connection.receive(piece)
            assert len(connection._received) <= 260
    except ProtocolError:
        pass
