"""Opens the listeners of RDP servers: on a port of the pool that nobody listens on, with TLS where it may be selected."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl

from master.target.api import errors
from master.target.rdp.certificate import make_tls_context
from master.target.rdp.listener import ConnectionBudget, Listener
from master.target.rdp.ports import PortPool, PortRange
from master.target.rdp.protocol.connection import Security

_PORT_TRIES = 256
"""Ports that are tried for one server, so that a range that others sit on costs no more than some milliseconds."""


class ListenerOpener:
    """The ports and the certificate that the servers of this process share."""

    def __init__(self, host: str, ports: PortRange) -> None:
        self.host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._ports = PortPool(ports, secrets.randbelow(ports.size))
        self._budget = ConnectionBudget()
        self._tls: ssl.SSLContext | None = None
        self._making_tls = asyncio.Lock()

    @property
    def ports_taken(self) -> int:
        """How many ports servers have."""
        return self._ports.taken

    def take_port(self) -> int | None:
        """A port that nobody listens on, for a new server; None if the system is to choose. Raises ApiError 409 for none."""
        if self._ports.ports.is_system:
            return None
        for _, port in zip(range(_PORT_TRIES), self._ports.candidates(), strict=False):
            with contextlib.suppress(OSError):
                socket.create_server((self.host, port), family=self._family).close()
                self._ports.take(port)
                return port
        raise errors.conflict("no port is free for another RDP server")

    def keep_port(self, port: int | None) -> None:
        """Note the port that a server has had since an earlier process."""
        if port is not None and not self._ports.ports.is_system:
            self._ports.take(port)

    def give_back(self, port: int | None) -> None:
        """A server needs its port no more."""
        if port is not None:
            self._ports.give_back(port)

    async def open(self, security: Security, port: int | None) -> tuple[Listener, int]:
        """A listener on a server's port, or on another one if that is busy: then the server has both until one is given back.

        Raises OSError or ApiError 409 if there is no port to listen on; the server then has the one that it had.
        """
        listener = Listener(security, await self._tls_context(security), self._budget)
        if port is not None:
            with contextlib.suppress(OSError):
                return listener, await listener.open(self.host, port)
        other = self.take_port()
        try:
            return listener, await listener.open(self.host, other or 0)
        except OSError:
            self.give_back(other)
            raise

    async def _tls_context(self, security: Security) -> ssl.SSLContext | None:
        if security is Security.RDP:
            return None
        async with self._making_tls:
            if self._tls is None:  # it takes tens of milliseconds, which the loop hasn't
                self._tls = await asyncio.to_thread(make_tls_context)
        return self._tls
