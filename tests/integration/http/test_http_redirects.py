"""How the HTTP user follows redirects: with which method and headers, where to, how far, and that it is one request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import Server, Visitor, redirect, reply


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        started.on("/end", reply("the end"))
        yield started


@pytest.fixture
def other() -> Iterator[Server]:
    """Another host, since a port alone makes another origin but not another home of cookies."""
    with Server("127.0.0.2") as started:
        started.on("/end", reply("the other end"))
        yield started


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (301, "GET", "GET"),
        (301, "HEAD", "HEAD"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (307, "DELETE", "DELETE"),
        (308, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "PUT", "PUT"),
        (301, "PATCH", "PATCH"),
        (302, "PATCH", "PATCH"),
        (301, "DELETE", "DELETE"),
        (302, "DELETE", "DELETE"),
        (301, "OPTIONS", "OPTIONS"),
        (302, "HEAD", "HEAD"),
        (303, "PATCH", "GET"),
        (303, "OPTIONS", "GET"),
    ],
)
def test_the_method_after_a_redirect(server: Server, user: Visitor, status: int, method: str, then: str) -> None:
    """301 and 302 change POST only (RFC 9110 15.4.2-3), 303 all but HEAD, 307 and 308 none; who keeps it keeps body and type."""
    server.on("/start", redirect(status, "/end"))
    server.on("/end", b"HTTP/1.1 204 No Content\r\n\r\n")
    body = b'{"a":1}' if method in {"POST", "PUT", "PATCH"} else None
    answer = user.client.request(
        method, "/start", data=body, headers={"Content-Type": "application/json"} if body else {}
    )
    assert answer.status_code == 204
    last = server.requests[-1]
    assert [request.method for request in server.requests] == [method, then]
    if method == then:
        assert (last.body, last["Content-Type"]) == (body or b"", "application/json" if body else None)
    else:
        assert (last.body, last["Content-Type"], last["Content-Length"]) == (b"", None, None)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/end", "/end"),
        ("end", "/a/end"),
        ("../end?x=1", "/end?x=1"),
        ("?x=1", "/a/start?x=1"),
        ("//{host}/end", "/end"),
        ("http://{host}/end", "/end"),
        ("HTTP://{host}/end#part", "/end"),
        ("/ä b", "/%C3%A4%20b"),
        ("/%C3%A4", "/%C3%A4"),
    ],
)
def test_where_a_location_leads(server: Server, user: Visitor, location: str, target: str) -> None:
    """A Location may be relative, without a scheme, and have characters that should have been encoded."""
    host = server.url.removeprefix("http://")
    encoded = location.format(host=host).encode().decode("latin-1")
    server.on("/a/start", redirect(302, encoded), reply("the same place"))
    user.client.get("/a/start")
    assert server.requests[1].target == target
    assert server.requests[1]["Host"] == host
    assert server.connections == 1


def test_a_chain_of_redirects_is_one_request(server: Server, user: Visitor) -> None:
    """A chain is recorded once, under the name and URL of the task, with the latency of all; its steps are in `history`."""
    for number in range(3):
        server.on(f"/{number}", redirect(302, f"/{number + 1}"))
    server.on("/3", reply("the end"))
    answer = user.client.get("/0")
    assert (answer.status_code, answer.text) == (200, "the end")
    assert (user.event["name"], user.event["url"]) == ("/0", server.url + "/0")
    assert (user.event["request_type"], user.event["response_length"]) == ("GET", 7)
    assert [(step.status_code, step.headers["Location"]) for step in answer.history] == [
        (302, "/1"),
        (302, "/2"),
        (302, "/3"),
    ]
    assert answer.url == server.url + "/3"


def test_a_failure_at_the_end_is_the_requests_failure(server: Server, user: Visitor) -> None:
    """A failure behind a redirect is the failure of the request, also if no server is there."""
    server.on("/start", redirect(302, "/missing"), redirect(302, "http://127.0.0.1:1/"))
    assert user.client.get("/start").status_code == 404
    assert "404" in str(user.fired[0]["exception"])
    assert user.client.get("/start").status_code == 0
    assert isinstance(user.fired[1]["exception"], ConnectionRefusedError)
    assert [event["name"] for event in user.fired] == ["/start", "/start"]


@pytest.mark.parametrize("limit", [3, 30])
def test_there_is_an_end_to_redirects(server: Server, limit: int) -> None:
    """No more redirects are followed than the class allows, 30 by default, so a loop fails."""
    server.on("/loop", redirect(302, "/loop"))
    user = server.visitor(max_redirects=3) if limit == 3 else server.visitor()
    user.client.get("/loop")
    assert user.event["exception"] is not None
    assert "redirect" in str(user.event["exception"]).lower()
    assert "127.0.0.1" not in str(user.event["exception"])
    assert len(server.requests) == limit + 1


def test_just_enough_redirects_are_followed(server: Server) -> None:
    server.on("/0", redirect(302, "/1"))
    server.on("/1", redirect(302, "/end"))
    user = server.visitor(max_redirects=2)
    assert user.client.get("/0").text == "the end"
    assert user.event["exception"] is None


def test_a_redirect_can_be_left_alone(server: Server, user: Visitor) -> None:
    """A redirect that is not followed, by request or by class, is a success."""
    server.on("/start", redirect(302, "/end"))
    answer = user.client.get("/start", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"], answer.ok) == (302, "/end", True)
    assert server.visitor(max_redirects=0).client.get("/start").status_code == 302
    assert len(server.requests) == 2
    assert user.event["exception"] is None
    assert user.client.get("/start").text == "the end"


@pytest.mark.parametrize("lines", [[], ["Location: "]])
def test_a_redirect_without_a_place_is_an_answer(server: Server, user: Visitor, lines: list[str]) -> None:
    server.on("/start", reply("where?", *lines, status="302 Found"))
    assert user.client.get("/start").text == "where?"
    assert user.event["exception"] is None


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/end", "file:///etc/passwd", "javascript:alert(1)", "https://"])
def test_a_redirect_out_of_http_is_a_failure(server: Server, user: Visitor, location: str) -> None:
    """A redirect to another scheme is recorded as a failure, not followed and not raised."""
    server.on("/start", redirect(302, location))
    user.client.get("/start")
    assert user.event["exception"] is not None
    assert len(server.requests) == 1


def test_what_is_meant_for_one_origin_is_not_sent_to_another(server: Server, other: Server, user: Visitor) -> None:
    """Credentials and a Cookie header of the task do not follow a redirect to another origin; other headers do."""
    server.on("/start", redirect(302, other.url + "/end"))
    headers = {"authorization": "Bearer secret", "Cookie": "secret=1", "X-Own": "1", "Proxy-Authorization": "secret"}
    assert user.client.get("/start", headers=headers).text == "the other end"
    assert server.requests[0]["Authorization"] == "Bearer secret"
    assert server.requests[0]["Cookie"] == "secret=1"
    request = other.requests[0]
    assert (request["Authorization"], request["Cookie"], request["X-Own"]) == (None, None, "1")
    assert request["Host"] == other.url.removeprefix("http://")


def test_another_port_is_another_origin(server: Server, user: Visitor) -> None:
    with Server() as neighbour:
        neighbour.on("/end", reply("next door"))
        server.on("/start", redirect(307, neighbour.url + "/end"))
        assert user.client.get("/start", auth=("me", "secret")).text == "next door"
        assert neighbour.requests[0]["Authorization"] is None


def test_credentials_of_the_host_do_not_leave_it(server: Server, other: Server) -> None:
    """Credentials do not leave their host, and a redirect back to it does not bring them along."""
    owner = server.visitor(host=server.url.replace("//", "//me:secret@"))
    server.on("/start", redirect(302, other.url + "/back"))
    other.on("/back", redirect(302, server.url + "/end"))
    assert owner.client.get("/start").text == "the end"
    assert other.requests[0]["Authorization"] is None
    assert server.requests[0]["Authorization"] is not None


def test_what_is_meant_for_an_origin_stays_within_it(server: Server, user: Visitor) -> None:
    server.on("/start", redirect(302, "/end"))
    assert user.client.get("/start", auth=("me", "secret")).ok
    assert server.requests[1]["Authorization"] == server.requests[0]["Authorization"]


def test_a_host_header_of_the_task_is_not_sent_to_another_origin(server: Server, other: Server, user: Visitor) -> None:
    """A Host header of the task is not sent to another origin, which would not know it."""
    server.on("/start", redirect(302, other.url + "/end"))
    user.client.get("/start", headers={"Host": "shop.example"})
    assert server.requests[0]["Host"] == "shop.example"
    assert other.requests[0]["Host"] == other.url.removeprefix("http://")


@pytest.mark.parametrize(("method", "status"), [("POST", 307), ("PUT", 302), ("PATCH", 301)])
def test_a_file_is_sent_again_from_its_beginning(
    server: Server, user: Visitor, tmp_path: Path, method: str, status: int
) -> None:
    """A redirect that keeps the method sends a file again from its beginning."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 20_000)
    server.on("/start", redirect(status, "/end"))
    with path.open("rb") as file:
        assert user.client.request(method, "/start", data=file).text == "the end"
    assert [request.body for request in server.requests] == [path.read_bytes()] * 2


@pytest.mark.parametrize(("method", "status"), [("POST", 307), ("PUT", 302)])
def test_what_can_not_be_sent_again_is_a_failure(server: Server, user: Visitor, method: str, status: int) -> None:
    """A redirect of a body that can be read only once is a failure; half of it is not sent."""
    server.on("/start", redirect(status, "/end"))
    user.client.request(method, "/start", data=iter([b"once"]))
    assert user.event["exception"] is not None
    assert len(server.requests) == 1


def test_redirects_of_a_caught_answer(server: Server, user: Visitor) -> None:
    server.on("/start", redirect(302, "/end"))
    with user.client.get("/start", catch_response=True) as answer:
        assert (answer.text, len(answer.history)) == ("the end", 1)
        answer.failure("not this")
    assert (user.event["name"], str(user.event["exception"])) == ("/start", "not this")
