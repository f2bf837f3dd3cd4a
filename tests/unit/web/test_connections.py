"""Connections of the page that say or take nothing keep nobody out."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from master.web.safety.certificates import make_certificate
from master.web.serve import connections, server
from master.web.serve.connections import Connection
from master.web.serve.server import listen

BEGUN = [b"", b"GET / HTTP/1.1\r\nHost: a", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the request, and answers with more than any buffer on the way holds where that is asked for."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(400 if scope["path"] == "/long" else 1):
        await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """That of a server that looks often, and has room for few."""
    monkeypatch.setattr(connections, "LOOK_S", 0.3)
    monkeypatch.setattr(connections, "ROOM_FROM", 5)
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_level="critical", limit_concurrency=8)
    with serving(config, listener):
        yield listener.getsockname()[1]


@contextlib.contextmanager
def serving(config: uvicorn.Config, listener: socket.socket) -> Iterator[None]:
    """Serve in a thread for the length of a `with` block."""
    served = server._Server(config)
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
    thread.start()
    yield
    served.should_exit = True
    thread.join()


def ended_within(connection: socket.socket, limit_s: float) -> bool:
    """Whether the server closes it; what it sends first is read."""
    connection.settimeout(limit_s)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize("begun", BEGUN)
def test_a_request_that_never_comes_is_not_waited_for(port: int, begun: bytes) -> None:
    """Neither for its beginning nor for its rest."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(begun)
        assert ended_within(connection, 5)


def test_an_answer_that_is_not_read_is_not_kept(port: int) -> None:
    """Who stops reading is sent away, so that places are left for others."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(2)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                received += len(part)
        assert received < 400 << 16


def test_many_who_say_nothing_keep_nobody_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a new connection the oldest that says nothing makes room."""
    monkeypatch.setattr(connections, "LOOK_S", 60.0)
    with contextlib.ExitStack() as held:
        for _ in range(20):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_a_handshake_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who connects and does not begin TLS has a descriptor of the server for a few seconds only."""
    monkeypatch.setattr(server, "HANDSHAKE_S", 0.5)
    make_certificate(tmp_path / "c", tmp_path / "k", ["localhost"])
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app, http=Connection, ws="none", lifespan="off", log_level="critical",
        ssl_certfile=tmp_path / "c", ssl_keyfile=tmp_path / "k",
    )  # fmt: skip
    with serving(config, listener), socket.create_connection(listener.getsockname()) as connection:
        assert ended_within(connection, 10)
