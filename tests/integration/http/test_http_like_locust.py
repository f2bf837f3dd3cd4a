"""Client, request, response and error are as locustfiles for FastHttpUser use them; each test runs on Locust's user, too."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_server import PATIENCE_S, Server, Visitor, chunked, reply
from locust import FastHttpUser
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpSession, LocustBadStatusCode
from locust.env import Environment
from test_http_headers import basic

from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent

Both = Callable[..., list[Any]]


@pytest.fixture
def both(server: Server) -> Iterator[Both]:
    """Makes a FastHttpUser and an HttpUser, with the arguments of their events in `fired`."""
    made = []

    def make(**attributes: Any) -> list[Any]:
        kind = type("Fast", (FastHttpUser,), {"host": server.url, **attributes})
        environment = Environment(user_classes=[kind])
        fast = kind(environment)
        fast.fired = []
        environment.events.request.add_listener(lambda **fields: fast.fired.append(fields))
        made.append(fast)
        return [fast, server.visitor(**attributes)]

    yield make
    for fast in made:
        fast.client.client.close()


def test_a_bad_status_is_worded_as_by_locust(server: Server, both: Both) -> None:
    """A bad status has the URL and `code=` in its text, and a class that tasks for FastHttpUser catch."""
    server.on("/gone", reply(status="410 Gone"))
    said = []
    for user in both():
        response = user.client.get("/gone?a=1")
        error = user.fired[0]["exception"]
        assert isinstance(error, LocustBadStatusCode)
        assert isinstance(error, FAILURE_EXCEPTIONS)
        said.append((str(error), repr(error).partition("(")[2], error.code, str(error.url)))
        with pytest.raises(LocustBadStatusCode):
            response.raise_for_status()
    assert said[0] == said[1] == (f"URL {server.url}/gone?a=1: code=410", "code=410)", 410, f"{server.url}/gone?a=1")


@pytest.mark.parametrize(
    ("status", "text"), [("404 X", "HTTP status 404 Not Found"), ("799 X", "HTTP status 799")], ids=["known", "unknown"]
)
def test_a_bad_status_is_counted_without_its_url(server: Server, user: Visitor, status: str, text: str) -> None:
    """A bad status is recorded without its URL, so that a report has one line for an endpoint."""
    server.on("/17", reply(status=status))
    recorder = Recorder(LoopLag())
    user.environment.events.request = RequestEvent(recorder)
    client = user.new_client(server.url)
    client.get("/17", name="/[id]")
    with client.get("/17", name="/[id]", catch_response=True):
        pass
    assert [(error.error, error.count) for error in recorder.make_report({}, final=True).errors] == [(text, 2)]


@pytest.mark.parametrize(
    ("request_arguments", "body"),
    [
        ({"json": {"a": "ä"}}, None),
        ({"data": "text"}, b"text"),
        ({"data": "text", "headers": {"Content-Type": "text/csv"}}, "text"),
        ({"data": b"bytes"}, b"bytes"),
        ({"data": {"a": "1 2"}}, b"a=1+2"),
        ({}, None),
    ],
    ids=["json", "text", "text of a type", "bytes", "form", "nothing"],
)
def test_the_body_of_a_request_is_read_as_with_locust(
    server: Server, both: Both, request_arguments: dict[str, Any], body: str | bytes | None
) -> None:
    """`request.body` is text for JSON and typed text, else bytes."""
    server.on("/", lambda at: reply(at.read_body()))
    bodies = [user.client.post("/", **request_arguments).request.body for user in both()]
    assert type(bodies[0]) is type(bodies[1])
    if "json" in request_arguments:
        assert json.loads(bodies[0]) == json.loads(bodies[1]) == request_arguments["json"]
    else:
        assert bodies == [body, body]


def test_the_body_of_an_upload_is_what_was_given(user: Visitor) -> None:
    file = io.BytesIO(b"123")
    assert user.client.post("/", data=file).request.body is file


def test_what_a_response_says_of_itself(server: Server, both: Both) -> None:
    """A response has the attributes of FastHttpUser's."""
    server.on("/", reply("hello", "X-Own: 1"))
    for user in both():
        response = user.client.get("/")
        assert (response.status, response.status_code, response.data) == ("200", 200, b"hello")
        assert response.info()["x-own"] == "1"
        assert response._request.payload is None
        assert response._request.url == response.request.url == server.url + "/"
        assert response.isclosed()
        response.release()
        assert response.content == b"hello"


@pytest.mark.parametrize("length", ["announced", "chunked"])
def test_a_streamed_body_is_read_as_from_a_file(server: Server, both: Both, length: str) -> None:
    """A streamed body can be read through `stream` and the response itself, each from where the other stopped."""
    lines = b"".join(b"line %d\r\n" % number for number in range(1000))
    server.on("/lines", chunked(lines) if length == "chunked" else reply(lines))
    for user in both():
        response = user.client.get("/lines", stream=True)
        assert response.stream.read(8) == b"line 0\r\n"
        assert response.read(4) == b"line"
        assert response.stream.readline() == b" 1\r\n"
        assert response.readline() == b"line 2\r\n"
        read = b"line 0\r\nline 1\r\nline 2\r\n"
        assert read + b"".join(response) == lines
        assert (response.read(), response.read(5)) == (b"", b"")
        assert response.isclosed()
        response = user.client.get("/lines", stream=True)
        assert response.read(3) + response.content == lines
        response = user.client.get("/lines", stream=True)
        assert response.read(3) + b"".join(response.iter_content(100, decode_content=False)) == lines
        assert user.client.get("/lines", stream=True).stream.read() == lines


def test_a_body_that_was_not_asked_for_as_a_stream_can_be_read_as_one(server: Server, user: Visitor) -> None:
    """A body that was not streamed can be read line by line; the last line may have no end."""
    server.on("/", reply("a\r\nb"))
    response = user.client.get("/")
    assert [response.readline() for _ in range(3)] == [b"a\r\n", b"b", b""]
    assert response.content == b"a\r\nb"


def test_a_body_left_unread_ends_its_connection(server: Server, user: Visitor) -> None:
    """release() of a body that is not read ends its connection."""
    server.on("/lines", chunked(b"x" * 1_000_000))
    response = user.client.get("/lines", stream=True)
    assert not response.isclosed()
    response.release()
    assert response.isclosed()
    assert user.client.get("/").text == "hello"
    assert server.connections == 2


def test_an_authorization_for_all_requests(server: Server, both: Both) -> None:
    """auth_header can be set at any time; a request's own takes precedence, and None removes it."""
    for user in both(default_headers={"authorization": "of the class"}):
        user.client.get("/")
        for value in ("Bearer a", b"Bearer b"):
            user.client.auth_header = value if isinstance(user, Visitor) else str(value, "ascii") if isinstance(value, bytes) else value  # fmt: skip
            user.client.get("/")
            assert user.client.auth_header in {value, "Bearer b"}
        user.client.get("/", auth=("me", "secret"))
    each = [request["Authorization"] for request in server.requests]
    assert each[:4] == each[4:] == ["of the class", "Bearer a", "Bearer b", basic("me:secret")]
    user.client.get("/", headers={"authorization": "Bearer c"})
    user.client.auth_header = None
    user.client.get("/")
    assert [request["Authorization"] for request in server.requests[8:]] == ["Bearer c", None]


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ("key:", "key:"),
        ("key", "key:"),
        (":secret", ":secret"),
        ("a:b:c", "a:b:c"),
        ("a%3Ab:c%40d", "a:b:c@d"),
        ("caf%C3%A9:x", "caf\xc3\xa9:x"),
        ("caf%E9:x", "caf\xe9:x"),
    ],
)
def test_credentials_in_a_url_are_sent_in_every_form(
    server: Server, user: Visitor, credentials: str, sent: str
) -> None:
    """Credentials in the host's URL or a request's, with one part or two, are sent as the bytes that they stand for, and are in no name."""
    url = server.url.replace("//", f"//{credentials}@")
    owner = server.visitor(host=url)
    owner.client.get("/")
    user.client.get(url + "/")
    user.client.get("/")
    assert [request["Authorization"] for request in server.requests] == [basic(sent), basic(sent), None]
    assert {event["url"] for event in owner.fired + user.fired} == {server.url + "/"}
    assert [event["name"] for event in user.fired] == [server.url + "/", "/"]
    assert user.fired[0]["response"].request.url == server.url + "/"


def test_a_request_that_says_who_it_is_is_not_overruled_by_its_url(server: Server, user: Visitor) -> None:
    user.client.get(server.url.replace("//", "//other:x@") + "/", auth=("me", "secret"))
    assert server.requests[0]["Authorization"] == basic("me:secret")


def test_credentials_beyond_latin_1_are_sent_as_utf_8(server: Server, user: Visitor) -> None:
    """Credentials beyond latin-1 are sent as UTF-8, as by curl; Locust's user fails in the task."""
    user.client.get("/", auth=("Jörg", "pa€ss"))
    assert server.requests[0]["Authorization"] == basic("Jörg:pa€ss".encode().decode("latin-1"))


def test_credentials_join_the_headers_of_a_request_in_any_form(server: Server, user: Visitor) -> None:
    """Credentials are added to headers in a dict, pairs, or another mapping, which are not changed."""
    for headers in (
        {"X": "1", "Authorization": "no"},
        [("X", "1")],
        {**user.client.client.default_headers, "X": "1"}.items(),
    ):
        user.client.get("/", headers=headers, auth=("me", "secret"))
    assert [(request["X"], request["Authorization"]) for request in server.requests] == [("1", basic("me:secret"))] * 3


def test_the_client_below_the_client(server: Server, both: Both) -> None:
    """Through `client.client` tasks close connections and change the headers of all requests."""
    for user in both():
        before = server.connections
        user.client.get("/")
        user.client.client.clientpool.close()
        user.client.client.default_headers["X-Own"] = "1"
        user.client.get("/")
        user.client.client.default_headers.update({"x-own": "2"})
        user.client.get("/")
        assert server.connections == before + 2
    each = [request["X-Own"] for request in server.requests]
    assert each[:3] == each[3:] == [None, "1", "2"]


def test_a_client_for_another_host(server: Server, user: Visitor) -> None:
    """A client that a task makes for another host, of Locust's class or the user's, fires the user's event."""
    with Server("127.0.0.2") as other:
        other.on("/", reply("the other", "Set-Cookie: a=1"))
        locusts = FastHttpSession(other.url, request_event=user.client.request_event, user=user)
        own = user.new_client(other.url)
        assert locusts.get("/").text == "the other"
        for _ in range(2):
            assert own.get("/").text == "the other"
        assert user.client.get("/").text == "hello"
        assert [event["url"] for event in user.fired] == [other.url + "/"] * 3 + [server.url + "/"]
        assert [request["Cookie"] for request in other.requests] == [None, None, "a=1"]
        assert server.requests[0]["Cookie"] is None
        assert other.connections == 2
        locusts.client.close()


LOCUSTFILE = """
from locust import run_single_user, task
from locust.exception import StopUser
from worker.http import HttpUser

class Visitor(HttpUser):
    host = "{url}"

    @task
    def page(self):
        self.client.post("/page", json={{"a": 1}})
        self.client.get("/missing")
        raise StopUser

if __name__ == "__main__":
    run_single_user(Visitor, include_payload=True, include_length=True, include_time=True, include_context=True)
"""


def test_a_single_user_runs_with_all_that_locust_shows_of_it(server: Server, tmp_path: Path) -> None:
    """run_single_user, made for debuggers, runs a user and shows all that it shows of Locust's."""
    server.on("/page", reply("hello"))
    path = tmp_path / "locustfile.py"
    path.write_text(LOCUSTFILE.format(url=server.url), encoding="utf-8")
    ran = run([sys.executable, str(path)])
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines() if "POST" in line or "GET" in line]
    assert [line[line.index(method) + 1] for line, method in zip(lines, ("POST", "GET"), strict=True)] == [
        "/page",
        "/missing",
    ]
    assert lines[0][-1] == '{"a":1}'
    assert "StatusError(code=404)" in lines[1]
    assert "Traceback" not in ran.stderr


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end while this process serves."""
    import gevent.subprocess  # noqa: PLC0415

    done = gevent.subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=6 * PATIENCE_S, check=False
    )
    return subprocess.CompletedProcess(command, done.returncode, done.stdout, done.stderr)
