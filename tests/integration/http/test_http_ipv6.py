"""IPv6: addresses in brackets, and names that have addresses of both kinds."""

from __future__ import annotations

import errno
import socket as plain_socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent.ssl
import pytest
from certificates import Authority
from gevent import socket
from gevent.server import StreamServer
from http_server import Server, Visitor, redirect, reply

from worker.http.transport import connect


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")


class Server6(Server):
    """Listens on ::1, behind TLS if it has a certificate."""

    def __init__(self, chain: Path | None = None) -> None:
        super().__init__("::1")
        scheme = "http"
        if chain is not None:
            self._streams.stop()
            context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain)
            self._streams = StreamServer(("::1", 0), self._serve, ssl_context=context)
            self._streams.start()
            scheme = "https"
        self.port: int = self._streams.server_port
        self.url = f"{scheme}://[::1]:{self.port}"


@pytest.fixture
def server() -> Iterator[Server6]:
    with Server6() as started:
        started.on("/", reply("six"))
        yield started


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the name both.test these addresses, in this order."""

    def set_addresses(*addresses: str) -> None:
        def answer(host: str, port: int, **_: Any) -> list[Any]:
            assert host == "both.test"
            numeric = plain_socket.AI_NUMERICHOST
            return [
                plain_socket.getaddrinfo(each, port, type=plain_socket.SOCK_STREAM, flags=numeric)[0]
                for each in addresses
            ]

        monkeypatch.setattr(connect, "getaddrinfo", answer)

    return set_addresses


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


@ipv6
def test_the_host_header_has_brackets(server: Server6) -> None:
    """Host has brackets as in the URL, for paths and whole URLs, over one connection."""
    user = server.visitor()
    for url in ("/", f"{server.url}/", f"http://[0:0::1]:{server.port}/"):
        assert user.client.get(url).text == "six"
    assert [request["Host"] for request in server.requests] == [f"[::1]:{server.port}"] * 2 + [
        f"[0:0::1]:{server.port}"
    ]
    assert [request.connection for request in server.requests] == [1, 1, 2]


@ipv6
def test_a_redirect_to_an_address_in_brackets_is_followed(server: Server6) -> None:
    """A redirect from IPv4 to an address in brackets is followed, and one from there by path."""
    server.on("/start", redirect(302, "/"))
    with Server() as old:
        old.on("/", redirect(302, f"{server.url}/start"))
        answer = old.visitor().client.get("/")
    assert (answer.text, answer.url) == ("six", f"{server.url}/")


@ipv6
def test_cookies_of_an_address_in_brackets_are_sent_back(server: Server6) -> None:
    """Cookies of an address in brackets are sent back to it."""
    server.on("/", reply("six", "Set-Cookie: id=6"))
    user = server.visitor()
    for _ in range(2):
        user.client.get("/")
    assert [request["Cookie"] for request in server.requests] == [None, "id=6"]


@ipv6
@pytest.mark.parametrize("named", [True, False], ids=["in the certificate", "not in the certificate"])
def test_the_certificate_is_for_the_address(tmp_path: Path, named: bool) -> None:
    """A certificate must name the address, as it must name a host."""
    authority = Authority(tmp_path)
    with Server6(authority.issue("::1" if named else "127.0.0.1")) as server:
        server.on("/", reply("safe"))
        user = server.visitor(ca_file=str(authority.ca))
        assert user.client.get("/").text == ("safe" if named else None)
    message = str(user.event["exception"])
    assert (message == "None") if named else ("certificate verify failed" in message)


@ipv6
def test_a_proxy_and_its_target_may_both_have_addresses_in_brackets(server: Server6) -> None:
    """Addresses have brackets in the request line of plain HTTP, of CONNECT, and in messages about the proxy."""
    server.on("http://[::1]:81/", reply("through"))
    server.on("[::1]:444", reply(status="502 No"))
    user = server.visitor(host="http://[::1]:81", proxy_host="::1", proxy_port=server.port)
    assert user.client.get("/").text == "through"
    user.client.get("https://[::1]:444/")
    assert [request["Host"] for request in server.requests] == ["[::1]:81", "[::1]:444"]
    assert server.requests[1].method == "CONNECT"
    assert f"the proxy [::1]:{server.port} refused a tunnel to [::1]:444" in str(user.fired[1]["exception"])


@ipv6
def test_an_address_where_nobody_listens_is_a_failure_that_names_it(server: Server6) -> None:
    """A refused connection names the address in brackets, so that it can be told from the port."""
    with socket.socket(socket.AF_INET6) as bound:
        bound.bind(("::1", 0))
        port = bound.getsockname()[1]
        user = server.visitor(host=f"http://[::1]:{port}")
        user.client.get("/")
    assert isinstance(user.event["exception"], ConnectionRefusedError)
    assert f"[::1]:{port}" in str(user.event["exception"])


@ipv6
@pytest.mark.parametrize("order", [("::1", "127.0.0.1"), ("127.0.0.1", "::1")], ids=" then ".join)
@pytest.mark.parametrize("at", ["127.0.0.1", "::1"])
def test_each_address_of_a_name_is_tried(resolve: Callable[..., None], at: str, order: tuple[str, str]) -> None:
    """Each address of a name is tried until one connection is made and kept; the other try is no failure."""
    resolve(*order)
    with Server() if at == "127.0.0.1" else Server6() as server:
        server.on("/", reply("here"))
        user = server.visitor(host=f"http://both.test:{port_of(server)}")
        for _ in range(2):
            assert user.client.get("/").text == "here"
        assert server.connections == 1
        assert server.requests[0]["Host"] == f"both.test:{port_of(server)}"


@ipv6
def test_a_name_of_which_no_address_answers_is_one_failure(resolve: Callable[..., None], server: Server6) -> None:
    """A name of which no address answers is one failure with that name."""
    resolve("::1", "127.0.0.1")
    with plain_socket.create_server(("::1", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
        port = taken.getsockname()[1]
    user = server.visitor(host=f"http://both.test:{port}")
    user.client.get("/")
    assert isinstance(user.event["exception"], ConnectionRefusedError)
    assert f"both.test:{port}" in str(user.event["exception"])


def test_a_system_without_ipv6_uses_the_other_address(
    resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without IPv6 the other address is used, though a hosts file names ::1 first."""
    resolve("::1", "127.0.0.1")

    class OldSocket(plain_socket.socket):
        def __init__(self, family: int = -1, *rest: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *rest)

    monkeypatch.setattr(connect, "_Socket", OldSocket)
    with Server() as server:
        server.on("/", reply("here"))
        user: Visitor = server.visitor(host=f"http://both.test:{port_of(server)}")
        assert user.client.get("/").text == "here"


@pytest.mark.parametrize("at", ["127.0.0.1", pytest.param("::1", marks=ipv6)])
def test_localhost_is_found_where_its_server_is(at: str) -> None:
    """A server on localhost is found by this machine's own addresses for that name."""
    with Server() if at == "127.0.0.1" else Server6() as server:
        server.on("/", reply("here"))
        port = port_of(server)
        known = {each[4][0] for each in plain_socket.getaddrinfo("localhost", port, type=plain_socket.SOCK_STREAM)}
        if at not in known:
            pytest.skip(f"localhost is {' and '.join(sorted(known))} on this machine")
        assert server.visitor(host=f"http://localhost:{port}").client.get("/").text == "here"
