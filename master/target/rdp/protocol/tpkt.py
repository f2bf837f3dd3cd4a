"""TPKT frames (RFC 1006, section 6; T.123, section 8): how X.224 goes over TCP. Pure.

    version = 3 (1 byte) | reserved (1 byte) | length of the frame with this header (2 bytes, big-endian) | payload

Lengths come from the peer, so nothing is held that the receiver has not agreed to: it names the longest frame it takes,
and a longer one is refused by its header alone.
"""

from __future__ import annotations

VERSION = 3
HEADER_BYTES = 4
MIN_FRAME_BYTES = 7  # RFC 1006: a frame holds at least a TPDU of three bytes
MAX_FRAME_BYTES = 65_535


class ProtocolError(Exception):
    """What the peer sent breaks the protocol; the connection is to be closed."""


def pack_frame(payload: bytes) -> bytes:
    """A frame around `payload`."""
    length = HEADER_BYTES + len(payload)
    if not MIN_FRAME_BYTES <= length <= MAX_FRAME_BYTES:
        raise ValueError(f"a TPKT frame has {MIN_FRAME_BYTES} to {MAX_FRAME_BYTES} bytes, not {length}")
    return bytes((VERSION, 0)) + length.to_bytes(2, "big") + payload


def frame_bytes(header: bytes | bytearray, max_bytes: int = MAX_FRAME_BYTES) -> int | None:
    """Length of the frame that `header` begins, header included; None while fewer than four bytes are there.

    Raises ProtocolError as soon as what is there can't begin a frame of at most `max_bytes`.
    """
    if header and header[0] != VERSION:
        raise ProtocolError(f"TPKT version {header[0]}, not {VERSION}")
    if len(header) < HEADER_BYTES:
        return None
    length = int.from_bytes(header[2:4], "big")
    if not MIN_FRAME_BYTES <= length <= max_bytes:
        raise ProtocolError(f"a frame of {length} bytes, where {MIN_FRAME_BYTES} to {max_bytes} are allowed")
    return length


def take_frame(received: bytearray, max_bytes: int = MAX_FRAME_BYTES) -> bytes | None:
    """Remove the first frame from `received` and return its payload; None while it is not whole.

    Raises ProtocolError like `frame_bytes`.
    """
    length = frame_bytes(received, max_bytes)
    if length is None or len(received) < length:
        return None
    payload = bytes(received[HEADER_BYTES:length])
    del received[:length]
    return payload
