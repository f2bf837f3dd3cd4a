"""Time limits of the HTTP user, and requests that are cut off."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Group
from http_server import PATIENCE_S, Exchange, HttpUser, Server, reply
from locust import task
from locust.env import Environment


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        started.on("/", reply("hello"))
        started.on("/silent", silent)
        yield started


def silent(at: Exchange) -> None:
    """Read the request and send nothing until the client gives up."""
    at.read_body()
    at.wait_for_the_client_to_close()
    at.hang_up()


def stalls(start: bytes) -> Any:
    """Send `start` and no more."""

    def answer(at: Exchange) -> None:
        at.send(start)
        silent(at)

    return answer


@pytest.fixture
def deaf_url() -> Iterator[str]:
    """A port that takes no connection: its queue, which holds one (and on some systems two), is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        queued = [socket.socket() for _ in range(4)]
        for one in queued:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in queued:
            one.close()


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nCon", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"],
    ids=["nothing", "part-of-the-head", "part-of-the-body"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_silence_beyond_the_network_timeout_is_a_failure(server: Server, method: str, start: bytes) -> None:
    """Silence beyond the limit is one failure with the limit as its latency; it is not retried, and its connection is closed."""
    server.on("/stalls", stalls(start))
    user = server.visitor(network_timeout=0.2)
    user.client.get("/", timeout=PATIENCE_S)
    answer = user.client.request(method, "/stalls")
    event = user.fired[1]
    assert isinstance(event["exception"], TimeoutError)
    assert 195 < event["response_time"] < 3000
    assert (answer.status_code, answer.content) == (0, None)
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/", timeout=PATIENCE_S).text == "hello"
    assert [request.target for request in server.requests] == ["/", "/stalls", "/"]


def test_an_answer_may_take_longer_than_the_network_timeout(server: Server) -> None:
    """A response that is never silent for the limit may take longer. This process itself may be off its core for most of it."""
    answer = reply("hello")

    def slow(at: Exchange) -> None:
        for byte in answer:
            at.send(bytes([byte]))
            gevent.sleep(3.3 / len(answer))

    server.on("/slow", slow)
    user = server.visitor(network_timeout=3)
    assert user.client.get("/slow").text == "hello"
    assert user.event["response_time"] > 3000


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_an_answer_that_drips_is_bounded_by_the_response_timeout(server: Server, start: bytes) -> None:
    """A head or a body that drips without end is given up after response_timeout."""
    drop = b"1\r\nx\r\n" if start else b"H"

    def drip(at: Exchange) -> None:
        at.send(start or b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            at.send(drop)
            gevent.sleep(0.05)

    server.on("/drip", drip)
    user = server.visitor(response_timeout=2, network_timeout=5)
    user.client.get("/drip")
    assert isinstance(user.event["exception"], TimeoutError)
    assert 1995 < user.event["response_time"] < 4500
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"


def test_a_server_that_does_not_read_is_bounded_too(server: Server) -> None:
    """A server that does not read a body larger than the buffers of the kernel is given up."""

    def deaf(_at: Exchange) -> None:
        given_up.wait(10)

    given_up = Event()
    server.on("/deaf", deaf)
    user = server.visitor(network_timeout=0.3)
    user.client.post("/deaf", data=bytes(32 * 1024 * 1024))
    given_up.set()
    assert isinstance(user.event["exception"], TimeoutError)
    assert 295 < user.event["response_time"] < 5000


def test_a_server_that_reads_a_little_at_a_time_is_bounded_by_the_response_timeout(server: Server) -> None:
    """A server that reads slowly is given up after response_timeout, though something moves all the time."""

    def sip(at: Exchange) -> None:
        while at.read_some(100_000):
            gevent.sleep(0.02)
        at.hang_up()

    server.on("/sips", sip)
    user = server.visitor(network_timeout=5, response_timeout=0.5)
    user.client.post("/sips", data=bytes(64 * 1024 * 1024))
    assert isinstance(user.event["exception"], TimeoutError)
    assert 495 < user.event["response_time"] < 3000


def test_a_connection_that_is_not_taken_is_a_failure(server: Server, deaf_url: str) -> None:
    """A connection that is not accepted fails after connection_timeout, not network_timeout."""
    user = server.visitor(host=deaf_url, connection_timeout=0.3, network_timeout=5)
    answer = user.client.get("/")
    assert isinstance(user.event["exception"], TimeoutError)
    assert 295 < user.event["response_time"] < 3000
    assert answer.status_code == 0


def test_silence_in_a_stream_ends_it(server: Server) -> None:
    """Silence in a stream is raised in the task, since its request was recorded with the head."""
    server.on("/stalls", stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"))
    user = server.visitor(network_timeout=2)
    answer = user.client.get("/stalls", stream=True)
    assert user.event["exception"] is None
    with pytest.raises(TimeoutError):
        assert answer.content
    server.wait_until(lambda now: now.open == 0)


def test_a_limit_that_the_task_sets_ends_a_request(server: Server) -> None:
    """A gevent.Timeout of the task is recorded as a failure, as in Locust, and the connection is closed."""
    user = server.visitor()
    with gevent.Timeout(0.1):
        assert user.client.get("/silent").status_code == 0
    assert isinstance(user.event["exception"], gevent.Timeout)
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"


@pytest.mark.parametrize("stream", [False, True])
def test_a_user_killed_in_the_middle_of_a_request(server: Server, *, stream: bool) -> None:
    """The request of a killed user is not recorded, its connection is closed, and the greenlet ends as killed ones do."""
    server.on("/stalls", stalls(b"HTTP/1.1 200 OK\r\nContent-Le"))
    user = server.visitor()
    greenlet = gevent.spawn(user.client.get, "/stalls", stream=stream)
    server.wait_until(lambda now: len(now.requests) == 1)
    greenlet.kill()
    assert isinstance(greenlet.value, gevent.GreenletExit)
    assert user.fired == []
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"


def test_a_user_killed_while_it_connects(server: Server, deaf_url: str) -> None:
    user = server.visitor(host=deaf_url)
    greenlet = gevent.spawn(user.client.get, "/")
    gevent.sleep(0.002)
    assert not greenlet.dead
    greenlet.kill()
    assert isinstance(greenlet.value, gevent.GreenletExit)
    assert user.fired == []


def test_a_kill_gives_the_place_of_a_request_back(server: Server) -> None:
    """A kill gives back the place of a request under way, and of one that waits for a place."""
    user = server.visitor(concurrency=1)
    first = gevent.spawn(user.client.get, "/silent")
    server.wait_until(lambda now: len(now.requests) == 1)
    second = gevent.spawn(user.client.get, "/")
    third = gevent.spawn(user.client.get, "/")
    gevent.sleep(0.002)
    second.kill()
    first.kill()
    assert third.get(timeout=10).text == "hello"
    assert len(user.fired) == 1


def test_a_stopped_user_ends_its_request(server: Server) -> None:
    """A user stopped at the end of a run is gone, its connection closed, and nothing recorded as a failure."""
    fired: list[dict[str, Any]] = []

    class Passerby(HttpUser):
        host = server.url

        @task
        def wait(self) -> None:
            self.client.get("/silent")

    environment = Environment(user_classes=[Passerby])
    environment.events.request.add_listener(lambda **fields: fired.append(fields))
    group = Group()
    user = Passerby(environment)
    user.start(group)
    server.wait_until(lambda now: len(now.requests) == 1)
    user.stop(force=True)
    ended = group.join(timeout=10)
    group.kill()
    assert ended
    server.wait_until(lambda now: now.open == 0)
    assert fired == []


def test_the_limits_are_those_of_each_request(server: Server) -> None:
    """A pause between two requests counts for the time limit of neither."""
    user = server.visitor(network_timeout=2, response_timeout=2.5)
    begin_s = time.monotonic()
    while time.monotonic() - begin_s < 4:
        user.client.get("/")
        gevent.sleep(0.2)
    assert {event["exception"] for event in user.fired} == {None}
    assert server.connections == 1
