"""The bytes of the first step of an RDP connection: dumps from the specification, and whatever a hostile peer sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.rdp.protocol.tpkt import MAX_FRAME_BYTES, ProtocolError, frame_bytes, pack_frame, take_frame
from master.target.rdp.protocol.x224 import (
    MAX_CONNECTION_FRAME_BYTES,
    ConnectionConfirm,
    ConnectionRequest,
    Failure,
    Protocols,
    pack_confirm,
    pack_request,
    parse_confirm,
    parse_request,
)

# [MS-RDPBCGR] 4.1.1 and 4.1.2: the specification's own examples.
REQUEST = bytes.fromhex("0300002c27e00000000000436f6f6b69653a206d737473686173683d656c746f6e730d0a0100080000000000")
CONFIRM = bytes.fromhex("030000130ed000001234000200080000000000")

texts = st.lists(
    st.from_regex(rb"\ACookie: mst[a-z]{1,5}=[a-zA-Z0-9.]{0,60}\Z").filter(lambda text: b"\r\n" not in text), max_size=2
)
offers = st.none() | st.integers(0, 31).map(Protocols)


def tpdu(frame: bytes) -> bytes:
    """What a frame holds."""
    payload = take_frame(bytearray(frame))
    assert payload is not None
    return payload


def test_the_request_of_the_specification_is_understood() -> None:
    """The example of 4.1.1 is parsed and packed to the same bytes."""
    request = parse_request(tpdu(REQUEST))
    assert request == ConnectionRequest(Protocols.RDP, (b"Cookie: mstshash=eltons",))
    assert pack_frame(pack_request(request)) == REQUEST


def test_the_confirm_of_the_specification_is_understood() -> None:
    """The example of 4.1.2 is parsed and packed to the same bytes."""
    confirm = parse_confirm(tpdu(CONFIRM))
    assert confirm == ConnectionConfirm(selected=Protocols.RDP)
    assert pack_frame(pack_confirm(confirm)) == CONFIRM


def test_a_request_may_carry_correlation_info() -> None:
    """Its 36 bytes are taken when they are announced, and only then."""
    negotiation = bytes((1, 8, 8, 0, 3, 0, 0, 0))
    correlation = bytes((6, 0, 36, 0)) + bytes(range(1, 17)) + bytes(16)

    def request(variable: bytes) -> bytes:
        return bytes((6 + len(variable), 0xE0, 0, 0, 0, 0, 0)) + variable

    assert parse_request(request(negotiation + correlation)).offered == Protocols.SSL | Protocols.HYBRID
    for wrong in (negotiation, negotiation + correlation[:-1], bytes((1, 0, 8, 0, 3, 0, 0, 0)) + correlation):
        with pytest.raises(ProtocolError):
            parse_request(request(wrong))


@given(offers, texts)
def test_every_request_is_read_as_it_was_written(offered: Protocols | None, lines: list[bytes]) -> None:
    """Packing and parsing are each other's inverse."""
    request = ConnectionRequest(offered, tuple(lines))
    assert parse_request(tpdu(pack_frame(pack_request(request)))) == request


@given(
    st.none()
    | st.sampled_from(list(Failure)).map(lambda failure: ConnectionConfirm(failure=failure))
    | st.integers(0, 31).map(lambda value: ConnectionConfirm(selected=Protocols(value)))
)
def test_every_confirm_is_read_as_it_was_written(confirm: ConnectionConfirm | None) -> None:
    """Packing and parsing are each other's inverse."""
    confirm = confirm or ConnectionConfirm()
    assert parse_confirm(tpdu(pack_frame(pack_confirm(confirm)))) == confirm


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_parse_or_break_the_protocol(data: bytes) -> None:
    """A parser of hostile bytes raises nothing but ProtocolError."""
    for parse in (parse_request, parse_confirm):
        try:
            parse(data)
        except ProtocolError:
            continue


@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255))
def test_a_damaged_request_does_nothing_but_parse_or_break_the_protocol(position: int, value: int) -> None:
    """One changed byte in a good request never raises anything but ProtocolError."""
    damaged = bytearray(REQUEST)
    damaged[position] = value
    try:
        payload = take_frame(damaged, MAX_CONNECTION_FRAME_BYTES)
        if payload is not None:
            parse_request(payload)
    except ProtocolError:
        pass


@given(st.lists(st.binary(min_size=3, max_size=40), max_size=5), st.data())
def test_frames_are_found_however_they_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    """A stream in pieces of any size gives the same frames."""
    stream = b"".join(map(pack_frame, payloads))
    received, found = bytearray(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += stream[:size]
        stream = stream[size:]
        while (payload := take_frame(received)) is not None:
            found.append(payload)
    assert found == payloads


@pytest.mark.parametrize("begin", [b"\x02", b"GET ", b"\x03\0\0\x06", b"\x03\0\x01\x04", b"\x16\x03\x01"])
def test_a_frame_is_refused_by_its_header(begin: bytes) -> None:
    """A wrong version, a length below seven, and one above what is taken need no further byte."""
    with pytest.raises(ProtocolError):
        frame_bytes(begin, MAX_CONNECTION_FRAME_BYTES)


def test_a_payload_that_fits_no_frame_is_not_packed() -> None:
    """Neither too short nor too long."""
    for payload in (b"xx", bytes(MAX_FRAME_BYTES)):
        with pytest.raises(ValueError, match="TPKT"):
            pack_frame(payload)
    with pytest.raises(ValueError, match="at most 255"):
        pack_request(ConnectionRequest(None, (bytes(300),)))
