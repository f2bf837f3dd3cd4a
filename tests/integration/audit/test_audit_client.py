"""The client of an audit sends to the pinned address alone, whatever the target answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from master.audit.address import Address, Reach
from master.audit.budget import BudgetError, Limits
from master.audit.client import MAX_BODY_BYTES, Client, UnreachableError

LIMITS = Limits(rate_per_s=1000.0, max_requests=20, max_duration_s=60.0)


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[Address, list[bytes]]]:
    """A server of this machine under a name that does not resolve; it answers one connection after another with these bytes."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    head = b""
                    while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                        head += more
                    heads.append(head)
                    try:
                        connection.sendall(answer)
                    except OSError:
                        continue  # the client has read enough

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("http", "no.such.invalid", server.getsockname()[1], "/api", "127.0.0.1", Reach.LOOPBACK), heads
        thread.join(20)


def ok(body: bytes = b"", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Connection: close", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_requests_go_to_the_pinned_address_with_the_targets_name() -> None:
    """The name is not resolved again, but is what the target is called in the request."""
    with answering(ok(b"hello")) as (address, heads), Client(address, LIMITS) as client:
        assert client.ask("GET", "/x?a=1").body == b"hello"
    lines = heads[0].split(b"\r\n")
    assert lines[0] == b"GET /api/x?a=1 HTTP/1.1"
    assert f"Host: no.such.invalid:{address.port}".encode() in lines
    assert any(line.startswith(b"User-Agent: piswarm-audit/") for line in lines)


def test_redirects_are_not_followed() -> None:
    """A target can't send the audit elsewhere."""
    redirect = ok(b"", b"Location: http://127.0.0.1:1/elsewhere", status=b"302 Found")
    with answering(redirect) as (address, _), Client(address, LIMITS) as client:
        assert client.ask("GET", "/").status == 302
        assert client.budget.requests == 1


def test_a_path_that_looks_like_another_host_stays_with_the_target() -> None:
    """A path of the target's description that begins with two slashes is still a path."""
    with answering(ok(b"here")) as (address, heads), Client(address, LIMITS) as client:
        assert client.ask("GET", "//elsewhere.example/x").body == b"here"
    assert heads[0].startswith(b"GET /api//elsewhere.example/x ")


def test_a_body_is_read_to_its_limit() -> None:
    """An answer of great length is cut."""
    with answering(ok(b"x" * (MAX_BODY_BYTES + 100_000))) as (address, _), Client(address, LIMITS) as client:
        assert len(client.ask("GET", "/").body) == MAX_BODY_BYTES


def test_cookies_are_not_kept() -> None:
    """What one check was given is not sent by the next."""
    answers = ok(b"", b"Set-Cookie: a=1", b"Set-Cookie: b=2"), ok()
    with answering(*answers) as (address, heads), Client(address, LIMITS) as client:
        assert client.ask("GET", "/").header("set-cookie") == "a=1\nb=2"
        client.ask("GET", "/")
    assert b"cookie" not in heads[1].lower()


def test_a_short_wait_for_the_rate_limit_is_waited_out() -> None:
    """429 with a Retry-After of some seconds is obeyed once; a check of limits sees it at once."""
    waits: list[float] = []
    refused = ok(b"", b"Retry-After: 3", status=b"429 Too Many Requests")
    with (
        answering(refused, ok(), refused) as (address, _),
        Client(address, Limits(1e6, 20, 60.0), sleep=waits.append) as client,
    ):
        assert client.ask("GET", "/").status == 200
        assert client.ask("GET", "/", obey_429=False).status == 429
    assert 3.0 in waits


@pytest.mark.parametrize(
    "answer", [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"\r\n"]
)
def test_what_is_no_answer_is_named(answer: bytes) -> None:
    """A target that hangs up, speaks no HTTP, or sends headers without end is unreachable, with the request named."""
    with (
        answering(answer) as (address, _),
        Client(address, LIMITS) as client,
        pytest.raises(UnreachableError, match="GET /x"),
    ):
        client.ask("GET", "/x")


@contextmanager
def never_ending(part: bytes, first: bytes = b"") -> Iterator[Address]:
    """A server that sends `first` once, and then `part` over and over, until the client has gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(first)
                while True:
                    connection.sendall(part)
                    gone.wait(0.01)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("http", "no.such.invalid", server.getsockname()[1], "", "127.0.0.1", Reach.LOOPBACK)
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "part", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["a byte now and then", "interim answers"]
)
def test_an_answer_that_never_ends_is_not_waited_for(part: bytes) -> None:
    """A server that keeps within the time of each read, and sends no end of its headers, holds nobody up beyond the audit's own time."""
    limits = Limits(rate_per_s=1000.0, max_requests=20, max_duration_s=0.5)
    with never_ending(part) as address, Client(address, limits) as client:
        with pytest.raises(UnreachableError, match="GET /x"):
            client.ask("GET", "/x")
        with pytest.raises(BudgetError):
            client.ask("GET", "/y")


def test_a_body_that_never_ends_is_read_until_the_time_is_over() -> None:
    """What came of it is the answer."""
    limits = Limits(rate_per_s=1000.0, max_requests=20, max_duration_s=0.5)
    with never_ending(b"x", b"HTTP/1.1 200 OK\r\n\r\n") as address, Client(address, limits) as client:
        assert set(client.ask("GET", "/x").body) == set(b"x")
