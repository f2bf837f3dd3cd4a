"""A task judges a response itself: `catch_response`, and `rest` for JSON."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from http_server import Server, Visitor, reply
from locust.exception import CatchResponseError, InterruptTaskSet, LocustError, ResponseError


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        started.on("/", reply("hello"))
        started.on("/json", reply(json.dumps({"name": "Möbius", "age": 78})))
        yield started


@pytest.fixture
def nowhere(server: Server) -> Iterator[Visitor]:
    """A user whose target is bound and does not listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield server.visitor(host=f"http://127.0.0.1:{bound.getsockname()[1]}")


def test_an_unmarked_answer_is_judged_by_its_status(user: Visitor) -> None:
    """A response that the block did not mark is recorded by its status, when the block ends."""
    for path in ("/", "/missing"):
        with user.client.get(path, catch_response=True) as answer:
            assert len(user.fired) == (path == "/missing")
        assert user.fired[-1]["response"].status_code == answer.status_code
    assert user.fired[0]["exception"] is None
    assert "404" in str(user.fired[1]["exception"])


def test_success_makes_a_bad_status_good(user: Visitor) -> None:
    with user.client.get("/missing", catch_response=True) as answer:
        assert answer.status_code == 404
        answer.success()
    assert user.event["exception"] is None


def test_failure_makes_a_good_status_bad(user: Visitor) -> None:
    """failure() makes a good status a failure; a text becomes Locust's CatchResponseError."""
    with user.client.get("/", catch_response=True) as answer:
        answer.failure("not what was asked for")
    assert isinstance(user.event["exception"], CatchResponseError)
    assert str(user.event["exception"]) == "not what was asked for"


def test_failure_keeps_an_exception_as_it_is(user: Visitor) -> None:
    own = ValueError("own")
    with user.client.get("/", catch_response=True) as answer:
        answer.failure(own)
    assert user.event["exception"] is own


@pytest.mark.parametrize(("marks", "failed"), [("sf", True), ("fs", False), ("ff", True), ("sfs", False)])
def test_the_last_mark_counts_and_there_is_one_event(user: Visitor, marks: str, *, failed: bool) -> None:
    with user.client.get("/", catch_response=True) as answer:
        for number, mark in enumerate(marks, start=1):
            if mark == "s":
                answer.success()
            else:
                answer.failure(f"mark {number}")
    message = None if user.event["exception"] is None else str(user.event["exception"])
    assert message == (f"mark {len(marks)}" if failed else None)


def test_a_response_error_raised_in_the_block_is_a_failure_and_goes_no_further(user: Visitor) -> None:
    """A ResponseError in the block is recorded and not raised, unless the response was marked: then the mark is recorded and it is raised."""
    with user.client.get("/", catch_response=True):
        raise ResponseError("wrong")
    assert isinstance(user.event["exception"], ResponseError)
    user.fired.clear()
    with pytest.raises(ResponseError), user.client.get("/", catch_response=True) as answer:  # noqa: PT012
        answer.success()
        raise ResponseError("wrong")
    assert user.event["exception"] is None


@pytest.mark.parametrize("raised", [KeyError, InterruptTaskSet])
def test_another_exception_leaves_the_request_unreported(user: Visitor, raised: type[Exception]) -> None:
    """Another exception, also one that interrupts the task set, is raised and nothing is recorded."""
    with pytest.raises(raised), user.client.get("/", catch_response=True):
        raise raised
    assert user.fired == []


def test_another_exception_does_not_hide_that_the_request_failed(user: Visitor, nowhere: Visitor) -> None:
    """A request that failed is recorded as that also where the block raises, as it may for want of the content it expects."""
    with pytest.raises(TypeError), nowhere.client.get("/", catch_response=True) as answer:
        answer.json()
    assert isinstance(nowhere.event["exception"], ConnectionRefusedError)
    with pytest.raises(json.JSONDecodeError), user.client.get("/missing", catch_response=True) as answer:
        answer.json()
    assert "404" in str(user.event["exception"])


@pytest.mark.parametrize("raised", [KeyError, InterruptTaskSet])
def test_another_exception_after_a_mark_is_raised_and_the_mark_reported(user: Visitor, raised: type[Exception]) -> None:
    with pytest.raises(raised), user.client.get("/", catch_response=True) as answer:  # noqa: PT012
        answer.failure("marked")
        raise raised
    assert str(user.event["exception"]) == "marked"


def test_only_a_caught_answer_can_be_marked(user: Visitor) -> None:
    """Marking a response without catch_response or outside the with-block raises, with a hint."""
    plain = user.client.get("/")
    caught = user.client.get("/", catch_response=True)
    for mark in (plain.success, lambda: plain.failure("x")):
        with pytest.raises(LocustError, match="catch_response"):
            mark()
    for mark in (caught.success, lambda: caught.failure("x")):
        with pytest.raises(LocustError, match="with"):
            mark()


def test_a_missing_answer_can_be_judged_like_any_other(nowhere: Visitor) -> None:
    """A missing response is a failure, unless the task marks it a success."""
    with nowhere.client.get("/", catch_response=True) as answer:
        assert (answer.status_code, answer.content) == (0, None)
    assert isinstance(nowhere.event["exception"], ConnectionRefusedError)
    with nowhere.client.get("/", catch_response=True) as answer:
        answer.success()
    assert nowhere.fired[1]["exception"] is None


def test_what_is_reported_can_be_changed_in_the_block(user: Visitor) -> None:
    """A block can change name, response time and context of the event, as Locust documents it."""
    with user.client.get("/", catch_response=True) as answer:
        answer.request_meta["name"] = "better"
        answer.request_meta["response_time"] = 1234.5
        answer.request_meta["context"]["a"] = 1
    assert (user.event["name"], user.event["response_time"], user.event["context"]) == ("better", 1234.5, {"a": 1})


def test_raise_for_status_raises_what_is_wrong(user: Visitor, nowhere: Visitor) -> None:
    """raise_for_status raises for a status of 400 or more, a missing response and a mark, else nothing."""
    user.client.get("/").raise_for_status()
    with pytest.raises(Exception, match="404"):
        user.client.get("/missing").raise_for_status()
    with pytest.raises(ConnectionRefusedError):
        nowhere.client.get("/").raise_for_status()
    with user.client.get("/", catch_response=True) as answer:
        answer.failure("marked")
        with pytest.raises(CatchResponseError, match="marked"):
            answer.raise_for_status()


def test_rest_parses_the_answer(server: Server, user: Visitor) -> None:
    """rest sends and accepts JSON unless the task says otherwise, and parses the response."""
    with user.rest("GET", "/json") as answer:
        assert answer.js == {"name": "Möbius", "age": 78}
    assert user.event["exception"] is None
    with user.rest("POST", "/json", json={"a": 1}, headers={"accept": "application/problem+json"}):
        pass
    assert [(request["Content-Type"], request["Accept"]) for request in server.requests] == [
        ("application/json", "application/json"),
        ("application/json", "application/problem+json"),
    ]
    assert json.loads(server.requests[1].body) == {"a": 1}


def test_rest_counts_an_answer_that_is_no_json(user: Visitor) -> None:
    """rest records a response that is no JSON as a failure; the block runs and sees None."""
    with user.rest("GET", "/") as answer:
        assert answer.js is None
    assert "Could not parse response as JSON" in str(user.event["exception"])
    assert "hello" in str(user.event["exception"])


def test_rest_leaves_an_empty_answer_to_its_status(server: Server, user: Visitor) -> None:
    server.on("/empty", b"HTTP/1.1 204 No Content\r\n\r\n")
    with user.rest("DELETE", "/empty") as answer:
        assert answer.js is None
    assert user.event["exception"] is None


@pytest.mark.parametrize(
    ("message", "counted"),
    [("too old", "too old"), ("too old,", "too old, response was"), (None, "Assertion failed")],
)
def test_rest_counts_a_failed_assertion_under_its_message(user: Visitor, message: str | None, counted: str) -> None:
    """A failed assertion in rest is recorded under its message; with a comma at its end the response is shown."""
    with user.rest("GET", "/json"):
        raise AssertionError(message) if message else AssertionError
    assert isinstance(user.event["exception"], CatchResponseError)
    assert str(user.event["exception"]).startswith(counted)


def test_rest_counts_any_exception_of_the_block(user: Visitor) -> None:
    """Any exception of a rest block is recorded with its place and the response, and the task goes on."""
    with user.rest("GET", "/json") as answer:
        assert answer.js["height"]
    message = str(user.event["exception"])
    assert message.startswith("KeyError: 'height' at ")
    assert "test_http_catch_response.py" in message
    assert '"age": 78' in message


def test_rest_counts_a_missing_answer(nowhere: Visitor) -> None:
    with nowhere.rest("GET", "/") as answer:
        assert answer.js is None
    assert "refused" in str(nowhere.event["exception"])


@pytest.mark.parametrize(("path", "name"), [("/json", "/json?_=..."), ("/json?a=1", "/json?a=1&_=...")])
def test_rest_with_an_underscore_passes_caches(server: Server, user: Visitor, path: str, name: str) -> None:
    """rest_ puts the time into the query, to pass caches, and not into the name."""
    with user.rest_("GET", path) as answer:
        assert answer.js["age"] == 78
    assert user.event["name"] == name
    start = name.removesuffix("...")
    assert server.requests[0].target.startswith(start)
    assert server.requests[0].target.removeprefix(start).isdigit()


def test_an_answer_caught_keeps_all_that_it_has(user: Visitor) -> None:
    """A caught response has the same fields as any other."""
    plain: Any = user.client.get("/json")
    with user.client.get("/json", catch_response=True) as caught:
        for name in ("status_code", "content", "text", "url", "ok", "encoding", "history"):
            assert getattr(caught, name) == getattr(plain, name), name
        assert caught.json() == plain.json()
