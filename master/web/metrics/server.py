"""The metrics of a run that is on: one page on a loopback port, made of the state that the run hands over."""

from __future__ import annotations

import errno
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import socket
from gevent.lock import Semaphore
from gevent.pywsgi import WSGIHandler, WSGIServer

from master.errors import InputError
from master.web.metrics.state import LiveState
from master.web.metrics.text import CONTENT_TYPE, page_parts

HOST = "127.0.0.1"
MAX_CONNECTIONS = 16
MAX_CONNECTION_S = 5.0
StartResponse = Callable[[str, list[tuple[str, str]]], object]
_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class MetricsServer:
    """Serves `/metrics` and `/health` on loopback. Nothing that a client does can hold up the run, or other clients, for long.

    Only requests to a name of loopback are answered: a web page whose host's name suddenly means 127.0.0.1 (DNS rebinding) could
    read it otherwise, by the browser of whoever looks at it on this machine.
    """

    def __init__(self, port: int) -> None:
        """Listen on `port`; 0 takes a free one. Raises InputError when it can't be had."""
        self._state = LiveState()
        self._page: tuple[LiveState, bytes] | None = None
        """The page as it was last made, and of which state."""
        self._making = Semaphore()
        self._connections: deque[gevent.Greenlet[..., object]] = deque()
        self._server = WSGIServer(
            _listen(port), self._answer, log=None, error_log=None, spawn=self._spawn, handler_class=_Handler
        )
        self._server.start()
        self.url = f"http://{HOST}:{self._server.server_port}/metrics"

    def publish(self, state: LiveState) -> None:
        """Serve this state from now on."""
        self._state = state

    def close(self) -> None:
        """Listen no more."""
        self._server.stop(timeout=1)

    def _spawn(self, serve: Callable[..., object], *arguments: object) -> gevent.Greenlet[..., object]:
        """Serve a new connection, in the place of the oldest one where there are many: those that are served in time are gone."""
        self._connections = deque(connection for connection in self._connections if not connection.ready())
        if len(self._connections) >= MAX_CONNECTIONS:
            self._connections.popleft().kill(block=False)
        connection = gevent.spawn(serve, *arguments)
        self._connections.append(connection)
        return connection

    def _answer(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        def start_closing(status: str, headers: list[tuple[str, str]]) -> object:
            # A connection for each request: one that stays open would keep its place from others.
            return start(status, [*headers, ("Connection", "close")])

        if not _OWN_HOST.fullmatch(environ.get("HTTP_HOST", "")):
            return _text(start_closing, "421 Misdirected Request", b"Ask for localhost or 127.0.0.1.\n")
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/metrics":
                return _text(start_closing, "200 OK", self._metrics(), CONTENT_TYPE)
            case "GET", "/health":
                return _text(start_closing, "200 OK", b'{"status":"ok"}\n', "application/json")
            case _, "/metrics" | "/health":
                return _text(start_closing, "405 Method Not Allowed", b"Only GET.\n")
        return _text(start_closing, "404 Not Found", b"There are /metrics and /health.\n")

    def _metrics(self) -> bytes:
        """The page of the latest state, made once however many ask for it; between two families the run goes on."""
        with self._making:
            state = self._state
            if self._page is None or self._page[0] is not state:
                parts = []
                for part in page_parts(state):
                    parts.append(part)
                    gevent.sleep(0)
                self._page = (state, b"".join(parts))
            return self._page[1]


def _text(start: StartResponse, status: str, body: bytes, kind: str = "text/plain") -> list[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        taken = "is taken by another program" if error.errno == errno.EADDRINUSE else f"can't be had: {error.strerror}"
        raise InputError(
            f"port {port} on {HOST} {taken}", hint="Choose another --metrics-port; 0 takes a free one."
        ) from None
    return listener


class _Handler(WSGIHandler):  # type: ignore[misc]  # gevent is untyped here
    """Ends a connection that takes too long, whatever it does."""

    def handle(self) -> None:
        with gevent.Timeout(MAX_CONNECTION_S, False):  # gevent's way to say: just leave the block
            super().handle()

    def log_error(self, msg: str, *args: object) -> None:
        pass  # what a stranger sends is no news
