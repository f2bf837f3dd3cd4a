"""Servers that break HTTP, by accident or on purpose: each is one counted failure, and the user goes on."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import gevent
import pytest
from gevent import socket
from http_server import Exchange, Server, Visitor, drop, last, redirect, reply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.http.errors import BadAnswerError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1024 * 1024
MAX_BODY = 2 * MIB


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        started.on("/", reply("hello"))
        yield started


@pytest.fixture
def user(server: Server) -> Visitor:
    return server.visitor(network_timeout=2, response_timeout=4, max_body_bytes=MAX_BODY)


def assert_one_failure(server: Server, user: Visitor, reason: str) -> None:
    """One failure that says why, nothing left open, and the user still works."""
    answer = user.client.get("/broken")
    assert answer.content is None
    assert reason in str(user.event["exception"])
    assert user.event["response"] is answer
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"
    assert [each["exception"] for each in user.fired[1:]] == [None]


def endless(start: bytes, unit: bytes) -> Callable[[Exchange], None]:
    """Sends as long as somebody takes it, up to 200 MB."""

    def answer(at: Exchange) -> None:
        at.send(start)
        block = unit * (1 + 64 * 1024 // len(unit))
        for _ in range(200 * MIB // len(block)):
            at.send(block)
        at.hang_up()

    return answer


BROKEN: dict[str, tuple[Any, str]] = {
    "no answer": (drop, "closed without an answer"),
    "garbage": (last(b"220 mail.example ESMTP\r\n"), "not an HTTP/1 answer"),
    "TLS on a plain port": (last(b"\x16\x03\x01\x02\x00\x01\x00"), "not an HTTP/1 answer"),
    "HTTP/9.9": (last(b"HTTP/9.9 200 OK\r\n\r\n"), "not an HTTP"),
    "a status of two digits": (last(b"HTTP/1.1 42 Odd\r\n\r\n"), "not an HTTP"),
    "a negative status": (last(b"HTTP/1.1 -200 Odd\r\n\r\n"), "not an HTTP"),
    "lines without a carriage return": (last(b"HTTP/1.1 200 OK\n\nhello"), "carriage return"),
    "a header without a colon": (last(OK + b"nonsense\r\n\r\n"), "not an HTTP"),
    "a NUL in a header": (last(OK + b"A: b\0c\r\n\r\n"), "not an HTTP"),
    "a folded header": (last(OK + b"A: b\r\n c\r\n\r\n"), "not an HTTP"),
    "half a head": (last(OK + b"Content-Le"), "within the head"),
    "a body cut short": (last(OK + b"Content-Length: 9\r\n\r\nabc"), "before the announced end"),
    "a body too long": (last(OK + b"Content-Length: 2\r\n\r\nabc"), "more than it had announced"),
    "a negative length": (last(OK + b"Content-Length: -1\r\n\r\n"), "Content-Length"),
    "a huge length": (last(OK + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n"), "Content-Length"),
    "a length in words": (last(OK + b"Content-Length: nine\r\n\r\n"), "Content-Length"),
    "two lengths": (last(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "Content-Length"),
    "a length and chunks": (last(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), "Content-Length"),
    "an invalid chunk": (last(CHUNKED + b"what?\r\n"), "invalid chunked body"),
    "a negative chunk": (last(CHUNKED + b"-1\r\n"), "invalid chunked body"),
    "a chunk size beyond all numbers": (last(CHUNKED + b"f" * 17 + b"\r\n"), "invalid chunked body"),
    "a chunk without its end": (last(CHUNKED + b"1\r\nab0\r\n\r\n"), "invalid chunked body"),
    "chunks cut off": (last(CHUNKED + b"9\r\nabc"), "within a chunked body"),
    "an unasked protocol": (last(b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "another protocol"),
    "too large, announced": (last(OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1)), f"exceeds {MAX_BODY} bytes"),
    "an unknown encoding": (last(reply(b"x", "Content-Encoding: rot13")), "unknown content encoding 'rot13'"),
    "damaged gzip": (last(reply(b"no gzip", "Content-Encoding: gzip")), "gzip body is damaged"),
    "gzip cut short": (last(reply(gzip.compress(b"hello")[:-5], "Content-Encoding: gzip")), "ends too early"),
    "a redirect to nowhere": (last(redirect(302, "javascript:alert(1)")), "a redirect to 'javascript'"),
    "a redirect to itself": (redirect(302, "/broken", "Connection: close"), "more than 30 redirects"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_http_is_one_failure(server: Server, user: Visitor, case: str) -> None:
    """With a message that tells, and without harm to the user."""
    answer, reason = BROKEN[case]
    server.on("/broken", answer)
    assert_one_failure(server, user, reason)


ENDLESS: dict[str, tuple[Any, str]] = {
    "headers": (endless(OK, b"A: bcd\r\n"), "head of the answer exceeds"),
    "one header": (endless(OK + b"A: ", b"x"), "head of the answer exceeds"),
    "interim answers": (endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "interim answers"),
    "a body": (endless(b"HTTP/1.0 200 OK\r\n\r\n", b"x"), f"exceeds {MAX_BODY} bytes"),
    "chunks": (endless(CHUNKED, b"3\r\nabc\r\n"), f"exceeds {MAX_BODY} bytes"),
    "trailers": (endless(CHUNKED + b"0\r\n", b"A: bcd\r\n"), "without any body"),
    "a chunk's extension": (endless(CHUNKED + b"1;", b"x"), "without any body"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_what_never_ends_is_cut_off(server: Server, user: Visitor, case: str) -> None:
    """Far below what the server would send."""
    answer, reason = ENDLESS[case]
    server.on("/broken", answer)
    tracemalloc.start()
    try:
        assert_one_failure(server, user, reason)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


BOMBS = {
    "gzip": lambda size: gzip.compress(bytes(size)),
    "deflate": lambda size: zlib.compress(bytes(size)),
    "br": lambda size: brotli.compress(bytes(size)),
    "gzip, gzip": lambda size: gzip.compress(gzip.compress(bytes(size))),
}


@pytest.mark.parametrize("encoding", BOMBS)
def test_a_bomb_does_not_go_off(server: Server, user: Visitor, encoding: str) -> None:
    """A hundred times the limit, in a body far below it."""
    server.on("/broken", reply(BOMBS[encoding](100 * MAX_BODY), f"Content-Encoding: {encoding}", "Connection: close"))
    tracemalloc.start()
    try:
        assert_one_failure(server, user, f"unpacks to more than {MAX_BODY} bytes")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_BODY


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_drip_is_given_up(server: Server, part: str) -> None:
    """However little at a time: never silent for long, and never done."""

    def drip(at: Exchange) -> None:
        if part == "body":
            at.send(OK + b"Content-Length: 1000\r\n\r\n")
        for byte in OK + b"A: " + b"x" * 900:
            at.send(bytes([byte]))
            gevent.sleep(0.02)

    server.on("/broken", drip)
    user = server.visitor(network_timeout=2, response_timeout=0.5)
    assert_one_failure(server, user, "not complete within 0.5 s")


def test_silence_after_half_an_answer_is_given_up(server: Server) -> None:
    server.on("/broken", lambda at: at.send(OK) or at.wait_for_the_client_to_close())
    assert_one_failure(server, server.visitor(network_timeout=0.2), "stalled for 0.2 s")


@pytest.mark.parametrize("start", [OK, OK + b"Content-Length: 9\r\n\r\nabc", CHUNKED + b"3\r\nabc"])
def test_a_reset_in_the_middle_is_a_failure(server: Server, user: Visitor, start: bytes) -> None:
    def reset(at: Exchange) -> None:
        at.send(start)
        gevent.sleep(0.05)  # so that the client has read it: a reset would discard what is still on its way
        at._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        at.hang_up()

    server.on("/broken", reset)
    assert_one_failure(server, user, "reset")


def test_unasked_bytes_on_an_idle_connection_end_it(server: Server, user: Visitor) -> None:
    """The request before was fine, and so is the next, on a new connection."""

    def chatter(at: Exchange) -> None:
        at.send(reply("fine"))
        gevent.sleep(0.05)
        at.send(b"and another thing")
        at.wait_for_the_client_to_close()
        at.hang_up()

    server.on("/chatter", chatter)
    assert user.client.get("/chatter").text == "fine"
    server.wait_until(lambda now: now.open == 0)
    assert user.client.post("/", data="x").text == "hello"
    assert [each["exception"] for each in user.fired] == [None, None]


def test_an_upload_that_nobody_reads_is_given_up(server: Server) -> None:
    """As much as the system takes is sent; then the server is silent for too long."""
    closing = gevent.event.Event()
    server.on("/broken", lambda at: closing.wait() and at.hang_up())
    user = server.visitor(network_timeout=0.3)
    answer = user.client.post("/broken", data=bytes(32 * MIB))
    closing.set()
    assert (answer.status_code, type(user.event["exception"])) == (0, TimeoutError)


def test_a_thousand_cookies_are_not_all_kept(server: Server, user: Visitor) -> None:
    """Neither from one answer nor from many."""
    for page in range(10):
        lines = [f"Set-Cookie: c{page}x{number}={'v' * 40}" for number in range(100)]
        server.on(f"/cookies/{page}", reply("", *lines))
        assert user.client.get(f"/cookies/{page}").ok
    assert len(user.client.cookiejar) == 300
    assert user.client.get("/").text == "hello"


def test_a_cookie_larger_than_browsers_take_is_not_kept(server: Server, user: Visitor) -> None:
    """Three hundred of them would be sent with every request."""
    server.on("/cookies", reply("", f"Set-Cookie: c={'v' * 60_000}", f"Set-Cookie: d={'v' * 4000}"))
    assert user.client.get("/cookies").ok
    assert [cookie.name for cookie in user.client.cookiejar] == ["d"]


def test_redirects_far_and_wide_are_not_remembered(server: Server, user: Visitor) -> None:
    """Neither their URLs nor their bodies, whatever a server makes up."""

    def onward(_: Exchange) -> bytes:
        path = f"/{len(server.requests)}{'x' * 40_000}"
        server.on(path, onward)
        return reply(bytes(MIB), f"Location: {path}", status="302 Found")

    server.on("/start", onward)
    tracemalloc.start()
    try:
        user.client.get("/start")
        assert "more than 30 redirects" in str(user.event["exception"])
        assert len(user.event["response"].history) == 30
        server.requests.clear()
        server._answers.clear()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 8 * MIB


def test_lines_without_end_are_cut_off(server: Server, user: Visitor) -> None:
    server.on("/lines", endless(b"HTTP/1.0 200 OK\r\n\r\nfirst\nsecond\n", b"x"))
    lines = user.client.iter_lines("/lines")
    assert [next(lines), next(lines)] == ["first", "second"]
    with pytest.raises(BadAnswerError, match=f"more than {MAX_BODY} bytes"):
        next(lines)
    server.wait_until(lambda now: now.open == 0)


@pytest.mark.parametrize("charset", ["undefined", "idna", "no-such", "unicode_escape"])
def test_a_charset_that_can_not_be_used_is_replaced(server: Server, user: Visitor, charset: str) -> None:
    server.on("/text", reply(b"hell\xf6 \\", f"Content-Type: text/plain; charset={charset}"))
    assert user.client.get("/text").text.startswith("hell")


def test_json_nested_beyond_all_depth_is_no_json(server: Server, user: Visitor) -> None:
    server.on("/json", reply("[" * 200_000))
    with pytest.raises(json.JSONDecodeError):
        user.client.get("/json").json()


answers = st.sampled_from(
    [
        reply("hello", "Content-Type: text/plain"),
        CHUNKED + b"5;x=1\r\nhello\r\n0\r\nT: u\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\r\nSet-Cookie: a=b\r\n\r\ngone",
        reply(gzip.compress(b"hello"), "Content-Encoding: gzip"),
        redirect(302, "/"),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An answer of which some bytes were changed, removed or added, or cut off."""
    data = bytearray(draw(answers))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutated() | st.binary(max_size=200))
def test_any_answer_is_one_event_and_nothing_else(server: Server, data: bytes) -> None:
    """Never raised into the task, never waited for longer than allowed."""
    server.on("/broken", last(data))
    user = server.visitor(network_timeout=0.5, response_timeout=1)
    user.client.get("/broken")
    assert user.event["response_time"] < 2000
    user.client.close()
