"""A running RDP server: a TCP listener whose connections are bounded in number, bytes held, and time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import cast

from master.target.rdp.protocol.connection import Security, ServerConnection
from master.target.rdp.protocol.tpkt import ProtocolError

REQUEST_WITHIN_S = 5.0  # from the connection to its whole request; also for the TLS handshake
IDLE_S = 120.0  # longer than any user of the load profile pauses (30 s)
MAX_CONNECTIONS = 64
_BACKLOG = 64


@dataclass(slots=True)
class ConnectionBudget:
    """How many connections all servers together may still have: each takes a file, of which the process needs others."""

    left: int = 4096


@dataclass(slots=True)
class Traffic:
    """What a listener has seen since it was started."""

    connections_now: int = 0
    connections_total: int = 0
    confirmed_total: int = 0
    refused_total: int = 0
    """Connections closed for what they sent, for time, for number, or without an agreement on security."""
    received_bytes: int = 0
    sent_bytes: int = 0


class Listener:
    """Accepts connections of one server until it is closed."""

    def __init__(
        self,
        security: Security = Security.RDP,
        tls: ssl.SSLContext | None = None,
        budget: ConnectionBudget | None = None,
    ) -> None:
        if security is not Security.RDP and tls is None:
            raise ValueError("a server that may select TLS needs a context")
        self.security = security
        self.tls = tls
        self.budget = budget or ConnectionBudget()
        self.traffic = Traffic()
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; the port. Raises OSError if the address is taken or not to be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Bound here, since the loop's own binding adds every address that a name stands for.
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        try:
            listening.setblocking(False)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Connection(self), sock=listening)
        except BaseException:
            listening.close()
            raise
        return cast("int", listening.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and cut the connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.cut()


class _Connection(asyncio.Protocol):
    """Ties a `ServerConnection` to a transport. Its one timer never moves: it looks at what came since it was set."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._traffic = listener.traffic
        self._core = ServerConnection(listener.security)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._heard = False
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, unless there are enough."""
        self._transport = cast("asyncio.Transport", transport)
        self._traffic.connections_total += 1
        if len(self._listener.connections) >= MAX_CONNECTIONS or not self._listener.budget.left:
            self._refuse()
            return
        self._counted = True
        self._listener.budget.left -= 1
        self._listener.connections.add(self)
        self._traffic.connections_now += 1
        self._timer = asyncio.get_running_loop().call_later(REQUEST_WITHIN_S, self._expire)

    def data_received(self, data: bytes) -> None:
        """Answer; close this connection alone if what came breaks the protocol."""
        if self._transport is None or self._transport.is_closing():
            return
        self._heard = True
        self._traffic.received_bytes += len(data)
        was_confirmed = self._core.confirmed
        try:
            reply = self._core.receive(data)
        except ProtocolError:
            self._refuse()
            return
        if reply:
            self._traffic.sent_bytes += len(reply)
            self._transport.write(reply)
        if self._core.over:
            if not was_confirmed:
                self._traffic.refused_total += 1
            self._transport.close()
        elif self._core.confirmed and not was_confirmed:
            self._traffic.confirmed_total += 1
            if self._core.starts_tls:
                self._transport.pause_reading()  # what comes next is the handshake's, which has no reader before it begins
                self._handshake = asyncio.get_running_loop().create_task(self._start_tls(self._transport))

    def eof_received(self) -> bool:
        """Close when the client has nothing more to send."""
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the connection."""
        self._forget()

    def cut(self) -> None:
        """Close at once, whatever is unsent."""
        self._forget()
        if self._handshake is not None:
            self._handshake.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._counted:
            self._counted = False
            self._listener.budget.left += 1
            self._listener.connections.discard(self)
            self._traffic.connections_now -= 1

    def _refuse(self) -> None:
        self._traffic.refused_total += 1
        self.cut()

    def _expire(self) -> None:
        if not self._core.confirmed or not self._heard:
            self._refuse()
            return
        self._heard = False
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._expire)

    async def _start_tls(self, plain: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        assert self._listener.tls is not None
        try:
            wrapped = await loop.start_tls(
                plain, self, self._listener.tls, server_side=True, ssl_handshake_timeout=REQUEST_WITHIN_S
            )
        except OSError as error:  # also ssl.SSLError
            if not isinstance(error, ConnectionResetError):  # a client that hangs up is not refused
                self._traffic.refused_total += 1
            self._forget()
            plain.abort()
            return
        self._transport = wrapped
