"""The process: uvicorn around the application, until Ctrl-C."""

from __future__ import annotations

import asyncio
import resource
import socket
from functools import partial
from pathlib import Path

import uvicorn

from master.errors import InputError
from master.web.serve.app import create_app
from master.web.serve.connections import MAX_CONNECTIONS, Connection
from master.web.serve.settings import ServeSettings

IDLE_S = 15
END_S = 3
HANDSHAKE_S = 5.0
"""asyncio itself waits a minute for a client that connects and does not begin TLS."""
MAX_FILES = 4096
"""Such clients have a descriptor each, and are no connections of the application yet."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises InputError where the address can't be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(MAX_CONNECTIONS)  # who comes before the application is there waits for it
    except OSError as error:
        raise InputError(
            f"{host} port {port} can't be had: {error.strerror}", hint="Choose another --port; 0 takes a free one."
        ) from None
    return listener


def serve(settings: ServeSettings, listener: socket.socket, certificate: Path | None, key: Path | None) -> None:
    """Serve until SIGINT or SIGTERM. Runs that were started go on."""
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=END_S,
        h11_max_incomplete_event_size=16 << 10,
        http=Connection,
        ws="none",
        lifespan="off",
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    _have_files(MAX_FILES)
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn has no option for the time of a handshake."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with that time."""
        if self.config.is_ssl:
            loop = asyncio.get_running_loop()
            create = partial(loop.create_server, ssl_handshake_timeout=HANDSHAKE_S)
            loop.create_server = create  # type: ignore[method-assign]
        await super().startup(sockets)


def _have_files(number: int) -> None:
    """Allow so many open files, or as many as this user may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
