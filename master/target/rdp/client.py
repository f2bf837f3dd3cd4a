"""The client's first step of an RDP connection: the test whether a server can be reached and agrees."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter

from master.target.rdp.protocol.tpkt import HEADER_BYTES, frame_bytes, pack_frame
from master.target.rdp.protocol.x224 import (
    MAX_CONNECTION_FRAME_BYTES,
    ConnectionConfirm,
    ConnectionRequest,
    Protocols,
    pack_request,
    parse_confirm,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a connection: the server's answer, and how long connecting and the answer took, in seconds."""

    confirm: ConnectionConfirm
    connect_s: float
    answer_s: float


async def attempt_connection(
    host: str, port: int, offered: Protocols | None = Protocols.RDP, *, user: str = "piswarm", timeout_s: float = 5.0
) -> Attempt:
    """Connect, offer security protocols, read the answer, hang up.

    Raises OSError if the server can't be reached, TimeoutError if it doesn't answer in time, EOFError if it hangs up
    instead, ProtocolError if what it answers is no Connection Confirm.
    """
    request = ConnectionRequest(offered, (b"Cookie: mstshash=" + user.encode("ascii", "replace")[:64],))
    async with asyncio.timeout(timeout_s):
        began = perf_counter()
        reader, writer = await asyncio.open_connection(host, port, limit=MAX_CONNECTION_FRAME_BYTES)
        try:
            connected = perf_counter()
            writer.write(pack_frame(pack_request(request)))
            header = await reader.readexactly(HEADER_BYTES)
            length = frame_bytes(header, MAX_CONNECTION_FRAME_BYTES)
            assert length is not None
            confirm = parse_confirm(await reader.readexactly(length - HEADER_BYTES))
            answered = perf_counter()
        finally:
            writer.close()
    return Attempt(confirm, connected - began, answered - connected)
