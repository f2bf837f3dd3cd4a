"""The connections of HTTP users: kept, replaced, limited, shared, and closed at the end."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Group, Pool
from geventhttpclient.client import HTTPClientPool
from http_server import Exchange, HttpUser, Server, Visitor, drop, last, reply
from locust import task
from locust.env import Environment

METHODS = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"]


@pytest.fixture
def group() -> Iterator[Group]:
    started = Group()
    yield started
    started.kill()


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """Raise the limit of open files as far as the system allows; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 12_000 if hard == resource.RLIM_INFINITY else min(hard, 12_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield max(soft, wanted)
    gc.collect()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def failures(user: Visitor) -> list[object]:
    return [event["exception"] for event in user.fired]


def test_one_connection_carries_all_requests(server: Server, user: Visitor) -> None:
    """One connection carries all requests, whatever their methods and responses."""
    server.on("/none", b"HTTP/1.1 204 No Content\r\n\r\n")
    for _ in range(5):
        user.client.get("/")
        user.client.post("/", data=b"x" * 1000)
        user.client.get("/missing")
        user.client.request("DELETE", "/none")
    assert len(server.requests) == 20
    assert server.connections == 1
    assert [request["Connection"] for request in server.requests if request["Connection"] != "keep-alive"] == [
        None
    ] * 20


@pytest.mark.parametrize("line", ["Connection: close", "connection: Close", "Connection: x, close"])
def test_a_server_may_end_a_connection_with_its_answer(server: Server, user: Visitor, line: str) -> None:
    """A connection that a response says will be closed is not used again, even if the server leaves it open."""
    server.on("/", reply("hello", line), last(reply("hello", line)), reply("hello"))
    for _ in range(4):
        assert user.client.get("/").text == "hello"
    assert server.connections == 3
    assert failures(user) == [None] * 4


def test_a_task_may_end_a_connection(server: Server, user: Visitor) -> None:
    """A request with Connection: close gets its response, whether the server closes then or not."""
    for _ in range(2):
        assert user.client.get("/", headers={"Connection": "close"}).text == "hello"
    assert [request["Connection"] for request in server.requests] == ["close", "close"]


@pytest.mark.parametrize("method", METHODS)
def test_a_connection_closed_while_idle_is_replaced(server: Server, user: Visitor, method: str) -> None:
    """A connection closed while idle is replaced without a failure, for idempotent requests and for others."""
    server.on("/", last(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    for number in range(1, 4):
        user.client.request(method, "/", data=b"x")
        server.wait_until(lambda now: now.open == 0)
        assert server.connections == len(server.requests) == number
    assert failures(user) == [None] * 3


@pytest.mark.parametrize("method", METHODS)
def test_a_connection_that_breaks_when_it_is_used_again(server: Server, user: Visitor, method: str) -> None:
    """An idempotent request is sent again on a new connection; any other fails, since the server may have carried it out."""
    server.on("/drop", drop, b"HTTP/1.1 204 Fine\r\n\r\n")
    user.client.get("/")
    answer = user.client.request(method, "/drop", data=b"body")
    if method in {"POST", "PATCH"}:
        assert (answer.status_code, server.connections) == (0, 1)
        assert isinstance(user.fired[1]["exception"], ConnectionError)
    else:
        assert (answer.status_code, server.connections) == (204, 2)
        assert failures(user) == [None, None]
        assert [request.body for request in server.requests[1:]] == [b"body", b"body"]
    assert len(user.fired) == 2


def test_a_request_is_sent_twice_at_most(server: Server, user: Visitor) -> None:
    """A request is sent again once at most, to a server that always closes."""
    server.on("/drop", drop)
    user.client.get("/")
    user.client.get("/drop")
    assert isinstance(user.fired[1]["exception"], ConnectionError)
    assert [request.target for request in server.requests] == ["/", "/drop", "/drop"]


def test_retries_are_made_as_often_as_a_class_says(server: Server) -> None:
    """Idempotent requests are retried `max_retries` times, and recorded as one."""
    server.on("/drop", drop, drop, reply("at last"))
    user = server.visitor(max_retries=2)
    assert user.client.get("/drop").text == "at last"
    assert user.event["exception"] is None
    server.on("/drop", drop, reply("never seen"))
    assert user.client.post("/drop").status_code == 0


def test_what_a_server_says_unasked_is_no_answer(server: Server, user: Visitor) -> None:
    """Bytes behind a response or on an idle connection are never the response to a later request."""
    server.on("/", reply("hello") + reply("smuggled"))
    for _ in range(3):
        user.client.get("/")
        gevent.sleep(0.002)
    assert "smuggled" not in {event["response"].text for event in user.fired}


TOO_MUCH = {
    "an empty line after a body": ("GET", reply("hello"), b"\r\n"),
    "another answer": ("GET", reply("hello"), reply("unasked")),
    "a body of no content": ("DELETE", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", b"{}"),
    "a body of what is not modified": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", b"old"),
    "a body to HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"page"),
    "chunks to HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_comes_with_an_answer_and_is_none_of_it_ends_the_connection(
    server: Server, user: Visitor, case: str, *, stream: bool
) -> None:
    """The answer is as good as without it (RFC 9112 6.3), and so is the next."""
    method, answer, more = TOO_MUCH[case]
    server.on("/more", answer + more)
    server.on("/as-it-should-be", answer)
    expected = user.client.request(method, "/as-it-should-be", stream=stream)
    got = user.client.request(method, "/more", stream=stream)
    assert (got.status_code, got.content) == (expected.status_code, expected.content)
    assert user.client.get("/").text == "hello"
    assert failures(user) == [None] * 3
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.parametrize("case", TOO_MUCH)
def test_the_same_where_it_comes_later(server: Server, user: Visitor, case: str) -> None:
    """Bytes that come later on an idle connection close it at once."""
    method, answer, more = TOO_MUCH[case]
    answered = Event()

    def late(at: Exchange) -> None:
        at.send(answer)
        answered.wait()
        at.send(more)
        at.wait_for_the_client_to_close()
        at.hang_up()

    server.on("/late", late)
    user.client.request(method, "/late")
    answered.set()
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"
    assert failures(user) == [None] * 2


def test_what_is_left_of_an_answer_is_not_taken_for_the_next(server: Server, user: Visitor) -> None:
    """Bytes left over that come with the next request are no response: an empty line is skipped, others make it be sent again, once."""
    server.on("/late", reply("hello"))
    server.on("/next", lambda _: b"\r\n" + reply("next"), lambda _: b"{}" + reply("lost"), reply("again"))
    for expected in ("next", "again"):
        user.client.get("/late")
        assert user.client.get("/next").text == expected
    assert failures(user) == [None] * 4
    assert [request.connection for request in server.requests] == [1, 1, 1, 1, 2]


def test_what_is_left_of_an_answer_fails_a_post(server: Server, user: Visitor) -> None:
    """Bytes left over fail a POST, which may not be sent twice."""
    user.client.get("/")
    server.on("/next", lambda at: at.read_body() and b"{}" + reply("lost"))
    user.client.post("/next", data=b"once")
    assert "not an HTTP/1 answer" in str(failures(user)[1])
    assert len(server.requests) == 2


@pytest.mark.parametrize("limit", [10, 3])
def test_a_user_has_only_so_many_requests_under_way(server: Server, group: Group, limit: int) -> None:
    """A user has ten requests under way by default, each on its own connection; others wait for their turn."""
    full, go = Event(), Event()

    def answer(_at: Exchange) -> bytes:
        if server.answering == limit:
            full.set()
        assert go.wait(10)
        return reply("hello")

    server.on("/", answer)
    user = server.visitor() if limit == 10 else server.visitor(concurrency=limit)
    for _ in range(20):
        group.spawn(user.client.get, "/")
    assert full.wait(10)
    for _ in range(5):
        gevent.sleep(0.002)  # everything that could come has come
    assert server.answering == server.most_at_once == limit
    go.set()
    group.join()
    assert failures(user) == [None] * 20
    assert server.most_at_once == server.connections == limit


def test_users_may_share_a_pool(server: Server, group: Group) -> None:
    """Users with one client_pool share its connections; of Locust's class the concurrency is taken."""
    shared = HTTPClientPool(concurrency=1)
    users = [server.visitor(client_pool=shared) for _ in range(2)]
    for _ in range(3):
        for user in users:
            assert user.client.get("/").text == "hello"
    for user in users:
        group.spawn(user.client.get, "/")
    group.join()
    assert (server.connections, server.most_at_once) == (1, 1)
    assert {event["exception"] for user in users for event in user.fired} == {None}


def test_a_user_that_ends_closes_its_connections(server: Server, group: Group) -> None:
    """A user that ends closes its connections, whether it stops by itself or is stopped."""

    class Passerby(HttpUser):
        host = server.url

        @task
        def look(self) -> None:
            self.client.get("/")
            server.wait_until(lambda now: len(now.requests) >= 3)
            self.stop(force=self.number == 0)

    environment = Environment(user_classes=[Passerby])
    for number in range(3):
        user = Passerby(environment)
        user.number = number
        user.start(group)
    assert group.join(timeout=10)
    server.wait_until(lambda now: now.open == 0)
    assert server.connections == 3


def test_a_user_that_nobody_has_any_more_closes_its_connections(server: Server) -> None:
    """A user that is garbage collected closes its connections, even if it was never started."""
    kind = type("Passerby", (HttpUser,), {"host": server.url})
    user = kind(Environment())
    user.client.get("/")
    assert server.open == 1
    del user
    gc.collect()
    server.wait_until(lambda now: now.open == 0)


def test_keep_alive_does_not_end_at_descriptor_1024(server: Server, many_descriptors: int) -> None:
    """Where select() ends."""
    if many_descriptors < 1500:
        pytest.skip(f"needs 1500 descriptors, and the system allows {many_descriptors}")
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1200)]
    try:
        assert max(taken) > 1024
        user = server.visitor()
        for _ in range(10):
            assert user.client.get("/").text == "hello"
        assert server.connections == 1
    finally:
        for descriptor in taken:
            os.close(descriptor)


def test_five_thousand_users_keep_a_connection_each(server: Server, many_descriptors: int) -> None:
    """Client and server are one process here, so that each connection takes two descriptors."""
    if many_descriptors < 10_500:
        pytest.skip(f"needs 10500 descriptors, and the system allows {many_descriptors}")
    kind = type("Passerby", (HttpUser,), {"host": server.url})
    environment = Environment(user_classes=[kind])
    counted = {True: 0, False: 0}

    def count(exception: object, **_: object) -> None:
        counted[exception is None] += 1

    environment.events.request.add_listener(count)
    users = [kind(environment) for _ in range(5000)]
    pool = Pool(100)
    for _ in range(3):
        pool.map(lambda user: user.client.get("/"), users)
    assert counted == {True: 15_000, False: 0}
    assert server.connections == server.open == 5000
    for user in users:
        user.client.close()
    server.wait_until(lambda now: now.open == 0)
