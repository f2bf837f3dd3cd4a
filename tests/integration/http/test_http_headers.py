"""Headers and credentials that the HTTP user sends, and those that it refuses to send."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from geventhttpclient.header import Headers
from http_server import Request, Server, Visitor


def sent(server: Server) -> Request:
    """The one request that came."""
    assert len(server.requests) == 1
    return server.requests[0]


def test_headers_that_every_request_has(server: Server, user: Visitor) -> None:
    """Every request has Host, User-Agent and Accept-Encoding."""
    user.client.get("/")
    request = sent(server)
    assert request.version == "HTTP/1.1"
    assert request["Host"] == server.url.removeprefix("http://")
    assert request["User-Agent"]
    assert request["Accept-Encoding"] == "gzip, deflate, br"


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
@pytest.mark.parametrize("name", ["User-Agent", "Accept-Encoding", "Host", "X-Own"])
def test_a_given_header_wins_over_a_default(server: Server, name: str, spell: Any) -> None:
    """A field of the request replaces that of the class, which replaces the built-in one; each is sent once, in any case of its name."""
    user = server.visitor(default_headers={name: "of-the-class"})
    user.client.get("/")
    user.client.get("/", headers={spell(name): "of-the-request"})
    assert [request[name] for request in server.requests] == ["of-the-class", "of-the-request"]


def test_headers_of_a_task_are_left_as_they_are(user: Visitor) -> None:
    """The headers of a task are not changed, so that a dict can be used again."""
    headers = {"X-Own": "1"}
    user.client.post("/", json={}, headers=headers, auth=("a", "b"))
    assert headers == {"X-Own": "1"}


def test_a_number_is_a_header_as_well(server: Server, user: Visitor) -> None:
    """A number is sent as its text."""
    user.client.get("/", headers={"X-Number": 7})
    assert sent(server)["X-Number"] == "7"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Own": "a\r\nX-Smuggled: b"},
        {"X-Own": "a\nX-Smuggled: b"},
        {"X-Own": "a\rb"},
        {"X-Own": "a\0b"},
        {"X-Own: a\r\nX-Smuggled": "b"},
        {"X Own": "a"},
        {"": "a"},
    ],
)
def test_a_header_that_would_become_more_than_one_is_refused(
    server: Server, user: Visitor, headers: dict[str, str]
) -> None:
    """A header that would become two lines raises in the task, and nothing is sent or recorded."""
    with pytest.raises(ValueError, match="header"):
        user.client.get("/", headers=headers)
    assert (server.connections, user.fired) == (0, [])
    with pytest.raises(ValueError, match="header"):
        server.visitor(default_headers=headers).client.get("/")


@pytest.mark.parametrize("url", ["/a\r\nX-Smuggled: b", "/a b\nX-Smuggled: b", "/?q=\r\n\r\nGET / HTTP/1.1"])
def test_a_url_can_not_smuggle_a_header(server: Server, user: Visitor, url: str) -> None:
    """Line ends in a URL are dropped or encoded."""
    user.client.get(url)
    assert sent(server)["X-Smuggled"] is None


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nX-Smuggled: b\r\n\r\n", "GE T", ""])
def test_a_method_that_is_none_is_refused(server: Server, user: Visitor, method: str) -> None:
    """An invalid method raises in the task before anything is sent."""
    with pytest.raises(ValueError, match="method"):
        user.client.request(method, "/")
    assert server.connections == 0


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode("latin-1")).decode()


def test_credentials(server: Server, user: Visitor) -> None:
    """Credentials of a request take precedence over those of the host; neither appears in a name."""
    user.client.get("/", auth=("Jörg", "a:b"))
    assert sent(server)["Authorization"] == basic("Jörg:a:b")
    owner = server.visitor(host=server.url.replace("//", "//me%40home:p%2Fw@"))
    owner.client.get("/")
    owner.client.get("/", auth=("you", "there"))
    assert [request["Authorization"] for request in server.requests[1:]] == [basic("me@home:p/w"), basic("you:there")]
    assert {event["url"] for event in owner.fired} == {server.url + "/"}
    assert server.requests[1]["Host"] == server.url.removeprefix("http://")


def test_nothing_of_one_request_is_left_in_the_next(server: Server, user: Visitor) -> None:
    """A request has no header, type or length of the one before it, however they alternate."""
    user.client.get("/", headers={"X-Own": "1"})
    user.client.post("/", json={"a": 1})
    user.client.post("/", data=b"bytes", auth=("me", "secret"))
    user.client.post("/", data={"a": 1}, headers={"X-Own": "2"})
    user.client.get("/")
    names = ["X-Own", "Content-Type", "Accept", "Authorization", "Content-Length"]
    assert [[request[name] for name in names] for request in server.requests] == [
        ["1", None, None, None, None],
        [None, "application/json", "application/json", None, "7"],
        [None, "application/octet-stream", None, basic("me:secret"), "5"],
        ["2", "application/x-www-form-urlencoded; charset=utf-8", None, None, "3"],
        [None, None, None, None, None],
    ]


def test_headers_that_alternate_are_sent_with_what_has_changed_for_all(server: Server, user: Visitor) -> None:
    """Header lines are remembered of more than one request; a header that all requests have is in all of them from then on."""
    for own in ("1", "2", "1", "3", "1"):
        user.client.get("/", headers={"X-Own": own})
    user.client.auth_header = "Bearer b"
    for own in ("3", "1", "3"):
        user.client.get("/", headers={"X-Own": own})
    assert [(request["X-Own"], request["Authorization"]) for request in server.requests] == [
        *((own, None) for own in "12131"),
        *((own, "Bearer b") for own in "313"),
    ]


def test_headers_changed_between_two_requests_are_sent_as_changed(server: Server, user: Visitor) -> None:
    """A dict of headers that a task changes between two requests is sent as changed."""
    headers = {"X-Own": "1"}
    user.client.get("/", headers=headers)
    headers["X-Own"] = "2"
    user.client.get("/", headers=headers)
    del headers["X-Own"]
    user.client.get("/", headers=headers)
    assert [request["X-Own"] for request in server.requests] == ["1", "2", None]


@pytest.mark.parametrize("values", [["a", "b"], ("a", "b"), Headers([("X-Tag", "a"), ("x-tag", "b")])])
def test_a_list_is_a_line_for_each_element(server: Server, user: Visitor, values: Any) -> None:
    """A list makes a line of each element, also as a header of the class, and so do geventhttpclient's Headers."""
    headers = values if isinstance(values, Headers) else {"X-Tag": values}
    user.client.get("/", headers=headers)
    server.visitor(default_headers=headers).client.get("/")
    assert [request.all("X-Tag") for request in server.requests] == [["a", "b"]] * 2
    assert user.client.get("/", headers=headers).request.headers.getlist("X-Tag") == ["a", "b"]


def test_a_list_takes_the_place_of_what_was_there(server: Server) -> None:
    """A list of the request replaces that of the class, whatever their lengths; None makes no line."""
    user = server.visitor(default_headers={"X-Tag": ["a", "b"], "X-Other": "c"})
    for given in ("d", ["e"], [], None, ["f", 7, b"g"]):
        user.client.get("/", headers={"x-tag": given})
    assert [request.all("X-Tag") for request in server.requests] == [["d"], ["e"], [], [], ["f", "7", "g"]]
    assert {request["X-Other"] for request in server.requests} == {"c"}


def test_a_list_that_grows_between_two_requests_is_sent_as_it_is(server: Server, user: Visitor) -> None:
    """A list that grows between two requests is sent as it is."""
    headers = {"X-Tag": ["a"]}
    for value in "bc":
        user.client.get("/", headers=headers)
        headers["X-Tag"].append(value)
    user.client.get("/", headers=headers)
    assert [request.all("X-Tag") for request in server.requests] == [["a"], ["a", "b"], ["a", "b", "c"]]


def test_headers_may_be_given_as_pairs(server: Server, user: Visitor) -> None:
    """Headers may be pairs; the last one of a name counts, as in a dict."""
    for value in "ab":
        user.client.get("/", headers=[("X-Own", "0"), ("X-Own", value)])
    assert [request.all("X-Own") for request in server.requests] == [["a"], ["b"]]


def test_the_characters_of_one_header_leave_the_others_alone(server: Server, user: Visitor) -> None:
    """Each header is sent as latin-1 if that has its characters, else as UTF-8, whatever the others; bytes are sent as they are."""
    alone: dict[str, Any] = {"X-Latin": "\xe4", "X-Euro": "\u20ac", "X-Bytes": "\u540d".encode()}
    for name, value in alone.items():
        user.client.get("/", headers={name: value})
    user.client.get("/", headers=alone)
    *each, together = server.requests
    assert [request[name] for request, name in zip(each, alone, strict=True)] == [together[name] for name in alone]
    assert together["X-Latin"] == "\xe4"
    assert [(together[name] or "").encode("latin-1").decode() for name in ("X-Euro", "X-Bytes")] == ["\u20ac", "\u540d"]
