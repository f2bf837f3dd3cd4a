"""One client's connection to an RDP server, without any I/O: bytes in, bytes out.

    WAITING ── Connection Request ──► CONFIRMED ── Data, Data, … ── Disconnect Request ──► over
       └── anything else, or a failed negotiation ──► over

Until the request is whole at most 259 bytes are held. After it nothing is: of each frame the header and the TPDU's code
are looked at, the rest is counted and dropped.
"""

from __future__ import annotations

from enum import StrEnum

from master.target.rdp.protocol.tpkt import HEADER_BYTES, ProtocolError, frame_bytes, pack_frame, take_frame
from master.target.rdp.protocol.x224 import (
    DATA,
    DISCONNECT_REQUEST,
    MAX_CONNECTION_FRAME_BYTES,
    ConnectionConfirm,
    ConnectionRequest,
    Failure,
    Protocols,
    pack_confirm,
    parse_request,
)

_LOOKED_AT_BYTES = HEADER_BYTES + 2  # the header, the TPDU's length and its code


class Security(StrEnum):
    """What a server asks of its clients: TLS if they can and Standard RDP Security otherwise, or one of the two alone."""

    NEGOTIATE = "negotiate"
    RDP = "rdp"
    TLS = "tls"


def negotiate(request: ConnectionRequest, security: Security) -> ConnectionConfirm:
    """The server's answer ([MS-RDPBCGR] 3.3.5.3.2). Raises ProtocolError where the specification leaves no answer.

    A client that only negotiates Standard RDP Security offers 0; one that offers anything else takes nothing less.
    """
    if request.offered is None:
        if security is Security.TLS:
            raise ProtocolError("the client doesn't negotiate, and this server needs TLS")
        return ConnectionConfirm()
    if request.offered == Protocols.RDP:
        if security is Security.TLS:
            return ConnectionConfirm(failure=Failure.SSL_REQUIRED_BY_SERVER)
        return ConnectionConfirm(selected=Protocols.RDP)
    if security is Security.RDP:
        return ConnectionConfirm(failure=Failure.SSL_NOT_ALLOWED_BY_SERVER)
    if request.offered & Protocols.SSL:
        return ConnectionConfirm(selected=Protocols.SSL)
    return ConnectionConfirm(failure=Failure.SSL_REQUIRED_BY_SERVER)  # only CredSSP or newer, which isn't served


class ServerConnection:
    """The server's side of one connection."""

    def __init__(self, security: Security) -> None:
        self._security = security
        self._received = bytearray()
        self._skip_bytes = 0
        self.confirmed = False
        """Whether the request came, and was answered with anything but a failure."""
        self.starts_tls = False
        """Whether what follows is TLS; what is inside it comes to `receive`."""
        self.over = False
        """Whether the connection is to be closed, after what `receive` returned is sent."""

    def receive(self, data: bytes) -> bytes:
        """Take what came; what to send back. Raises ProtocolError: the connection is then to be closed at once."""
        if self.confirmed:
            self._skim(data)
            return b""
        self._received += data[: MAX_CONNECTION_FRAME_BYTES + 1 - len(self._received)]
        tpdu = take_frame(self._received, MAX_CONNECTION_FRAME_BYTES)
        if tpdu is None:
            return b""
        confirm = negotiate(parse_request(tpdu), self._security)
        if self._received:
            raise ProtocolError("the client went on before it was answered")
        self.over = confirm.failure is not None
        self.confirmed = not self.over
        self.starts_tls = confirm.selected == Protocols.SSL
        return pack_frame(pack_confirm(confirm))

    def _skim(self, data: bytes) -> None:
        """Follow the frames of an established connection without holding them."""
        position = 0
        while position < len(data) and not self.over:
            if self._skip_bytes:
                skipped = min(self._skip_bytes, len(data) - position)
                self._skip_bytes -= skipped
                position += skipped
                continue
            taken = min(_LOOKED_AT_BYTES - len(self._received), len(data) - position)
            self._received += data[position : position + taken]
            position += taken
            length = frame_bytes(self._received)
            if length is None or len(self._received) < _LOOKED_AT_BYTES:
                continue
            code = self._received[HEADER_BYTES + 1]
            self._received.clear()
            self._skip_bytes = length - _LOOKED_AT_BYTES
            if code == DISCONNECT_REQUEST:
                self.over = True
            elif code != DATA:
                raise ProtocolError(f"TPDU {code:#04x} on an established connection")
