"""TLS in detail: close_notify, key updates, fragmented records, and messages that name the right peer."""

from __future__ import annotations

import shutil
import socket as plain_socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from certificates import Authority
from gevent import socket
from gevent.server import StreamServer
from gevent.subprocess import PIPE, STDOUT, Popen
from http_proxy import Proxy, through
from http_server import PATIENCE_S, Exchange, Server, Visitor, chunked, last, redirect, reply
from tls_server import TlsServer

OK = b"HTTP/1.1 200 OK\r\n"
MIB = 1024 * 1024


@pytest.fixture
def server(authority: Authority) -> Iterator[TlsServer]:
    with TlsServer(authority.issue("127.0.0.1", "localhost")) as started:
        started.on("/", reply("hello"))
        yield started


@pytest.fixture
def user(server: TlsServer, authority: Authority) -> Visitor:
    return server.visitor(ca_file=str(authority.ca), network_timeout=2)


def farewell(data: bytes, *, hold: bool = False) -> Callable[[Exchange], None]:
    """An answer and TLS's own end of it, which reach the user together; to `hold` is to leave the end of TCP to the user."""

    def answer(at: Exchange) -> None:
        at.read_body()
        at.send(data)
        with pytest.raises(ssl.SSLWantReadError):  # it is sent, and the user has not answered it yet
            at._connection._sslobj.shutdown()
        if hold:
            at.wait_for_the_client_to_close(whatever_it_sends=True)
        at.hang_up()

    return answer


def abort(connection: socket.socket, _address: object) -> None:
    """Take something and answer with a reset."""
    connection.recv(1 << 16)
    connection.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def aborting() -> Iterator[int]:
    """The port of a server that resets each connection."""
    started = StreamServer(("127.0.0.1", 0), abort)
    started.start()
    yield started.server_port
    started.stop(timeout=0)


@pytest.mark.parametrize("hold", [False, True], ids=["TCP closed", "TCP left open"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_end_of_tls_ends_a_body(server: TlsServer, user: Visitor, stream: bool, hold: bool) -> None:
    """close_notify ends a body, also while the server waits for the client to close TCP, as asyncio's TLS does for up to 30 s."""
    server.on("/", farewell(OK + b"\r\nthe body", hold=hold))
    assert user.client.get("/", stream=stream).content == b"the body"
    assert user.event["exception"] is None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_asked_after_the_end_of_tls(server: TlsServer, user: Visitor, method: str) -> None:
    """A connection is not kept after close_notify, which may come with a response and long before the end of TCP."""
    server.on("/bye", farewell(reply("bye"), hold=True))
    assert user.client.get("/bye").text == "bye"
    assert user.client.request(method, "/").text == "hello"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        (b"Content-Length: 9\r\n\r\nabc", "before the announced end"),
        (b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc", "within a chunked body"),
        (b"Content-Le", "within the head"),
    ],
)
@pytest.mark.parametrize("ended", [False, True], ids=["cut off", "ended by TLS"])
def test_an_answer_cut_short_is_a_failure(
    server: TlsServer, user: Visitor, cut: bytes, reason: str, ended: bool
) -> None:
    """A response that close_notify cuts short is a failure."""
    server.on("/cut", farewell(OK + cut) if ended else last(OK + cut))
    assert user.client.get("/cut").content is None
    assert reason in str(user.event["exception"])
    assert user.client.get("/").text == "hello"


def test_a_body_goes_up_in_pieces_and_comes_down_streamed(server: TlsServer, user: Visitor) -> None:
    """Five megabytes each way go over one connection."""
    piece = bytes(range(256)) * 256
    server.on("/echo", lambda at: chunked(at.read_body(), size=10_000))
    with user.client.post("/echo", data=iter([piece] * 80), stream=True) as answer:
        assert b"".join(answer.iter_content(chunk_size=MIB)) == piece * 80
    assert user.client.get("/").text == "hello"
    assert server.connections == 1


def test_a_body_waits_for_continue(server: TlsServer, user: Visitor) -> None:
    """A body waits for 100 Continue, which is a TLS record of its own."""

    def answer(at: Exchange) -> bytes:
        at.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return reply(at.read_body())

    server.on("/", answer)
    assert user.client.post("/", data=b"body", headers={"Expect": "100-continue"}).content == b"body"


def test_tls_may_come_in_crumbs(server: TlsServer, authority: Authority) -> None:
    """A handshake and records may arrive byte by byte."""

    def crumble(client: socket.socket, _address: object) -> None:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as peer:
            upward = gevent.spawn(lambda: [peer.sendall(data) for data in iter(lambda: client.recv(1 << 16), b"")])
            while data := peer.recv(1 << 16):
                for byte in data:
                    client.sendall(bytes([byte]))
                    gevent.sleep(0.002)  # the user sees this byte before the next
            upward.kill()

    between = StreamServer(("127.0.0.1", 0), crumble)
    between.start()
    url = f"https://127.0.0.1:{between.server_port}/"
    user = server.visitor(ca_file=str(authority.ca))  # one that is in no hurry: each crumb has its time
    for _ in range(2):
        assert user.client.get(url).text == "hello"
    assert server.connections == 1
    user.client.close()
    between.stop(timeout=0)


def test_a_redirect_may_lead_from_plain_to_encrypted(server: TlsServer, authority: Authority) -> None:
    """A redirect from http to https is followed."""
    with Server() as plain:
        plain.on("/", redirect(301, f"{server.url}/"))
        user = plain.visitor(ca_file=str(authority.ca))
        for _ in range(2):
            assert user.client.get("/").text == "hello"
        assert (plain.connections, server.connections) == (1, 1)


def test_an_address_is_not_told_as_a_name(server: TlsServer, user: Visitor) -> None:
    """An address is not sent in SNI, which is for names only (RFC 6066 3)."""
    assert user.client.get("/").text == "hello"
    assert server.names == [None]


def test_a_context_may_be_made_by_a_method(server: TlsServer, authority: Authority) -> None:
    """Locust calls it on the user, and scenarios written for Locust make use of that; it is called once all the same."""
    made: list[ssl.SSLContext] = []

    def context(self: Visitor) -> ssl.SSLContext:
        assert self.environment is not None
        made.append(ssl.create_default_context(cafile=authority.ca))
        return made[-1]

    first = server.visitor(ssl_context_factory=context)
    second = type(first)(first.environment)
    for user in (first, second):
        assert user.client.get("/").text == "hello"
        user.client.close()
    assert len(made) == 1


def test_a_ca_file_without_certificates_is_named(server: TlsServer, tmp_path: Path) -> None:
    """A ca_file without certificates is named, as the operator's mistake."""
    empty = tmp_path / "not-a-ca.pem"
    empty.write_text("nothing of use")
    try:
        user = server.visitor(ca_file=str(empty))
        user.client.get("/")
    except Exception as error:  # noqa: BLE001  # before or with the first request: what counts is that it tells
        message = str(error)
    else:
        message = str(user.event["exception"])
    assert empty.name in message


def test_a_reset_in_the_handshake_is_a_failure(aborting: int, server: TlsServer) -> None:
    """A reset in the handshake is recorded as any lost connection is."""
    user = server.visitor(host=f"https://127.0.0.1:{aborting}")
    assert user.client.get("/").status_code == 0
    assert isinstance(user.event["exception"], ConnectionResetError)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_one_failure(authority: Authority, version: ssl.TLSVersion) -> None:
    """TLS 1.3 says so only when the user takes the handshake to be over."""
    with TlsServer(authority.issue("127.0.0.1"), authority.ca, version=version) as strict:
        user = strict.visitor(ca_file=str(authority.ca))
        assert user.client.post("/", data=b"x" * 1000).status_code == 0
        assert isinstance(user.event["exception"], (ssl.SSLError, ConnectionError))
        assert strict.requests == []


def test_the_certificate_behind_a_proxy_is_for_the_target(server: TlsServer, authority: Authority) -> None:
    """Behind a proxy the certificate must name the target, not the proxy."""
    proxy = Proxy()
    with TlsServer(authority.issue("shop.example")) as other:
        user = through(proxy.port, other, ca_file=str(authority.ca))
        user.client.get("/")
    assert "certificate verify failed" in str(user.event["exception"])
    named = through(proxy.port, server, host=server.url.replace("127.0.0.1", "localhost"), ca_file=str(authority.ca))
    assert named.client.get("/").text == "hello"
    assert server.names == ["localhost"]
    proxy.stop()


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_refused_tunnel_tells_its_status_also_with_a_page(server: TlsServer, status: int) -> None:
    """Proxies explain themselves in a body, which mostly comes along with the head."""
    refusing = Proxy(refusal=reply("<h1>Sign in first</h1>", status=f"{status} No"))
    user = through(refusing.port, server)
    user.client.get("/")
    message = str(user.event["exception"])
    assert str(status) in message
    assert f"the proxy 127.0.0.1:{refusing.port}" in message
    refusing.stop()


def test_a_proxy_that_resets_is_named(aborting: int, server: TlsServer) -> None:
    """A proxy that resets is named, so that it does not look like the target."""
    user = through(aborting, server)
    user.client.get("/")
    assert "proxy" in str(user.event["exception"])


def test_a_proxy_that_stalls_is_named(server: TlsServer) -> None:
    """A proxy that stalls is named, within connection_timeout."""
    with Server() as silent:
        silent.on(server.url.removeprefix("https://"), lambda at: at.wait_for_the_client_to_close() or at.hang_up())
        port = int(silent.url.rpartition(":")[2])
        user = through(port, server, connection_timeout=1)
        user.client.get("/")
        assert isinstance(user.event["exception"], TimeoutError)
        assert f"the proxy 127.0.0.1:{port}" in str(user.event["exception"])
        silent.wait_until(lambda now: now.open == 0)


def test_proxies_of_the_environment_are_not_used_for_tls(user: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used, neither HTTPS_PROXY nor https_proxy."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert user.client.get("/").text == "hello"


@pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("stdbuf")),
    reason="needs the commands openssl, which can change keys at will, and stdbuf, to hear of it at once",
)
def test_keys_may_be_changed_in_between(authority: Authority) -> None:
    """TLS 1.3 may renew them at any time, and the peer has to answer."""
    chain = str(authority.issue("127.0.0.1"))
    command = [
        "stdbuf",
        "-o0",
        "openssl",
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-cert",
        chain,
        "-key",
        chain,
        "-tls1_3",
    ]
    process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, bufsize=0)

    def read_until(text: bytes) -> bytes:
        said = b""
        while not said.endswith(text):
            more = process.stdout.read(1)
            assert more, said
            said += more
        return said

    def say(data: bytes) -> None:
        process.stdin.write(data)
        process.stdin.flush()

    with gevent.Timeout(PATIENCE_S, AssertionError("waited in vain")), process:
        try:
            read_until(b"ACCEPT 127.0.0.1:")
            port = read_until(b"\n").decode().strip()
            with Server() as unused:
                user = unused.visitor(host=f"https://127.0.0.1:{port}", ca_file=str(authority.ca))
                for number in range(3):
                    asking = gevent.spawn(user.client.get, f"/{number}")
                    read_until(f"GET /{number} HTTP/1.1".encode())
                    read_until(b"\r\n\r\n")
                    say(b"K\n")
                    read_until(b"SSL_do_handshake -> 1")
                    say(reply(f"hello {number}"))
                    assert asking.get().text == f"hello {number}"
        finally:
            process.kill()
