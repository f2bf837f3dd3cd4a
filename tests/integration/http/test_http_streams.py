"""Responses that a task reads while they come: with stream=True a call returns at the head."""

from __future__ import annotations

import gzip
import random
from typing import Any

import gevent
import pytest
from gevent.event import Event
from http_server import Exchange, Server, Visitor, chunked, last, reply

TEXT = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 20


def test_the_response_time_is_that_of_the_head(server: Server, user: Visitor) -> None:
    """The response time of a stream is that of its head, also with catch_response, which records at the end of the block."""

    def slow(at: Exchange) -> bytes:
        at.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        gevent.sleep(1.5)
        return b"hello"

    server.on("/slow", slow)
    assert user.client.get("/slow", stream=True).text == "hello"
    with user.client.get("/slow", stream=True, catch_response=True) as answer:
        assert answer.text == "hello"
    assert [event["response_length"] for event in user.fired] == [5, 5]
    assert max(event["response_time"] for event in user.fired) < 1450


def test_a_streamed_answer_is_counted_when_its_head_is_there(server: Server, user: Visitor) -> None:
    """A streamed response is recorded at its head with the announced length; `content` reads the rest."""
    asked = Event()

    def answer(at: Exchange) -> bytes:
        at.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert asked.wait(10)
        return b"later"

    server.on("/", answer)
    response = user.client.get("/", stream=True)
    assert (user.event["response_length"], user.event["exception"]) == (10, None)
    asked.set()
    assert response.content == b"firstlater"
    assert response.content == b"firstlater"
    assert len(user.fired) == 1


@pytest.mark.parametrize("way", [reply, chunked, lambda body: last(b"HTTP/1.1 200 OK\r\n\r\n" + body)])
def test_a_streamed_body_comes_in_pieces(server: Server, user: Visitor, way: Any) -> None:
    """iter_content yields pieces of at most the given size, as bytes or text, and the connection is used again if it can be."""
    server.on("/", way(TEXT.encode()))
    pieces = list(user.client.get("/", stream=True).iter_content(chunk_size=100, decode_content=False))
    assert b"".join(pieces) == TEXT.encode()
    assert max(map(len, pieces)) <= 100
    server.on("/", way(b"x" * 500))
    assert "".join(user.client.get("/", stream=True).iter_content(chunk_size=100)) == "x" * 500
    assert server.connections == (1 if way in (reply, chunked) else 2)


def test_lines_of_a_stream(server: Server, user: Visitor) -> None:
    """iter_lines yields every line, also one that comes in two pieces, and a last one without an end."""
    lines = ["first", "", "Grüße " * 300, "last"]
    server.on("/", chunked("\n".join(lines).encode(), size=7))
    assert list(user.client.iter_lines("/")) == lines
    with pytest.raises(Exception, match="404"):
        list(user.client.iter_lines("/missing"))


@pytest.mark.parametrize("read", ["nothing", "a piece"])
def test_a_stream_left_unread_does_not_spoil_the_next_request(server: Server, user: Visitor, read: str) -> None:
    """A stream that is left unread gives its place back: a user may leave more of them than it has connections."""
    server.on("/big", reply("x" * 1_000_000))
    for _ in range(12):
        answer = user.client.get("/big", stream=True)
        if read == "a piece":
            next(answer.iter_content(1000))
        del answer
        user.fired.clear()  # it holds the answer as well
        assert user.client.get("/").text == "hello"
        assert user.fired.pop()["exception"] is None


@pytest.mark.parametrize("way", [reply, chunked])
def test_a_stream_holds_nothing_of_the_answer_before(server: Server, user: Visitor, way: Any) -> None:
    """A stream has no bytes of the response before it on the same connection."""
    server.on("/streamed", way(b"streamed"))
    for _ in range(3):
        assert user.client.get("/").text == "hello"
        assert user.client.get("/streamed", stream=True).text == "streamed"
    assert server.connections == 1


@pytest.mark.parametrize("way", [reply, chunked])
def test_an_encoded_stream_is_unpacked(server: Server, user: Visitor, way: Any) -> None:
    """An encoded stream is decoded, whether it is read in pieces, in lines, or whole."""
    server.on("/", way(gzip.compress(TEXT.encode()), "Content-Encoding: gzip"))
    pieces = user.client.get("/", stream=True).iter_content(decode_content=False)
    assert b"".join(pieces) == TEXT.encode()
    assert user.client.get("/", stream=True).text == TEXT
    assert list(user.client.iter_lines("/")) == [TEXT]
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        reply(b"no gzip", "Content-Encoding: gzip"),
        reply(gzip.compress(TEXT.encode())[:-20], "Content-Encoding: gzip"),
    ],
    ids=["cut", "no-gzip", "cut-gzip"],
)
def test_a_stream_that_breaks(server: Server, user: Visitor, answer: bytes) -> None:
    """A stream that breaks raises in the task, whose request was recorded with its head; with catch_response it is a failure."""
    head, _, body = answer.partition(b"\r\n\r\n")
    asked = Event()

    def in_two(at: Exchange) -> bytes:
        at.send(head + b"\r\n\r\n")
        assert asked.wait(10)
        at.hang_up()
        return body

    server.on("/broken", in_two)
    broken = user.client.get("/broken", stream=True)
    assert user.fired.pop()["exception"] is None
    asked.set()
    with pytest.raises(Exception, match=r"close|damaged|early"):
        assert broken.content
    with user.client.get("/broken", stream=True, catch_response=True) as caught:
        list(caught.iter_content(decode_content=False))
    assert user.fired.pop()["exception"] is not None
    assert user.client.get("/").text == "hello"


def test_a_block_left_early_leaves_its_stream(server: Server, user: Visitor) -> None:
    """A with-block that is left early closes its stream, and the connection with the rest."""
    server.on("/big", reply("x" * 10_000_000))
    with user.client.get("/big", stream=True, catch_response=True) as answer:
        assert next(answer.iter_content(10)) == "x" * 10
        assert server.open == 1
    server.wait_until(lambda now: now.open == 0)
    assert user.event["exception"] is None


def test_a_stream_of_a_redirect_is_that_of_its_end(server: Server, user: Visitor) -> None:
    server.on("/start", reply("on the way", "Location: /end", status="302 Found"))
    server.on("/end", reply(TEXT))
    assert user.client.get("/start", stream=True).text == TEXT
    assert server.connections == 1


def test_what_was_begun_as_a_stream_can_be_read_to_its_end(server: Server, user: Visitor) -> None:
    """A stream that was read in part can be read to its end; decoding goes on where the first reader left it."""
    body = random.Random(1).randbytes(300_000)
    server.on("/packed", reply(gzip.compress(body), "Content-Encoding: gzip"))
    answer = user.client.get("/packed", stream=True)
    first = next(answer.iter_content(1 << 20, decode_content=False))
    assert isinstance(first, bytes)
    assert first + answer.content == body
