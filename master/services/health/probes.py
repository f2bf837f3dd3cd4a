"""What is said to a service to learn whether it is healthy, and what its answer means: bytes out, bytes in. Pure.

TCP        nothing is said; a connection that is accepted is the answer
HTTP       GET, of whose answer only the status line is read
PostgreSQL what pg_isready does: StartupMessage (protocol 3.0, chapter "Message Flow"), which needs no password. A server that asks
           for one accepts connections; 57P03 says that it does not yet. Before TLS comes SSLRequest, answered with one byte, S or N
Redis      PING, after AUTH where the URL has a password
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from master.services.addresses import Address
from master.services.schema import HealthShape
from worker.printable import printable

MAX_ANSWER_BYTES = 64 * 1024
"""An answer that is not understood by then is none."""
_MAX_SHOWN = 120  # characters of what a service says
_PROTOCOL_3_0 = 3 << 16
POSTGRES_SSL_REQUEST = struct.pack("!II", 8, 80877103)
POSTGRES_SSL_ACCEPTED = b"S"
_UNUSABLE = {"57P03", "53300", "3D000"}
"""SQLSTATEs of a server that is there, and not usable: cannot_connect_now, too_many_connections, no such database."""
_HEADER = struct.Struct("!cI")
_LENGTH_BYTES = 4
"""Of a message of PostgreSQL: they count themselves, and its type before them does not count."""


class Answer(NamedTuple):
    """Whether a service is healthy, and in words what it said or did not say."""

    healthy: bool
    detail: str


class Exchange(Protocol):
    """One question, and the understanding of what comes back."""

    @property
    def request(self) -> bytes:
        """The bytes to send; none where the connection is the question."""

    @property
    def farewell(self) -> bytes:
        """The bytes to send at the end, so that the service has nothing to complain of."""

    def judge(self, received: bytes) -> Answer | None:
        """What all bytes so far mean; None while they mean nothing yet."""


@dataclass(frozen=True)
class TcpExchange:
    """A connection."""

    request: bytes = b""
    farewell: bytes = b""

    def judge(self, received: bytes) -> Answer | None:  # noqa: ARG002  # as every exchange
        """A connection is all that was asked for."""
        return Answer(True, "accepts connections")


@dataclass(frozen=True)
class HttpExchange:
    """GET of a path, for an answer with this status; None: any of 200 to 299."""

    address: Address
    path: str
    status: int | None
    farewell: bytes = b""

    @property
    def request(self) -> bytes:
        """The request, after which the service is to close the connection."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        head = f"GET {self._full_path} HTTP/1.1\r\nHost: {host}:{self.address.port}\r\nUser-Agent: piswarm\r\n"
        return f"{head}Accept: */*\r\nConnection: close\r\n\r\n".encode("latin-1", "replace")

    @property
    def _full_path(self) -> str:
        return f"{self.address.path}{self.path}" or "/"

    def judge(self, received: bytes) -> Answer | None:
        """The status line, once it is there."""
        line, separator, _ = received.partition(b"\r\n")
        if not separator:
            return None
        words = line.split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit() or len(words[1]) != 3:
            return Answer(False, f"answers what is no HTTP: {_shown(line)}")
        status = int(words[1])
        expected = 200 <= status < 300 if self.status is None else status == self.status
        wanted = "" if expected else f", where {self.status or 'a status from 200 to 299'} is healthy"
        return Answer(expected, f"GET {self._full_path}: status {status}{wanted}")


@dataclass(frozen=True)
class PostgresExchange:
    """The start of a session, up to where a password would be needed."""

    user: str
    database: str
    farewell: bytes = b"X\x00\x00\x00\x04"
    """Terminate."""

    @property
    def request(self) -> bytes:
        """The StartupMessage."""
        parameters = {"user": self.user or "piswarm", "application_name": "piswarm"}
        if self.database:
            parameters["database"] = self.database
        body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
        return struct.pack("!II", 8 + len(body), _PROTOCOL_3_0) + body

    def judge(self, received: bytes) -> Answer | None:
        """The first message that decides."""
        while len(received) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(received)
            if kind not in b"RSKZENv" or not _LENGTH_BYTES <= length <= MAX_ANSWER_BYTES:
                return Answer(False, f"answers what is no PostgreSQL: {_shown(received)}")
            if len(received) < length + 1:
                return None
            body, received = received[_HEADER.size : length + 1], received[length + 1 :]
            if kind == b"E":
                return _postgres_error(body)
            if kind == b"R" and body[:4] != bytes(4):
                return Answer(True, "accepts connections, and asks for a password")
            if kind == b"Z":
                return Answer(True, "accepts connections")
        return None


def _postgres_error(body: bytes) -> Answer:
    fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
    code, message = fields.get(b"C", ""), fields.get(b"M", "an error without a message")
    # Any other refusal, such as one of the account, comes from a server that works.
    healthy = len(code) == 5 and code not in _UNUSABLE
    said = "accepts connections, and refuses this account: " if healthy else ""
    return Answer(healthy, f"{said}{_shown(message)}")


@dataclass(frozen=True)
class RedisExchange:
    """PING."""

    user: str
    password: str = field(repr=False)
    farewell: bytes = b""

    @property
    def request(self) -> bytes:
        """The commands, as arrays of bulk strings (RESP)."""
        commands = [["PING"]]
        if self.password:
            commands.insert(0, ["AUTH", *([self.user] if self.user else []), self.password])
        return b"".join(map(_resp, commands))

    def judge(self, received: bytes) -> Answer | None:
        """The first answer that decides: AUTH has one that does only where it is refused."""
        *lines, _ = received.split(b"\r\n")
        for line in lines:
            if line == b"+PONG":
                return Answer(True, "answers PING")
            if line.startswith(b"-NOAUTH"):
                return Answer(True, "answers, and asks for a password")
            if line != b"+OK":
                return Answer(False, f"does not answer PING: {_shown(line)}")
        return None


def _resp(words: list[str]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def exchange_for(health: HealthShape, address: Address) -> Exchange:
    """What to say to the service at `address`."""
    if health.probe == "http":
        return HttpExchange(address, health.path or "", health.status)
    if health.probe == "postgresql":
        return PostgresExchange(address.user, address.database)
    if health.probe == "redis":
        return RedisExchange(address.user, address.password)
    return TcpExchange()


def _shown(said: bytes | str) -> str:
    text = said[: 4 * _MAX_SHOWN].decode(errors="replace") if isinstance(said, bytes) else said
    text = printable(text)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
