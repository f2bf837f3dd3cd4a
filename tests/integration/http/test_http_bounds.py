"""Memory that a server can make a user take has limits."""

from __future__ import annotations

import gc
import json
import tracemalloc

import pytest
from hostile_answers import endless
from http_server import Exchange, Server, Visitor, reply

from worker.http.errors import BadAnswerError

OK = b"HTTP/1.1 200 OK\r\n"
MIB = 1024 * 1024
MAX_BODY = 2 * MIB


@pytest.fixture
def user(server: Server) -> Visitor:
    return server.visitor(network_timeout=2, response_timeout=4, max_body_bytes=MAX_BODY)


def test_a_cookie_larger_than_browsers_take_is_not_kept(server: Server, user: Visitor) -> None:
    """A cookie larger than browsers take is not kept."""
    server.on("/cookies", reply("", f"Set-Cookie: c={'v' * 60_000}", f"Set-Cookie: d={'v' * 4000}"))
    assert user.client.get("/cookies").ok
    assert [cookie.name for cookie in user.client.cookiejar] == ["d"]


def test_redirects_far_and_wide_are_not_remembered(server: Server, user: Visitor) -> None:
    """Of redirects to ever new places neither URLs nor bodies are remembered."""

    def onward(_: Exchange) -> bytes:
        path = f"/{len(server.requests)}{'x' * 40_000}"
        server.on(path, onward)
        return reply(bytes(MIB), f"Location: {path}", status="302 Found")

    server.on("/start", onward)
    tracemalloc.start()
    try:
        user.client.get("/start")
        assert "more than 30 redirects" in str(user.event["exception"])
        assert len(user.event["response"].history) == 30
        server.requests.clear()
        server._answers.clear()
        of_the_response, _ = tracemalloc.get_traced_memory()
        user.fired.clear()
        gc.collect()
        afterwards, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert of_the_response < 16 * MIB  # the bodies alone would be 30
    assert afterwards < 8 * MIB  # urllib keeps the last 128 URLs that it took apart


def test_lines_without_end_are_cut_off(server: Server, user: Visitor) -> None:
    server.on("/lines", endless(b"HTTP/1.0 200 OK\r\n\r\nfirst\nsecond\n", b"x"))
    lines = user.client.iter_lines("/lines")
    assert [next(lines), next(lines)] == ["first", "second"]
    with pytest.raises(BadAnswerError, match=f"more than {MAX_BODY} bytes"):
        next(lines)
    server.wait_until(lambda now: now.open == 0)


@pytest.mark.parametrize("charset", ["undefined", "idna", "no-such", "unicode_escape"])
def test_a_charset_that_can_not_be_used_is_replaced(server: Server, user: Visitor, charset: str) -> None:
    server.on("/text", reply(b"hell\xf6 \\", f"Content-Type: text/plain; charset={charset}"))
    assert user.client.get("/text").text.startswith("hell")


def test_json_nested_beyond_all_depth_is_no_json(server: Server, user: Visitor) -> None:
    server.on("/json", reply("[" * 200_000))
    with pytest.raises(json.JSONDecodeError):
        user.client.get("/json").json()
