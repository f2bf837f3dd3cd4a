"""TLS: which certificates are trusted, and that nothing else differs from plain HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import gevent.ssl
import pytest
from certificates import Authority
from gevent.server import StreamServer
from http_server import PATIENCE_S, Exchange, Visitor, chunked, last, reply
from locust.exception import StopTest
from tls_server import TlsServer


@pytest.fixture
def server(authority: Authority) -> Iterator[TlsServer]:
    with TlsServer(authority.issue("127.0.0.1", "localhost")) as started:
        started.on("/", reply("hello"))
        yield started


@pytest.fixture
def user(server: TlsServer, authority: Authority) -> Visitor:
    return server.visitor(ca_file=str(authority.ca))


def test_an_unknown_authority_is_refused_by_default(server: TlsServer) -> None:
    """A certificate of an unknown CA is refused by default, with a message that names both settings that change it."""
    user = server.visitor()
    assert user.client.get("/").status_code == 0
    message = str(user.event["exception"])
    assert "certificate verify failed" in message
    assert "ca_file" in message
    assert "insecure" in message
    assert isinstance(user.event["exception"], ssl.SSLError)


def test_an_own_authority_can_be_trusted(user: Visitor) -> None:
    assert user.client.get("/").text == "hello"


def test_the_check_can_be_turned_off(server: TlsServer) -> None:
    assert server.visitor(insecure=True).client.get("/").text == "hello"


def test_another_name_is_refused(authority: Authority) -> None:
    """A certificate for another name is refused."""
    with TlsServer(authority.issue("shop.example")) as other:
        user = other.visitor(ca_file=str(authority.ca))
        user.client.get("/")
    assert "certificate verify failed" in str(user.event["exception"])
    assert "127.0.0.1" in str(user.event["exception"])


def test_a_certificate_whose_time_is_over_is_refused(authority: Authority) -> None:
    with TlsServer(authority.issue("127.0.0.1", ended=True)) as late:
        user = late.visitor(ca_file=str(authority.ca))
        user.client.get("/")
    assert "expired" in str(user.event["exception"])


def test_all_users_of_a_class_share_one_context(server: TlsServer, authority: Authority) -> None:
    """All users of a class share one TLS context, since each context reads all CAs."""
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(ssl.create_default_context(cafile=authority.ca))
        return made[-1]

    for _ in range(3):
        assert server.visitor(ssl_context_factory=staticmethod(context)).client.get("/").text == "hello"
    assert len(made) == 1


def test_a_client_can_show_a_certificate(authority: Authority) -> None:
    def context() -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=authority.ca)
        made.load_cert_chain(authority.issue("visitor.example"))
        return made

    with TlsServer(authority.issue("127.0.0.1"), authority.ca) as strict:
        strict.on("/", reply("welcome"))
        stranger = strict.visitor(ca_file=str(authority.ca))
        assert stranger.client.get("/").status_code == 0
        assert strict.visitor(ssl_context_factory=staticmethod(context)).client.get("/").text == "welcome"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_connections_are_kept(authority: Authority, version: ssl.TLSVersion) -> None:
    """One handshake serves many requests."""
    with TlsServer(authority.issue("127.0.0.1"), version=version) as server:
        server.on("/", reply("hello"))
        user = server.visitor(ca_file=str(authority.ca))
        for method in ("GET", "POST", "GET", "POST"):
            assert user.client.request(method, "/").text == "hello"
        assert (server.connections, len(server.requests)) == (1, 4)


def test_the_name_is_told_to_the_server(server: TlsServer, authority: Authority) -> None:
    port = server.url.rpartition(":")[2]
    user = server.visitor(host=f"https://localhost:{port}", ca_file=str(authority.ca))
    assert user.client.get("/").text == "hello"
    assert server.names == ["localhost"]


def test_large_bodies_go_both_ways(server: TlsServer, user: Visitor) -> None:
    """Bodies larger than any buffer on the way are sent and received whole."""
    body = bytes(range(256)) * (20 * 1024)
    server.on("/echo", lambda at: reply(at.read_body()))
    assert user.client.post("/echo", data=body).content == body


@pytest.mark.parametrize(
    "answer",
    [
        chunked(b"the body" * 100),
        last(b"HTTP/1.1 200 OK\r\n\r\n" + b"the body" * 100),
        last(b"HTTP/1.1 200 OK\r\nContent-Length: 800\r\n\r\n" + b"the body" * 100),
    ],
    ids=["chunked", "until the end", "closing"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bodies_come_as_without_tls(server: TlsServer, user: Visitor, answer: Any, stream: bool) -> None:
    server.on("/body", answer)
    for _ in range(2):
        assert user.client.get("/body", stream=stream).content == b"the body" * 100
    assert [each["exception"] for each in user.fired] == [None, None]


def test_a_connection_closed_while_idle_is_replaced(server: TlsServer, user: Visitor) -> None:
    """A connection closed while idle is replaced without a failure, also for a request that may not be repeated."""

    def close_later(at: Exchange) -> None:
        at.send(reply("bye"))
        at.hang_up()

    server.on("/bye", close_later)
    assert user.client.get("/bye").text == "bye"
    server.wait_until(lambda now: now.open == 0)
    assert user.client.post("/", data="x").text == "hello"
    assert user.fired[1]["exception"] is None


def test_a_handshake_that_stalls_is_given_up(server: TlsServer, authority: Authority) -> None:
    """A handshake that stalls is given up after connection_timeout."""
    silent = StreamServer(("127.0.0.1", 0), lambda connection, _: connection.recv(1 << 20) and gevent.sleep(PATIENCE_S))
    silent.start()
    user = server.visitor(
        host=f"https://127.0.0.1:{silent.server_port}", ca_file=str(authority.ca), connection_timeout=0.3
    )
    user.client.get("/")
    assert isinstance(user.event["exception"], TimeoutError)
    assert "0.3 s" in str(user.event["exception"])
    silent.stop(timeout=0)


def test_plain_http_on_the_port_of_tls(server: TlsServer) -> None:
    """Plain HTTP on a port of TLS, and the reverse, is a failure that says so."""
    plain = StreamServer(
        ("127.0.0.1", 0), lambda connection, _: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    )
    plain.start()
    user = server.visitor(host=f"https://127.0.0.1:{plain.server_port}")
    user.client.get("/")
    assert "TLS" in str(user.event["exception"])
    plain.stop(timeout=0)
    other = server.visitor(host=server.url.replace("https", "http"))
    other.client.get("/")
    assert other.event["exception"] is not None


def test_a_file_that_is_not_there_is_named(server: TlsServer) -> None:
    """A ca_file that does not exist is named before a request is made, as the operator's mistake."""
    with pytest.raises(StopTest, match=r"no/such/ca\.pem"):
        server.visitor(ca_file="no/such/ca.pem")
