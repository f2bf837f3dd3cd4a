"""Messages between the controller and the process that thins: MessagePack, each behind its length in four bytes. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec

from master.store.thinned.parts import Part
from master.thinning.work import Job

LENGTH = struct.Struct("!I")
Message = Job | Part


def frame(message: Message) -> bytes:
    """A message as it goes over the socket."""
    payload = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(payload)) + payload


def read_frame(read: Callable[[int], bytes]) -> bytes | None:
    """The next message, still encoded; `read` gives so many bytes, or fewer where the other end has gone: then it is None."""
    head = read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    payload = read(length)
    return payload if len(payload) == length else None


decode_job = msgspec.msgpack.Decoder(Job).decode
decode_part = msgspec.msgpack.Decoder(Part).decode
