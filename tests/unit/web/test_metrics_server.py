"""The controller's metrics over real sockets: what Prometheus reads, and that no client can block the page."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import gevent
import pytest
from gevent import socket as green
from prometheus_client.parser import text_string_to_metric_families

from master.errors import InputError
from master.web.metrics import server as metrics
from master.web.metrics import text
from master.web.metrics.server import MAX_CONNECTIONS, MetricsServer
from master.web.metrics.state import LiveState

ODD = 'quote " slash \\ line\nend ' + "ü" * 280
STATE = LiveState(
    run="swarm-1",
    users=7,
    users_planned=9,
    requests={("GET", "/a"): [10, 2, 300], ("GET", ODD): [1, 0, 0]},
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsServer]:
    monkeypatch.setattr(metrics, "MAX_CONNECTION_S", 1.0)
    server = MetricsServer(0)
    server.publish(STATE)
    yield server
    server.close()


def connect(server: MetricsServer) -> green.socket:
    return green.create_connection(("127.0.0.1", urlsplit(server.url).port))


def send(server: MetricsServer, request: bytes) -> bytes:
    """Return the whole answer, up to the server's close."""
    with connect(server) as connection:
        connection.sendall(request)
        answer = b""
        with gevent.Timeout(10):
            while data := connection.recv(65536):
                answer += data
    return answer


def scrape(server: MetricsServer) -> dict[tuple[str, tuple[str, ...]], float]:
    head, _, body = send(server, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_prometheus_reads_what_the_run_handed_over(server: MetricsServer) -> None:
    """Prometheus reads the figures of the run, also with unusual characters in names; and the latest ones at the next look."""
    found = scrape(server)
    assert found["piswarm_users", ()] == 7
    assert found["piswarm_requests_total", ("GET", ODD)] == 1
    server.publish(LiveState())
    assert scrape(server)["piswarm_users", ()] == 0


def test_many_lookers_have_the_page_made_once(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask for the page of one second, the run pays for making it once."""
    made: list[LiveState] = []

    def counted(state: LiveState) -> Iterator[bytes]:
        made.append(state)
        yield from text.page_parts(state)

    monkeypatch.setattr(metrics, "page_parts", counted)
    lookers = [gevent.spawn(scrape, server) for _ in range(8)]
    with gevent.Timeout(20):
        gevent.joinall(lookers, raise_error=True)
    assert made == [STATE]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /health", b"200"),
        (b"GET /", b"404"),
        (b"POST /metrics", b"405"),
        (b"GET /metrics/../x", b"404"),
        (b"GET /" + b"a" * 20_000, b"414"),
        (b"\xff\xfe", b"400"),
    ],
)
def test_anything_else_is_answered_by_its_status(server: MetricsServer, request_line: bytes, status: bytes) -> None:
    """Any other request is answered with its status, and the page goes on working."""
    assert send(server, request_line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").split(b" ")[1] == status
    assert scrape(server)


@pytest.mark.parametrize("host", [b"127.0.0.1", b"127.0.0.1:9646", b"LocalHost:80", b"[::1]:9646"])
def test_a_name_of_loopback_is_answered(server: MetricsServer, host: bytes) -> None:
    """A request for a name of loopback with any port is answered, since the page may be seen through a tunnel."""
    assert send(server, b"GET /metrics HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "head",
    [
        b"Host: evil.example\r\n",
        b"Host: localhost.evil.example\r\n",
        b"Host: 127.0.0.1.evil.example:9646\r\n",
        b"Host: evil.example\r\nHost: localhost\r\n",
        b"Host: localhost@evil.example\r\n",
        b"Host: \r\n",
        b"",
    ],
)
@pytest.mark.parametrize("path", [b"/metrics", b"/health"])
def test_a_request_to_another_host_is_refused(server: MetricsServer, head: bytes, path: bytes) -> None:
    """A request with another host's name is refused, which a browser sends after DNS rebinding."""
    answer = send(server, b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 421 ")
    assert b"piswarm" not in answer


def test_clients_that_say_nothing_keep_nobody_from_the_page(server: MetricsServer) -> None:
    """When idle clients take all places, a new client gets the oldest one's place at once."""
    silent = [connect(server) for _ in range(3 * MAX_CONNECTIONS)]
    slow = connect(server)
    slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    with gevent.Timeout(0.9):  # less than the second that a silent one is granted here
        assert scrape(server)
    for connection in (*silent, slow):
        connection.close()


def test_a_client_that_says_nothing_is_cut_off(server: MetricsServer) -> None:
    """An idle client is cut off after MAX_CONNECTION_S, so that none stays for ever."""
    assert send(server, b"") == send(server, b"GET /metrics HTTP/1.1\r\nX: ") == b""


def test_a_head_without_end_is_cut_off(server: MetricsServer) -> None:
    """A request head without end is cut off and never read as a whole."""
    with connect(server) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n")

        def send_for_ever() -> None:
            while True:
                connection.sendall(b"X-1: y\r\n" * 1000)

        with gevent.Timeout(20), pytest.raises(OSError, match=r"Broken pipe|reset"):
            send_for_ever()
    assert scrape(server)


def test_a_port_that_is_taken_is_the_operators_to_choose_anew() -> None:
    """A port that is taken is wrong input, and the message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} on 127.0.0.1 is taken by another program"):
            MetricsServer(port)
