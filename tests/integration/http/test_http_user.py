"""Where the HTTP user sends requests, under which name they are recorded, and what the request event has."""

from __future__ import annotations

import socket
import time
from typing import Any

import gevent
import pytest
from http_server import HttpUser, Server, drop, last, redirect, reply
from locust import FastHttpUser
from locust.exception import StopTest
from locust.stats import StatsError

from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent

METHODS = ["get", "post", "put", "patch", "delete", "head", "options"]


@pytest.mark.parametrize("method", METHODS)
def test_each_method_of_the_client_is_sent_and_counted_as_such(server: Server, method: str) -> None:
    """Each method returns the response, and one event is fired for it."""
    server.on("/", last(b"HTTP/1.1 200 OK\r\n\r\n"))
    user = server.visitor()
    answer = getattr(user.client, method)("/")
    assert answer.status_code == 200
    assert [(request.method, request.target) for request in server.requests] == [(method.upper(), "/")]
    assert (user.event["request_type"], user.event["name"]) == (method.upper(), "/")


def test_a_request_is_among_those_in_flight_while_it_is(server: Server) -> None:
    """A request is in the recorder's `in_flight` while it is under way."""
    recorder = Recorder(LoopLag())
    user = server.visitor()
    user.environment.events.request = RequestEvent(recorder)
    client = user.new_client(server.url)
    server.on("/", lambda _: reply(", ".join(str(call.counted_as) for call in recorder.in_flight)))
    assert client.get("/", name="mine").text == "mine"
    assert not recorder.in_flight


@pytest.mark.parametrize("method", ["GET", "get", "PROPFIND"])
def test_a_method_given_by_name_is_sent_in_capitals_and_counted_as_given(server: Server, method: str) -> None:
    """Any token is sent as a method, also one that HTTP does not define."""
    user = server.visitor()
    assert user.client.request(method, "/").ok
    assert server.requests[0].method == method.upper()
    assert user.event["request_type"] == method


def test_an_absolute_url_goes_where_it_says(server: Server) -> None:
    """An absolute URL is requested from its own host."""
    with Server() as other:
        other.on("/there", reply("there"))
        user = server.visitor()
        url = other.url.replace("http", "HTTP") + "/there"
        assert user.client.get(url).text == "there"
        assert other.requests[0]["Host"] == other.url.removeprefix("http://")
    assert server.requests == []
    assert user.event["name"] == user.event["url"] == url


def test_the_base_host_may_have_a_path(server: Server) -> None:
    """The path of the base host precedes that of each request, which is recorded under its own."""
    user = server.visitor(host=server.url + "/api/v1")
    user.client.get("/users")
    assert server.requests[0].target == "/api/v1/users"
    assert (user.event["name"], user.event["url"]) == ("/users", server.url + "/api/v1/users")


def test_a_user_without_a_host_is_refused(server: Server) -> None:
    """A user without a host raises StopTest with the reason, as in Locust."""
    with pytest.raises(StopTest, match="host"):
        server.visitor(host=None)


@pytest.mark.parametrize(
    ("path", "params", "target"),
    [
        ("/", {"a": "1", "b": "two words"}, "/?a=1&b=two+words"),
        ("/", [("a", 1), ("a", 2)], "/?a=1&a=2"),
        ("/", {"a": [1, 2], "none": None}, "/?a=1&a=2"),
        ("/", {"ä": "ß&="}, "/?%C3%A4=%C3%9F%26%3D"),
        ("/?first=0", {"a": "1"}, "/?first=0&a=1"),
        ("/?first=0", {}, "/?first=0"),
    ],
)
def test_params_become_the_query(server: Server, path: str, params: Any, target: str) -> None:
    """Parameters follow the query that the URL has, and are not in the name."""
    user = server.visitor()
    user.client.get(path, params=params)
    assert server.requests[0].target == target
    assert user.event["name"] == path


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/süß und/salzig", "/s%C3%BC%C3%9F%20und/salzig"),
        ("/?q=ä b", "/?q=%C3%A4%20b"),
        ("/a%2Fb%20c", "/a%2Fb%20c"),
        ("/;v=1,2/(x)!*'~$&+=:@", "/;v=1,2/(x)!*'~$&+=:@"),
        ("/page#part", "/page"),
        ("/a//b/../c", "/a//b/../c"),
        ("", "/"),
        ("?a=1", "/?a=1"),
    ],
)
def test_a_path_is_encoded_where_http_needs_it_and_else_left_alone(server: Server, path: str, target: str) -> None:
    """Characters of a path are encoded where HTTP needs it; what is encoded already stays so."""
    server.visitor().client.get(path)
    assert server.requests[0].target == target


def test_names_of_requests(server: Server) -> None:
    """The name is `name`, else that set for a group of requests, else the URL as given."""
    user = server.visitor()
    user.client.get("/?a=1")
    user.client.get("/?a=1", name="own")
    with user.client.rename_request("renamed"):
        user.client.get("/?a=1")
        user.client.get("/?a=1", name="own")
    user.client.get("/")
    user.client.request_name = "group"
    user.client.get("/")
    assert [event["name"] for event in user.fired] == ["/?a=1", "own", "renamed", "own", "/", "group"]


def test_a_name_given_for_a_group_ends_with_an_exception(server: Server) -> None:
    """The name of a group ends with its with-block, also after an exception."""
    user = server.visitor()
    with pytest.raises(KeyError), user.client.rename_request("renamed"):
        raise KeyError
    user.client.get("/")
    assert user.event["name"] == "/"


def test_the_fields_of_an_event(server: Server) -> None:
    """An event has the fields of Locust's own users, neither more nor fewer."""
    user = server.visitor()
    before_s = time.time()
    answer = user.client.get("/", name="front page", context={"a": 1})
    event = dict(user.event)
    assert before_s <= event.pop("start_time") <= time.time()
    assert isinstance(event["response_time"], float)
    assert 0 < event.pop("response_time") < 10_000
    assert event.pop("response") is answer
    assert event == {
        "request_type": "GET",
        "name": "front page",
        "response_length": 5,
        "context": {"a": 1},
        "exception": None,
        "url": server.url + "/",
    }


def test_the_response_time_is_that_of_the_whole_answer_in_milliseconds(server: Server) -> None:
    """The response time covers the body, which comes a tenth of a second after the head."""

    def slow(at: Any) -> bytes:
        at.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        gevent.sleep(0.1)
        return b"hello"

    server.on("/", slow)
    user = server.visitor()
    answer = user.client.get("/")
    assert 95 < user.event["response_time"] < 5000
    assert 0 < answer.elapsed.total_seconds() < 5


def test_the_users_context_goes_with_every_request(server: Server) -> None:
    """A request's own context is added to the user's and takes precedence."""

    def context(_user: HttpUser) -> dict[str, Any]:
        return {"who": "passerby", "where": "here"}

    user = server.visitor(context=context)
    user.client.get("/")
    user.client.get("/", context={"where": "there", "why": "so"})
    assert [event["context"] for event in user.fired] == [
        {"who": "passerby", "where": "here"},
        {"who": "passerby", "where": "there", "why": "so"},
    ]


@pytest.mark.parametrize("status", [200, 201, 204, 206, 304])
def test_a_status_below_400_is_a_success(server: Server, status: int) -> None:
    """A status below 400 is a success, also that of a redirect without a target."""
    server.on("/", f"HTTP/1.1 {status} Fine\r\nContent-Length: 0\r\n\r\n".encode())
    user = server.visitor()
    answer = user.client.get("/")
    assert (answer.status_code, answer.ok, user.event["exception"]) == (status, True, None)


@pytest.mark.parametrize("status", [400, 404, 418, 429, 500, 503, 599])
def test_a_status_of_400_or_more_is_a_failure(server: Server, status: int) -> None:
    """A status of 400 or more is recorded as a failure and not raised, and the response can be read."""
    server.on("/", reply("sorry", status=f"{status} Sorry"))
    user = server.visitor()
    answer = user.client.get("/")
    assert (answer.status_code, answer.ok, answer.text) == (status, False, "sorry")
    assert str(status) in str(user.event["exception"])
    assert user.event["response_length"] == 5


@pytest.mark.parametrize(
    "answers",
    [
        [reply(status="404 Not Found")] * 2,
        [redirect(302, "ftp://127.0.0.1/1"), redirect(302, "ftp://127.0.0.1/2")],
        [last(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + body) for body in (b"short", b"shorter")],
        [last(b"HTTP/1.1 200 OK\r\nDate: " + date) for date in (b"Mon", b"Tue")],
    ],
    ids=["status", "redirect", "cut-body", "cut-head"],
)
def test_failures_of_one_kind_add_up(server: Server, answers: list[Any]) -> None:
    """Locust keeps one line per method, name and message, and so do reports: what differs each time is not in it."""
    recorder = Recorder(LoopLag())
    user = server.visitor()
    for number, answer in enumerate(answers):
        server.on(f"/{number}", answer)
        user.client.post(f"/{number}", name="/[number]")
    for event in user.fired:
        recorder.record("POST", event["name"], event["response_time"], 0, event["exception"])
    assert len({StatsError.create_key("POST", e["name"], e["exception"]) for e in user.fired}) == 1
    assert [error.count for error in recorder.make_report({}, final=True).errors] == [2]


def test_a_refused_connection_is_a_failure(server: Server) -> None:
    """The port is bound and not listened on, so that nobody else can answer there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        user = server.visitor(host=url)
        answer = user.client.get("/a", headers={"X-Own": "1"})
    assert (answer.status_code, answer.content, answer.text) == (0, None, None)
    assert isinstance(answer.error, ConnectionRefusedError)
    assert user.event["exception"] is answer.error
    assert answer.url == user.event["url"] == url + "/a"
    assert answer.request.headers["X-Own"] == "1"
    assert (user.event["response_length"], user.event["response"]) == (0, answer)
    assert user.event["response_time"] > 0


@pytest.mark.parametrize(
    "answer",
    [
        drop,
        last(b"HTTP/1.1 200 OK\r\nContent-Le"),
        last(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"),
        last(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ],
    ids=["none", "cut-head", "cut-body", "cut-chunks", "wrong-chunk", "wrong-length", "no-http"],
)
def test_an_answer_that_breaks_http_is_a_failure(server: Server, answer: Any) -> None:
    """An answer that breaks HTTP is counted once as a failure, not raised, and the user's next request works."""
    server.on("/broken", answer)
    user = server.visitor()
    user.client.post("/broken")
    assert user.event["exception"] is not None
    assert user.client.get("/").text == "hello"
    assert user.fired[1]["exception"] is None


def test_redirects_are_followed_by_each_method(server: Server) -> None:
    """Every method follows redirects, also HEAD, unlike requests."""
    for method in METHODS:
        server.on("/old", redirect(307, "/"))
        server.on("/", last(b"HTTP/1.1 200 OK\r\n\r\n"))
        assert getattr(server.visitor().client, method)("/old").status_code == 200


def test_its_settings_are_those_of_fasthttpuser() -> None:
    """HttpUser has FastHttpUser's settings, but for one: certificates are verified unless a class says otherwise."""
    names = "network_timeout connection_timeout max_redirects max_retries default_headers concurrency client_pool"
    for name in names.split():
        assert getattr(HttpUser, name) == getattr(FastHttpUser, name), name
