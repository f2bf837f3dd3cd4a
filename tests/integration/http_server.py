"""A server whose every byte a test gives, and the user that visits it, both in this process under gevent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from locust.env import Environment

from worker.http import HttpUser

PATIENCE_S = 10.0
"""How long a test waits for what is bound to come, before it fails."""


@dataclass
class Request:
    """A request that came: `head` and `body` as sent, but with chunks joined; `connection` counts from 1."""

    head: bytes
    connection: int
    body: bytes = b""
    fields: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        first, *lines = self.head.decode("latin-1").split("\r\n")[:-2]
        self.method, self.target, self.version = first.split(" ")
        self.fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    def all(self, name: str) -> list[str]:
        """Return the values of every header line of this name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def __getitem__(self, name: str) -> str | None:
        """Return the one value of a header, None if it was not sent; fail if it came twice."""
        values = self.all(name)
        assert len(values) < 2, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None


class Exchange:
    """A request whose head has come, for answers that are more than bytes."""

    def __init__(self, request: Request, connection: socket.socket, incoming: Any) -> None:
        self.request = request
        self.closed = False
        self._connection = connection
        self._incoming = incoming

    def read_body(self) -> bytes:
        """Read the whole body."""
        request = self.request
        if request["Transfer-Encoding"] == "chunked":
            while size := int(self._line().partition(b";")[0], 16):
                request.body += self._incoming.read(size)
                self._line()
            self._line()
        else:
            request.body += self._incoming.read(int(request["Content-Length"] or 0))
        return request.body

    def _line(self) -> bytes:
        line = self._incoming.readline()
        if not line:
            raise ConnectionAbortedError("the client closed within a body")
        return line

    def read_some(self, size: int) -> bytes:
        """Read at most so many bytes of the body, none when the client has closed."""
        with contextlib.suppress(ConnectionResetError):
            return self._incoming.read1(size)
        return b""

    def has_more(self, within_s: float) -> bool:
        """Return whether the client sends anything within this time."""
        with gevent.Timeout(within_s, False):
            return bool(self._incoming.peek(1))
        return False

    def wait_for_the_client_to_close(self, *, whatever_it_sends: bool = False) -> None:
        """Return when the client has closed; fail if it sends something before that, unless that may be."""
        with contextlib.suppress(ConnectionResetError):
            while data := self._incoming.read1():
                assert whatever_it_sends, data

    def send(self, data: bytes) -> None:
        """Send these bytes unchanged."""
        self._connection.sendall(data)

    def hang_up(self) -> None:
        """Close the connection after this request."""
        self.closed = True


Answer = bytes | Callable[[Exchange], bytes | None]


def reply(body: bytes | str = b"", *lines: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """Return an answer with a Content-Length and these header lines."""
    content = body.encode() if isinstance(body, str) else body
    head = "\r\n".join([f"{version} {status}", f"Content-Length: {len(content)}", *lines, "", ""])
    return head.encode("latin-1") + content


def chunked(body: bytes, *lines: str, size: int = 100) -> bytes:
    """Return an answer in chunks, one with an extension, and with a trailer."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x;note=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *lines, "", ""])
    return head.encode() + chunks + b"0\r\nX-Trailer: t\r\n\r\n"


def redirect(status: int, location: str, *lines: str) -> bytes:
    """Return a redirect without a body."""
    return reply(b"", f"Location: {location}", *lines, status=f"{status} Elsewhere")


def drop(exchange: Exchange) -> None:
    """Take the request and close the connection without an answer."""
    exchange.read_body()
    exchange.hang_up()


def last(data: bytes) -> Callable[[Exchange], bytes]:
    """Return an answer after which the server closes the connection."""

    def answer(exchange: Exchange) -> bytes:
        exchange.read_body()
        exchange.hang_up()
        return data

    return answer


class Visitor(HttpUser):
    """The user under test; `fired` holds the fields of every request event."""

    abstract = True
    connection_timeout = PATIENCE_S
    network_timeout = PATIENCE_S

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.fired: list[dict[str, Any]] = []
        environment.events.request.add_listener(lambda **fields: self.fired.append(fields))

    @property
    def event(self) -> dict[str, Any]:
        """Return the only event."""
        assert len(self.fired) == 1, self.fired
        return self.fired[0]


class Server:
    """A server on a free port for the length of a `with` block, which closes its visitors' connections at the end."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self.answering = 0
        self.most_at_once = 0
        self._answers: dict[str, list[Answer]] = {}
        self._changed = Event()
        self._visitors: list[Visitor] = []
        self._streams = StreamServer((address, 0), self._serve, spawn=1_000_000, backlog=4096)
        self._streams.start()
        self.url = f"http://{address}:{self._streams.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for visitor in self._visitors:
            visitor.client.close()
        self._streams.stop(timeout=0)

    def on(self, path: str, *answers: Answer) -> None:
        """Answer requests for `path`, whatever their query, with each of these in turn; the last one stays."""
        self._answers[path] = list(answers)

    def visitor(self, **attributes: Any) -> Visitor:
        """Return a user whose host is this server, of a class with these attributes."""
        kind = type("Passerby", (Visitor,), {"host": self.url, **attributes})
        visitor = kind(Environment(user_classes=[kind]))
        self._visitors.append(visitor)
        return visitor

    def wait_until(self, holds: Callable[[Server], bool]) -> None:
        """Return as soon as something holds of this server; fail if it never does."""
        with gevent.Timeout(PATIENCE_S, AssertionError("waited in vain")):
            while not holds(self):
                self._changed.wait()
                self._changed.clear()

    def _serve(self, connection: socket.socket, _address: Any) -> None:
        self.connections += 1
        self.open += 1
        number = self.connections
        try:
            with connection.makefile("rb") as incoming, contextlib.suppress(ConnectionError):
                while self._serve_request(connection, incoming, number):
                    pass
        finally:
            connection.close()
            self.open -= 1
            self._changed.set()

    def _serve_request(self, connection: socket.socket, incoming: Any, number: int) -> bool:
        lines = [incoming.readline()]
        while lines[-1].strip():
            lines.append(incoming.readline())
        if not lines[0]:
            return False
        exchange = Exchange(Request(b"".join(lines), number), connection, incoming)
        self.requests.append(exchange.request)
        self.answering += 1
        self.most_at_once = max(self.most_at_once, self.answering)
        self._changed.set()
        try:
            answer = self._next_answer(exchange.request.target.partition("?")[0])
            if isinstance(answer, bytes):
                exchange.read_body()
                exchange.send(answer)
            elif data := answer(exchange):
                exchange.send(data)
        finally:
            self.answering -= 1
        return not exchange.closed

    def _next_answer(self, path: str) -> Answer:
        answers = self._answers.get(path)
        if answers is None:
            return reply("not here", status="404 Not Found")
        return answers.pop(0) if len(answers) > 1 else answers[0]
