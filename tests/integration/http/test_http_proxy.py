"""Requests through a proxy, and names with several addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from certificates import Authority
from gevent import socket
from http_proxy import Proxy, through
from http_server import Server, reply
from locust.exception import StopTest
from tls_server import TlsServer


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    started = Proxy()
    yield started
    started.stop()


def test_a_plain_request_names_its_server_to_the_proxy(server: Server, proxy: Proxy) -> None:
    """A plain request has the whole URL in its request line (RFC 9112 3.2.2), and one connection serves many."""
    server.on(f"{server.url}/", reply("hello"))
    user = through(proxy.port, server)
    for _ in range(3):
        assert user.client.get("/?a=1").text == "hello"
    assert proxy.asked == [f"GET {server.url}/?a=1 HTTP/1.1"]
    assert (proxy.connections, len(server.requests)) == (1, 3)
    assert server.requests[0]["Host"] == server.url.removeprefix("http://")


def test_an_encrypted_request_goes_through_a_tunnel(proxy: Proxy, tmp_path: Any) -> None:
    """Through a tunnel the server's certificate is verified, and the proxy sees only its address."""
    authority = Authority(tmp_path)
    with TlsServer(authority.issue("127.0.0.1")) as server:
        server.on("/", reply("secret"))
        user = through(proxy.port, server, ca_file=str(authority.ca))
        for _ in range(3):
            assert user.client.get("/").text == "secret"
        assert proxy.asked == [f"CONNECT {server.url.removeprefix('https://')} HTTP/1.1"]
        assert server.requests[0].target == "/"
        stranger = through(proxy.port, server)
        stranger.client.get("/")
        assert "certificate verify failed" in str(stranger.event["exception"])


@pytest.mark.parametrize("status", [407, 502])
def test_a_tunnel_that_is_refused_is_a_failure(server: Server, status: int) -> None:
    refusing = Proxy(refusal=b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    user = through(refusing.port, server, host="https://shop.example")
    user.client.get("/")
    assert f"the proxy 127.0.0.1:{refusing.port} refused" in str(user.event["exception"])
    assert str(status) in str(user.event["exception"])
    refusing.stop()


def test_a_proxy_that_is_not_there_is_named(server: Server) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        user = through(bound.getsockname()[1], server)
        user.client.get("/")
    assert isinstance(user.event["exception"], ConnectionRefusedError)
    assert "by the proxy 127.0.0.1" in str(user.event["exception"])


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert server.visitor().client.get("/").text == "hello"


def test_half_a_proxy_is_refused(server: Server) -> None:
    with pytest.raises(StopTest, match="both proxy_host and proxy_port"):
        server.visitor(proxy_host="127.0.0.1")


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")


@ipv6
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    with Server("::1") as server:
        server.on("/", reply("six"))
        port = server.url.rpartition(":")[2]
        user = server.visitor(host=f"http://[::1]:{port}")
        assert user.client.get("/").text == "six"
        assert server.requests[0]["Host"] == f"[::1]:{port}"
        assert user.client.get(f"http://[::1]:{port}/").text == "six"
        assert server.connections == 1


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=ipv6)])
def test_a_name_with_several_addresses_is_tried_at_each(address: str) -> None:
    """Each address of a name is tried, whichever of the two the server on localhost listens on."""
    with Server(address) as server:
        server.on("/", reply("here"))
        port = server.url.rpartition(":")[2]
        addresses = {each[4][0] for each in socket.getaddrinfo("localhost", int(port), type=socket.SOCK_STREAM)}
        if address not in addresses:
            pytest.skip(f"localhost is {' and '.join(sorted(addresses))} on this machine")
        assert server.visitor(host=f"http://localhost:{port}").client.get("/").text == "here"


def test_a_name_without_an_address_is_a_failure(server: Server) -> None:
    user = server.visitor(host="http://no-such-host.invalid", connection_timeout=5)
    user.client.get("/")
    assert "no address for 'no-such-host.invalid'" in str(user.event["exception"])
