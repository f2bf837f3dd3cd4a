"""Heads, redirects, cookies and connections of hostile servers; their bodies are in test_http_hostile_bodies."""

from __future__ import annotations

import gc
import struct
import tracemalloc
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from hostile_answers import MIB, OK, assert_one_failure, endless, holds, memory_below, resets
from http_server import Answer, Exchange, Server, Visitor, drop, last, redirect, reply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def user(server: Server) -> Visitor:
    return server.visitor(max_body_bytes=2 * MIB)


HELLO = b"Content-Length: 5\r\n\r\nhello"
LENGTH, NO_HTTP = "Content-Length", "not an HTTP"
HEADS: dict[str, tuple[bytes, str]] = {
    "another protocol's greeting": (b"220 mail.example ESMTP\r\n", NO_HTTP),
    "zeros": (bytes(1000), NO_HTTP),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x28", NO_HTTP),
    "HTTP/2": (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", NO_HTTP),
    "HTTP/9.9": (b"HTTP/9.9 200 OK\r\n" + HELLO, NO_HTTP),
    "HTTP/0.9": (b"HTTP/0.9 200 OK\r\n" + HELLO, NO_HTTP),
    "HTTP/1.2": (b"HTTP/1.2 200 OK\r\n" + HELLO, NO_HTTP),
    "no version": (b"HTTP/ 200 OK\r\n" + HELLO, NO_HTTP),
    "status 42": (b"HTTP/1.1 42 OK\r\n" + HELLO, "status"),
    "status -200": (b"HTTP/1.1 -200 OK\r\n" + HELLO, "status"),
    "status 2000": (b"HTTP/1.1 2000 OK\r\n" + HELLO, "status"),
    "status in words": (b"HTTP/1.1 OK OK\r\n" + HELLO, "status"),
    "no status": (b"HTTP/1.1\r\n" + HELLO, NO_HTTP),
    "an empty line first": (b"\r\n" + OK + HELLO, NO_HTTP),
    "a carriage return in a value": (OK + b"A: b\rc\r\n" + HELLO, "expected LF"),
    "a folded first header": (OK + b" A: b\r\n" + HELLO, "space"),
    "a space before the colon of a length": (OK + b"Content-Length : 5\r\n\r\nhello", "header"),
    "a header without a colon": (OK + b"nonsense\r\n" + HELLO, "header"),
    "NUL in a name": (OK + b"A\0: b\r\n" + HELLO, "header"),
    "NUL in a value": (OK + b"A: b\0c\r\n" + HELLO, "header value"),
    "a negative length": (OK + b"Content-Length: -1\r\n\r\n", LENGTH),
    "a signed length": (OK + b"Content-Length: +5\r\n\r\nhello", LENGTH),
    "a length of 10**30": (OK + b"Content-Length: 1%b\r\n\r\n" % (b"0" * 30), LENGTH),
    "a length of 2**64": (OK + b"Content-Length: %d\r\n\r\n" % 2**64, LENGTH),
    "a length of 2**63": (OK + b"Content-Length: %d\r\n\r\n" % 2**63, "exceeds 2097152 bytes"),
    "a length in words": (OK + b"Content-Length: five\r\n\r\nhello", LENGTH),
    "a length in hex": (OK + b"Content-Length: 0x5\r\n\r\nhello", LENGTH),
    "no length in the header": (OK + b"Content-Length:\r\n\r\nhello", LENGTH),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", LENGTH),
    "two lengths in a line": (OK + b"Content-Length: 5, 6\r\n\r\nhello", LENGTH),
    "a length, and chunks": (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", LENGTH),
    "chunks, and a length": (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", LENGTH),
    "101": (b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nyes", "another protocol"),
    "101 without an upgrade": (b"HTTP/1.1 101 Up\r\n\r\n", "another protocol"),
    "a header of 1 MiB": (OK + b"A: " + b"x" * MIB + b"\r\n" + HELLO, "head of the answer exceeds"),
    "100 000 headers": (OK + b"A: b\r\n" * 100_000 + HELLO, "head of the answer exceeds"),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_breaks_http_is_one_failure(server: Server, user: Visitor, case: str) -> None:
    """A head that breaks HTTP is a failure at once, though the server keeps the connection open."""
    data, words = HEADS[case]
    server.on("/hostile", holds(data))
    assert_one_failure(server, user, words)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "case",
    [
        (OK, b"A: bcd\r\n", "head of the answer exceeds"),
        (OK + b"A: ", b"x", "head of the answer exceeds"),
        (b"HTTP/1.1 200 ", b"O", "head of the answer exceeds"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n", "interim answers"),
        (b"", b"HTTP/1.1 103 Hints\r\nLink: <" + b"x" * 30_000 + b">\r\n\r\n", "interim answers"),
    ],
    ids=["headers", "a header", "a reason", "interim answers", "large interim answers"],
)
def test_a_head_without_end_is_cut_off(
    server: Server, user: Visitor, method: str, case: tuple[bytes, bytes, str]
) -> None:
    """A head without end is given up long before it fills the memory."""
    start, unit, words = case
    server.on("/hostile", endless(start, unit))
    with memory_below(4 * MIB):
        assert_one_failure(server, user, words, method=method)


def test_endless_interim_answers_in_place_of_the_one_that_was_waited_for(server: Server, user: Visitor) -> None:
    """An upload that waits for 100 Continue fails at endless interim responses."""
    server.on("/hostile", endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"))
    assert_one_failure(
        server, user, "interim answers", method="POST", data=b"x" * 1000, headers={"Expect": "100-continue"}
    )


@pytest.mark.parametrize("reset", [False, True])
def test_a_fresh_connection_that_is_closed_at_once(server: Server, *, reset: bool) -> None:
    """A new connection that is closed before the request was read is a failure, and not retried."""
    taken: list[socket.socket] = []

    def close(connection: socket.socket, _address: Any) -> None:
        taken.append(connection)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    streams = StreamServer(("127.0.0.1", 0), close)
    streams.start()
    user = server.visitor(host=f"http://127.0.0.1:{streams.server_port}")
    user.client.get("/")
    streams.stop()
    assert isinstance(user.event["exception"], ConnectionError)
    assert any(word in str(user.event["exception"]) for word in ("closed without an answer", "reset", "Broken pipe"))
    assert len(taken) == 1
    assert user.client.get(server.url + "/").text == "hello"


@pytest.mark.parametrize(
    "start",
    [b"", b"HT", OK + b"A: b\r\n", OK + b"Content-Length: 9\r\n\r\nabc", OK + b"\r\nabc"],
    ids=["no answer", "two bytes", "half a head", "half a body", "a body that ends with the connection"],
)
def test_a_reset_is_a_failure(server: Server, user: Visitor, start: bytes) -> None:
    """A reset is a failure, also where the end of the connection would have ended the body."""

    def answer(at: Exchange) -> None:
        at.send(start)
        resets(at)

    server.on("/hostile", answer)
    assert_one_failure(server, user, "reset")


@pytest.mark.parametrize("extra", [b"x", reply("nobody asked"), b"\r\n", bytes(3 * MIB)])
def test_what_comes_on_an_idle_connection_ends_it(server: Server, user: Visitor, extra: bytes) -> None:
    """Bytes on an idle connection close it; the request before and the next, on a new connection, succeed."""
    answered = Event()

    def answer(at: Exchange) -> None:
        at.send(reply("fine"))
        answered.wait()
        at.send(extra)
        at.wait_for_the_client_to_close()
        at.hang_up()

    server.on("/hostile", answer)
    assert user.client.get("/hostile").text == "fine"
    answered.set()
    server.wait_until(lambda now: now.open == 0)
    assert user.client.post("/", data="x").text == "hello"
    assert [each["exception"] for each in user.fired] == [None, None]
    assert server.connections == 2


NO_URL = "which is no http or https URL"
REDIRECTS: dict[str, tuple[Answer, str]] = {
    "to itself": (redirect(302, "/hostile"), "more than 30 redirects"),
    "to a fragment of itself": (redirect(307, "#again"), "more than 30 redirects"),
    "to and fro": (redirect(301, "/fro"), "more than 30 redirects"),
    "to a file": (redirect(302, "file:///etc/passwd"), f"'file', {NO_URL}"),
    "to a script": (redirect(302, "javascript:alert(1)"), f"'javascript', {NO_URL}"),
    "to data": (redirect(302, "data:text/plain,x"), f"'data', {NO_URL}"),
    "to half an address": (redirect(302, "http://[::1"), NO_URL),
    "to a port in words": (redirect(302, "http://127.0.0.1:x/"), NO_URL),
    "to a port beyond all": (redirect(302, "http://127.0.0.1:99999/"), NO_URL),
    "to port 0": (redirect(302, "http://127.0.0.1:0/"), NO_URL),
    "to a host with a space": (redirect(302, "http://a b/"), NO_URL),
    "to bytes": (redirect(302, "http://\xff\xfe/"), NO_URL),
    "to a long scheme": (redirect(302, f"{'x' * 60_000}:y"), NO_URL),
    "to nowhere": (redirect(302, "http://nowhere.invalid/"), "no address for 'nowhere.invalid'"),
    "to dots": (redirect(302, "http://.../"), "is not a host name"),
    "to a long host": (redirect(302, f"http://{'a' * 60_000}/"), "aaa"),
}


@pytest.mark.parametrize("case", REDIRECTS)
def test_a_redirect_that_leads_nowhere_is_one_failure(
    server: Server, user: Visitor, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A redirect that leads nowhere has a short message and prints nothing, since there may be thousands in a second."""
    answer, words = REDIRECTS[case]
    server.on("/hostile", answer)
    server.on("/fro", redirect(301, "/hostile"))
    assert_one_failure(server, user, words, closes=False)
    assert len(str(user.fired[0]["exception"])) < 300
    assert capfd.readouterr().err == ""


def test_redirects_to_long_urls_are_not_all_remembered(server: Server, user: Visitor) -> None:
    """300 redirects, each to another URL of 60 kB, leave nothing in memory."""
    count = 0

    def answer(_at: Exchange) -> bytes:
        nonlocal count
        count += 1
        return redirect(302, f"/hostile?{count}{'x' * 60_000}")

    server.on("/hostile", answer)
    tracemalloc.start()
    try:
        for _ in range(10):
            user.client.get("/hostile")
        user.fired.clear()
        server.requests.clear()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count > 300
    assert kept < 16 * MIB


def test_a_thousand_cookies_are_not_all_kept(server: Server, user: Visitor) -> None:
    """No more than 300 cookies of a domain are kept, of one response or of many."""
    server.on("/some", reply("", *[f"Set-Cookie: a{number}=b" for number in range(1000)]))
    server.on("/more", reply("", *[f"Set-Cookie: c{number}=d; Path=/p{number}" for number in range(1000)]))
    assert user.client.get("/some").ok
    assert user.client.get("/more").ok
    assert len(user.client.cookiejar) == 300
    assert user.client.get("/").text == "hello"


def test_large_cookies_do_not_fill_the_memory(server: Server, user: Visitor) -> None:
    """30 cookies of 60 kB, and requests to 30 URLs that they are for, do not fill the memory."""
    for number in range(30):
        server.on(f"/set/{number}", reply("", f"Set-Cookie: c{number}={'v' * 60_000}; Path=/shop"))
    server.on("/shop", reply("hello"))
    with memory_below(24 * MIB):
        for number in range(30):
            assert user.client.get(f"/set/{number}").ok
        for number in range(30):
            assert user.client.get(f"/shop?{number}").text == "hello"
            server.requests.clear()


@pytest.mark.parametrize(
    "line",
    [
        "a=b; Max-Age",
        f"a=b; Max-Age={'9' * 400}",
        "a=b; Expires",
        "a=b; Expires=Fri, 99 Foo 99999 99:99:99 GMT",
        f"a=b; Expires={'1 ' * 30_000}",
        "a=b; Domain=.",
        "a=b; Version=x; Port=y",
        "\xff\xfe=\xff",
        "=",
        '"',
        ";" * 60_000,
    ],
    ids=lambda line: line[:30],
)
def test_a_cookie_that_makes_no_sense_harms_nobody(server: Server, user: Visitor, line: str) -> None:
    """An invalid cookie harms neither the request nor the cookie beside it."""
    server.on("/hostile", reply("fine", f"Set-Cookie: {line}", "Set-Cookie: good=1"))
    assert user.client.get("/hostile").text == "fine"
    assert user.event["exception"] is None
    assert "good" in {cookie.name for cookie in user.client.cookiejar}
    assert user.client.get("/").text == "hello"


ANSWERS = [
    reply("hello", "Content-Type: text/plain", "Connection: keep-alive"),
    OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\r\nSet-Cookie: a=b; Path=/; Domain=x\r\n\r\ngone",
    reply(b"\x78\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15", "Content-Encoding: deflate"),
    redirect(302, "/", "Connection: close"),
    OK + HELLO + reply("again"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A response with some bytes changed, removed, added or doubled, or with its end cut off."""
    data = bytearray(draw(st.sampled_from(ANSWERS)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 5))
        data[start:end] = draw(st.binary(max_size=3) | st.just(bytes(data[start:end] * 2)))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutated() | st.binary(max_size=200), cut=st.integers(1, 100))
def test_any_bytes_are_one_event_and_nothing_else(server: Server, method: str, data: bytes, cut: int) -> None:
    """Any bytes, in one segment or two, fire one event within the time limits and raise nothing in the task."""

    def answer(at: Exchange) -> bytes:
        at.send(data[:cut])
        gevent.sleep(0.002)
        at.hang_up()
        return data[cut:]

    server.on("/hostile", last(data) if cut > len(data) else answer)
    server.on("/end", drop)
    user = server.visitor(network_timeout=0.5, response_timeout=1, connection_timeout=1)
    response = user.client.request(method, "/hostile")
    assert user.event["response_time"] < 2000
    assert (response.status_code == 0) <= (user.event["exception"] is not None)
    assert (response.headers is None) == (response.status_code == 0)
    user.client.close()
