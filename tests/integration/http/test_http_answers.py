"""The HTTP user reads responses: their fields, text, codings, and every framing of a body."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import brotli
import gevent
import pytest
from http_server import Exchange, Server, Visitor, chunked, last, reply

TEXT = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 20


def test_the_fields_of_an_answer(server: Server, user: Visitor) -> None:
    """A response has its status, URL, fields and body, and the request that was sent."""
    server.on("/a", reply("text", "Content-Type: text/plain", status="201 Created"))
    answer = user.client.post("/a?b=1", data="sent", headers={"X-Own": "1"})
    assert (answer.status_code, answer.ok, answer.content, answer.text) == (201, True, b"text", "text")
    assert answer.url == server.url + "/a?b=1"
    assert isinstance(answer.elapsed, timedelta)
    assert list(answer.history) == []
    request = answer.request
    assert (request.method, request.url, request.headers["x-own"]) == ("POST", answer.url, "1")
    assert request.body in ("sent", b"sent")


def test_headers_of_an_answer_are_found_in_any_case(server: Server, user: Visitor) -> None:
    """Fields are found by name in any case, with all lines of that name."""
    server.on("/", reply("", "X-One: 1", "x-two: a", "X-Two: b"))
    headers = user.client.get("/").headers
    assert headers["x-ONE"] == headers.get("X-one") == "1"
    assert "X-TWO" in headers
    assert headers.get("X-None") is None
    assert [value for name, value in headers.items() if name.lower() == "x-two"] == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "charset"),
    [
        ("text/plain; charset=utf-8", "utf-8"),
        ("text/plain; charset=ISO-8859-15", "iso-8859-15"),
        ('text/html; charset="latin-1"', "latin-1"),
        ("text/html", "latin-1"),
        ("application/json", "utf-8"),
        ("application/octet-stream", "utf-8"),
        ("", "utf-8"),
        ("text/plain; charset=nonsense", "utf-8"),
    ],
)
def test_text_is_decoded_by_what_the_server_says(server: Server, user: Visitor, kind: str, charset: str) -> None:
    """The charset is the server's, else that of RFC 2616 for text, else guessed; one that does not exist raises nothing."""
    server.on("/", reply(TEXT.encode(charset), *([f"Content-Type: {kind}"] if kind else [])))
    assert user.client.get("/").text == TEXT


def test_text_that_is_not_in_its_charset_is_replaced(server: Server, user: Visitor) -> None:
    """Bytes that do not fit the charset are replaced and raise nothing in the task."""
    server.on("/", reply(b"a\xffb", "Content-Type: text/plain; charset=utf-8"))
    assert user.client.get("/").text == "a\ufffdb"


def test_the_encoding_can_be_set(server: Server, user: Visitor) -> None:
    """A task that knows the charset better than the server can set it."""
    server.on("/", reply(TEXT.encode("utf-16"), "Content-Type: text/plain; charset=utf-8"))
    answer = user.client.get("/")
    answer.encoding = "utf-16"
    assert answer.text == TEXT


def test_json_is_parsed_or_refused(server: Server, user: Visitor) -> None:
    """A body that is no JSON raises the standard library's error, which tasks catch."""
    server.on("/", reply(json.dumps({"a": [1, None, "ä"]}, ensure_ascii=False), "Content-Type: application/json"))
    assert user.client.get("/").json() == {"a": [1, None, "ä"]}
    server.on("/", reply("not json"), reply(""))
    for _ in range(2):
        with pytest.raises(json.JSONDecodeError):
            user.client.get("/").json()
    assert {event["exception"] for event in user.fired} == {None}


def test_a_large_body_arrives_whole(server: Server, user: Visitor) -> None:
    """A body that comes in many pieces is whole, next to small ones on the same connection."""
    body = bytes(range(256)) * 8192
    server.on("/large", reply(body))
    for _ in range(2):
        assert user.client.get("/large").content == body
        assert user.client.get("/").text == "hello"
    assert server.connections == 1


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "capitals": ("GZIP", gzip.compress),
    "members": ("gzip", lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:])),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
}


@pytest.mark.parametrize("way", [reply, chunked], ids=["length", "chunked"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoded_body_is_unpacked(server: Server, user: Visitor, encoding: str, way: Any) -> None:
    """An encoded body is decoded, and its decoded size is recorded."""
    name, pack = ENCODINGS[encoding]
    body = TEXT.encode()
    server.on("/", way(pack(body), f"Content-Encoding: {name}"))
    assert user.client.get("/").content == body
    assert (user.event["response_length"], user.event["exception"]) == (len(body), None)
    assert user.client.get("/").ok
    assert server.connections == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gzip", b"this is no gzip"),
        ("gzip", gzip.compress(TEXT.encode(), mtime=0)[:-20]),
        ("gzip", gzip.compress(TEXT.encode(), mtime=0)[:-5] + b"wrong"),
        ("deflate", b"\xff\xff\xff"),
        ("br", brotli.compress(TEXT.encode())[:-20]),
    ],
    ids=["no-gzip", "cut-gzip", "wrong-gzip", "no-deflate", "cut-br"],
)
def test_a_body_that_does_not_unpack_is_a_failure(server: Server, user: Visitor, name: str, body: bytes) -> None:
    """A damaged body is recorded as a failure and not raised, and the next request works."""
    server.on("/broken", reply(body, f"Content-Encoding: {name}"))
    user.client.get("/broken")
    assert user.event["exception"] is not None
    with user.client.get("/broken", catch_response=True):
        pass
    assert user.fired[1]["exception"] is not None
    assert user.client.get("/").text == "hello"
    assert user.fired[2]["exception"] is None


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304)])
def test_an_answer_that_has_no_body_by_definition(server: Server, user: Visitor, method: str, status: int) -> None:
    """Content-Length announces no body of 204, 304 and responses to HEAD, and their connection is used again."""
    lines = "Content-Length: 5000\r\nContent-Encoding: gzip"
    server.on("/", f"HTTP/1.1 {status} Fine\r\n{lines}\r\n\r\n".encode())
    for _ in range(2):
        answer = user.client.request(method, "/")
        assert (answer.status_code, answer.content) == (status, b"")
    assert [event["response_length"] for event in user.fired] == [0, 0]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("head", "connections"),
    [
        ("HTTP/1.1 200 OK\r\n\r\n", 2),
        ("HTTP/1.0 200 OK\r\n\r\n", 2),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 2),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", 1),
    ],
)
def test_old_ways_to_end_a_body(server: Server, user: Visitor, head: str, connections: int) -> None:
    """A body ends with the connection, or by its length in HTTP/1.0, which keeps a connection only on request."""
    data = head.encode() + b"hello"
    server.on("/", data if connections == 1 else last(data))
    for _ in range(2):
        assert user.client.get("/").text == "hello"
    assert [event["exception"] for event in user.fired] == [None, None]
    assert server.connections == connections


@pytest.mark.parametrize("interim", ["100 Continue\r\n", "103 Early Hints\r\nLink: </style.css>; rel=preload\r\n"])
def test_interim_answers_are_passed_over(server: Server, user: Visitor, interim: str) -> None:
    """Interim responses are skipped, whether they come with the final one or before it."""
    head = f"HTTP/1.1 {interim}\r\n".encode()

    def apart(at: Exchange) -> bytes:
        at.send(head)
        gevent.sleep(0.002)
        at.send(head)
        gevent.sleep(0.002)
        return reply("hello")

    server.on("/", head + reply("hello"), apart)
    for _ in range(2):
        answer = user.client.get("/")
        assert (answer.status_code, answer.text) == (200, "hello")
    assert server.connections == 1


@pytest.mark.parametrize("answer", [reply(TEXT), chunked(gzip.compress(TEXT.encode()), "Content-Encoding: gzip")])
def test_an_answer_may_come_byte_by_byte(server: Server, user: Visitor, answer: bytes) -> None:
    """A response that comes byte by byte is the same as in one piece."""

    def drip(at: Exchange) -> None:
        for byte in answer:
            at.send(bytes([byte]))
            gevent.sleep(0)

    server.on("/", drip)
    assert user.client.get("/").content == TEXT.encode()
    assert user.client.get("/").content == TEXT.encode()
    assert server.connections == 1
