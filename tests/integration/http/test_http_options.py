"""Options of one request: time limits, verification, cookies, retries."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from http.cookiejar import Cookie, CookieJar
from pathlib import Path
from typing import Any

import gevent
import pytest
from certificates import Authority
from gevent import socket
from gevent.server import StreamServer
from http_server import Exchange, Server, Visitor, drop, redirect, reply
from tls_server import TlsServer

SLOW_S = 1.5


def slow(at: Exchange) -> bytes:
    """A response that takes longer than the short limits here, and less than the long ones."""
    at.read_body()
    gevent.sleep(SLOW_S)
    return reply("at last")


def test_a_time_limit_holds_for_its_request_alone(server: Server, user: Visitor) -> None:
    """`timeout` is for its request alone; others on the same connection have the limits of the class."""
    server.on("/slow", slow)
    for limit, text in ((10, "at last"), (None, "at last"), ((10, 10.0), "at last"), (0.1, None), ((10, 0.1), None)):
        user.client.get("/")
        assert user.client.get("/slow", timeout=limit).text == text
    failures = [event["exception"] for event in user.fired if event["exception"] is not None]
    assert [(type(failure), str(failure)) for failure in failures] == [(TimeoutError, "no answer for 0.1 s")] * 2
    assert max(event["response_time"] for event in user.fired if event["exception"] is not None) < SLOW_S * 1000 - 10
    assert server.connections == 2


def test_a_longer_limit_than_that_of_the_class(server: Server) -> None:
    user = server.visitor(network_timeout=0.1)
    server.on("/slow", slow)
    user.client.get("/")
    assert user.client.get("/slow", timeout=10).text == "at last"
    assert user.client.get("/slow").text is None


def test_a_time_limit_holds_for_a_streamed_body_and_no_longer(server: Server, user: Visitor) -> None:
    def stalls(at: Exchange) -> bytes:
        at.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nat ")
        gevent.sleep(2 * SLOW_S)
        return b"last"

    server.on("/stalls", stalls)
    with user.client.get("/stalls", stream=True, timeout=SLOW_S, catch_response=True) as answer:
        assert answer.content == b"at "
    assert str(user.fired[0]["exception"]) == f"the answer stalled for {SLOW_S} s"
    assert user.client.get("/stalls", stream=True).text == "at last"


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that accepts connections and sends nothing."""
    started = StreamServer(("127.0.0.1", 0), lambda connection, _: connection.recv(1 << 16) and gevent.sleep(60))
    started.start()
    yield started.server_port
    started.stop(timeout=0)


@pytest.mark.parametrize("limit", [0.1, (0.1, None), (0.1, 60)])
def test_making_a_connection_is_limited_too(user: Visitor, mute: int, limit: Any) -> None:
    """`timeout` limits making a connection too; here the TLS handshake never begins."""
    user.client.get(f"https://127.0.0.1:{mute}/", timeout=limit)
    assert isinstance(user.event["exception"], TimeoutError)
    assert "took more than 0.1 s" in str(user.event["exception"])


def test_a_request_is_tried_as_often_as_it_says(server: Server) -> None:
    server.on("/drop", drop, drop, reply("at last"))
    assert server.visitor().client.get("/drop", max_retries=2).text == "at last"
    server.on("/drop", drop, drop, reply("never seen"))
    assert server.visitor(max_retries=5).client.get("/drop", max_retries=1).text is None


def test_as_many_redirects_are_followed_as_a_request_says(server: Server, user: Visitor) -> None:
    server.on("/0", redirect(302, "/1"))
    server.on("/1", redirect(302, "/"))
    assert user.client.get("/0", max_redirects=2).text == "hello"
    assert user.client.get("/0", max_redirects=1).status_code == 0
    assert user.client.get("/0", max_redirects=0).status_code == 302
    assert [event["exception"] and str(event["exception"]) for event in user.fired] == [
        None,
        "more than 1 redirects",
        None,
    ]


def jar(**cookies: str) -> CookieJar:
    filled = CookieJar()
    for name, value in cookies.items():
        filled.set_cookie(
            Cookie(0, name, value, None, False, "", False, False, "/", True, False, None, True, None, None, {})
        )
    return filled


@pytest.mark.parametrize("cookies", [{"b": "own", "c": 3}, jar(b="own", c="3")])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cookies_of_a_request_join_those_of_the_user(server: Server, user: Visitor, cookies: Any, method: str) -> None:
    """Cookies of a request replace those of the same names in the jar, for that request alone."""
    server.on("/login", reply("", "Set-Cookie: a=1", "Set-Cookie: b=2"))
    user.client.request(method, "/", cookies=cookies)
    user.client.get("/login")
    user.client.request(method, "/", cookies=cookies)
    user.client.request(method, "/", cookies=cookies, headers={"cookie": "not=this"})
    user.client.request(method, "/")
    assert [request["Cookie"] for request in server.requests] == [
        "b=own; c=3",
        None,
        "a=1; b=own; c=3",
        "a=1; b=own; c=3",
        "a=1; b=2",
    ]


def test_cookies_of_a_request_go_along_with_its_redirects(server: Server, user: Visitor) -> None:
    """Cookies of a request follow its redirects, but not to another host."""
    with Server("127.0.0.2") as other:
        other.on("/", reply("the other"))
        server.on("/start", redirect(302, "/second", "Set-Cookie: a=1"))
        server.on("/second", redirect(302, other.url + "/"))
        assert user.client.get("/start", cookies={"b": "2"}).text == "the other"
        assert [request["Cookie"] for request in server.requests] == ["b=2", "a=1; b=2"]
        assert other.requests[0]["Cookie"] is None


@pytest.fixture
def encrypted(authority: Authority) -> Iterator[TlsServer]:
    with TlsServer(authority.issue("127.0.0.1", "localhost")) as started:
        started.on("/", reply("hello"))
        yield started


def test_certificates_are_verified_as_a_request_says(encrypted: TlsServer, authority: Authority) -> None:
    """`verify` decides for its request, else the class does."""
    trusting, strict = encrypted.visitor(insecure=True), encrypted.visitor()
    ca = str(authority.ca)
    knowing = encrypted.visitor(ca_file=ca)
    for user, verify, good in (
        (strict, None, False),
        (strict, False, True),
        (strict, True, False),
        (strict, ca, True),
        (strict, authority.ca, True),
        (trusting, None, True),
        (trusting, False, True),
        (trusting, True, False),
        (trusting, ca, True),
        (knowing, True, True),
        (knowing, False, True),
    ):
        answer = user.client.get("/", verify=verify)
        assert answer.ok == good, (verify, answer.error)
        assert good or isinstance(answer.error, ssl.SSLCertVerificationError)


def test_connections_of_requests_that_trust_alike_are_kept(encrypted: TlsServer) -> None:
    """Connections verified in one way are kept for such requests alone; cookies are shared, and all connections end with the user."""
    user = encrypted.visitor()
    encrypted.on("/login", reply("", "Set-Cookie: a=1"))
    user.client.get("/login", verify=False)
    for _ in range(3):
        assert user.client.get("/", verify=False).ok
    assert encrypted.connections == 1
    assert encrypted.requests[-1]["Cookie"] == "a=1"
    assert not user.client.get("/").ok
    user.client.close()
    encrypted.wait_until(lambda now: now.open == 0)


def test_verification_makes_no_difference_without_tls(server: Server, user: Visitor) -> None:
    """`verify` makes no difference without TLS, and no other connection."""
    for verify in (False, True, None):
        assert user.client.get("/", verify=verify).ok
    assert server.connections == 1


def test_what_is_sent_and_received_is_shown(server: Server, user: Visitor) -> None:
    """debug_stream shows each step, with the headers as sent."""
    shown = io.StringIO()
    server.on("/start", redirect(307, "/"))
    user.client.cookiejar.set_cookie(next(iter(jar(a="1"))))
    user.client.post("/start", json={"b": 2}, debug_stream=shown)
    text = shown.getvalue()
    assert text.count("REQUEST: ") == text.count("RESPONSE: ") == 2
    assert [line for line in text.split("\n") if line.startswith(("REQUEST", "RESPONSE", "POST"))] == [
        f"REQUEST: {server.url}/start",
        "POST /start HTTP/1.1\r",
        "RESPONSE: HTTP/1.1 307 Elsewhere\r",
        f"REQUEST: {server.url}/",
        "POST / HTTP/1.1\r",
        "RESPONSE: HTTP/1.1 200 OK\r",
    ]
    assert text.count("Cookie: a=1\r\n") == text.count('\r\n\r\n{"b":2}\n\n') == 2
    assert text.endswith("hello\n\n")
    assert user.event["exception"] is None


def test_what_fails_or_is_streamed_is_shown_as_far_as_it_is_known(server: Server, user: Visitor) -> None:
    """debug_stream shows nothing without a response, and no body that is still to be read."""
    shown = io.StringIO()
    server.on("/drop", drop)
    user.client.get("/drop", debug_stream=shown)
    assert not shown.getvalue()
    assert user.client.get("/", stream=True, debug_stream=shown).text == "hello"
    assert "RESPONSE: HTTP/1.1 200 OK" in shown.getvalue()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"time_out": 5}, TypeError, "'time_out'.*params="),
        ({"payload": "x"}, TypeError, "'payload'.*data="),
        ({"to_string": True}, TypeError, "'to_string'"),
        ({"cert": "x.pem"}, TypeError, "'cert'.*ssl_context_factory"),
        ({"proxies": {}}, TypeError, "'proxies'.*proxy_host"),
        ({"timeout": "5"}, TypeError, "timeout="),
        ({"timeout": True}, TypeError, "timeout="),
        ({"timeout": (1, 2, 3)}, TypeError, "timeout="),
        ({"timeout": 0}, ValueError, "timeout="),
        ({"timeout": float("nan")}, ValueError, "timeout="),
        ({"verify": 1}, TypeError, "verify="),
        ({"verify": "/no/such/file"}, ValueError, "verify='/no/such/file' is not a file"),
        ({"cookies": "a=1"}, TypeError, "cookies="),
        ({"cookies": {"a": "1\r\nX: y"}}, ValueError, "Cookie"),
        ({"debug_stream": "file"}, TypeError, "debug_stream="),
        ({"max_retries": -1}, TypeError, "max_retries="),
        ({"max_redirects": "3"}, TypeError, "max_redirects="),
    ],
)
def test_what_is_no_option_is_refused_by_name(
    server: Server, user: Visitor, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    """An unknown option raises in the task with its name; nothing is sent or recorded."""
    with pytest.raises(error, match=words):
        user.client.get("/", **given)
    assert (server.connections, user.fired) == (0, [])


def test_verification_is_refused_where_a_context_of_ones_own_decides(
    encrypted: TlsServer, authority: Authority
) -> None:
    user = encrypted.visitor(ssl_context_factory=lambda: ssl.create_default_context(cafile=str(authority.ca)))
    with pytest.raises(TypeError, match=r"verify=.*ssl_context_factory"):
        user.client.get("/", verify=False)
    assert user.client.get("/").ok


def test_options_of_another_request_with_a_default_are_the_usual(server: Server, user: Visitor, tmp_path: Path) -> None:
    """An option of None is as if it was not given."""
    path = tmp_path / "file"
    path.write_bytes(b"123")
    with path.open("rb") as file:
        none = dict.fromkeys(("timeout", "verify", "cookies", "debug_stream", "max_retries", "max_redirects"))
        assert user.client.put("/", data=file, **none).text == "hello"
    assert server.requests[0].body == b"123"


def test_a_closed_port_is_refused_within_any_limit(user: Visitor) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        user.client.get(f"http://127.0.0.1:{port}/", timeout=5)
    assert isinstance(user.event["exception"], ConnectionRefusedError)
