"""What the HTTP user sends as a body, and when."""

from __future__ import annotations

import email
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_server import Exchange, Request, Server, Visitor, reply

FORM = "application/x-www-form-urlencoded"


def sent(server: Server) -> Request:
    """The one request that came."""
    assert len(server.requests) == 1
    return server.requests[0]


@pytest.mark.parametrize("value", [{"a": [1, "ä", None]}, [1], {}, [], 0, False, ""])
def test_json_is_sent_as_such_even_if_empty(server: Server, user: Visitor, value: Any) -> None:
    """JSON is sent with its Content-Type, Accept and length, also an empty value."""
    user.client.post("/", json=value)
    assert json.loads(sent(server).body) == value
    assert sent(server)["Content-Type"] == sent(server)["Accept"] == "application/json"
    assert sent(server)["Content-Length"] == str(len(sent(server).body))


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_headers_given_with_json_win(server: Server, user: Visitor, spell: Any) -> None:
    """Header fields given with JSON replace the default ones, in whatever case they are given."""
    own = {spell("Content-Type"): "application/merge-patch+json", spell("Accept"): "text/html"}
    user.client.patch("/", json={"a": 1}, headers=own)
    assert (sent(server)["Content-Type"], sent(server)["Accept"]) == tuple(own.values())


def test_data_wins_over_json(server: Server, user: Visitor) -> None:
    """With both `data` and `json`, the data and their type are sent."""
    user.client.post("/", data=b"data", json={"a": 1})
    assert (sent(server).body, sent(server)["Content-Type"]) == (b"data", "application/octet-stream")


@pytest.mark.parametrize(
    ("data", "body", "kind"),
    [
        ("Grüße", "Grüße".encode(), "text/plain; charset=utf-8"),
        (b"\0\xff", b"\0\xff", "application/octet-stream"),
        (bytearray(b"array"), b"array", "application/octet-stream"),
        (memoryview(b"view"), b"view", "application/octet-stream"),
        ({"a": 1, "b": "x &ä"}, b"a=1&b=x+%26%C3%A4", FORM),
        ([("a", 1), ("a", "2")], b"a=1&a=2", FORM),
    ],
    ids=["text", "bytes", "bytearray", "memoryview", "dict", "pairs"],
)
def test_data_is_sent_by_its_kind(server: Server, user: Visitor, data: Any, body: bytes, kind: str) -> None:
    """Data are sent with a length and the type of their kind; a Content-Type that is given stays."""
    user.client.post("/", data=data)
    user.client.put("/", data=data, headers={"content-type": "own/kind"})
    first, second = server.requests
    assert first.body == second.body == body
    assert first["Content-Type"].startswith(kind)
    assert second["Content-Type"] == "own/kind"
    assert first["Content-Length"] == second["Content-Length"] == str(len(body))


def test_a_large_body_arrives_whole(server: Server, user: Visitor) -> None:
    """A body that no socket takes at once arrives whole."""
    data = bytes(range(256)) * 32 * 1024
    assert user.client.post("/", data=data).ok
    assert sent(server).body == data


def test_a_file_is_sent_with_its_length(server: Server, user: Visitor, tmp_path: Path) -> None:
    """A file is sent from its current position, with its length."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 50_000)
    with path.open("rb") as file:
        user.client.post("/", data=file)
        file.seek(499_995)
        user.client.post("/", data=file)
    assert [request.body for request in server.requests] == [path.read_bytes(), b"56789"]
    assert [request["Content-Length"] for request in server.requests] == ["500000", "5"]
    assert {request["Transfer-Encoding"] for request in server.requests} == {None}


def test_a_file_opened_as_text_is_sent_as_utf8(server: Server, user: Visitor, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("Grüße", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        user.client.post("/", data=file)
    assert sent(server).body == "Grüße".encode()


@pytest.mark.parametrize("source", [lambda: io.BytesIO(b"onetwo"), lambda: iter([b"one", b"", b"two"])])
def test_a_source_of_bytes_is_sent_to_its_end(server: Server, user: Visitor, source: Any) -> None:
    """A source of bytes is sent in chunks if its length is unknown, never with both framings."""
    user.client.post("/", data=source())
    assert sent(server).body == b"onetwo"
    assert [sent(server)["Content-Length"], sent(server)["Transfer-Encoding"]] in ([None, "chunked"], ["6", None])
    assert user.client.get("/").ok
    assert server.connections == 1


def test_a_source_that_raises_raises_in_the_task(server: Server, user: Visitor) -> None:
    """A source that raises does so in the task; nothing is recorded, and the connection is closed in the middle of the request."""

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise KeyError

    with pytest.raises(KeyError):
        user.client.post("/", data=pieces())
    assert user.fired == []
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"


@pytest.mark.parametrize("data", [5, [5], object()])
def test_what_is_no_body_is_refused_in_the_task(user: Visitor, data: Any) -> None:
    """An invalid body raises in the task; nothing is recorded, and no place in the pool is lost."""
    for _ in range(12):
        with pytest.raises(TypeError):
            user.client.post("/", data=data)
    assert user.fired == []
    assert user.client.get("/").text == "hello"


@pytest.mark.parametrize("method", ["post", "put", "patch"])
@pytest.mark.parametrize("data", [None, "", b"", {}])
def test_an_empty_body_is_announced_where_one_is_usual(server: Server, user: Visitor, method: str, data: Any) -> None:
    """POST, PUT and PATCH announce an empty body, since some servers answer 411 otherwise."""
    getattr(user.client, method)("/", data=data)
    assert (sent(server)["Content-Length"], sent(server).body) == ("0", b"")


@pytest.mark.parametrize("method", ["get", "head", "options", "delete"])
def test_a_missing_body_is_not_announced_where_none_is_usual(server: Server, user: Visitor, method: str) -> None:
    """Other methods announce no empty body, and may have one all the same."""
    server.on("/", b"HTTP/1.1 204 No Content\r\n\r\n")
    getattr(user.client, method)("/")
    getattr(user.client, method)("/", data=b"body")
    first, second = server.requests
    assert (first["Content-Length"], first["Content-Type"], first["Transfer-Encoding"]) == (None, None, None)
    assert second.body == b"body"


def test_files_are_sent_as_a_form(server: Server, user: Visitor, tmp_path: Path) -> None:
    """Files are sent as multipart/form-data with the fields of `data`, with names and types as given, or the file's own name."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"line\r\n\0")
    with path.open("rb") as file:
        user.client.post(
            "/", data={"title": "Grüße"}, files={"own": file, "other": ("b.csv", b"1,2", "text/csv"), "plain": b"x"}
        )
    form = email.message_from_bytes(
        f"Content-Type: {sent(server)['Content-Type']}\r\n\r\n".encode() + sent(server).body
    )
    assert form.get_content_type() == "multipart/form-data"
    parts = {part.get_param("name", header="Content-Disposition"): part for part in form.get_payload()}
    assert {name: part.get_payload(decode=True) for name, part in parts.items()} == {
        "title": "Grüße".encode(),
        "own": b"line\r\n\0",
        "other": b"1,2",
        "plain": b"x",
    }
    assert {name: part.get_filename() for name, part in parts.items()} == {
        "title": None,
        "own": "notes.txt",
        "other": "b.csv",
        "plain": "plain",
    }
    assert parts["other"].get_content_type() == "text/csv"


def test_an_expected_body_waits_for_the_servers_word(server: Server, user: Visitor) -> None:
    """With Expect nothing of the body is sent before 100 Continue."""
    early: list[bool] = []

    def answer(at: Exchange) -> bytes:
        early.append(at.has_more(within_s=0.1))
        at.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return reply(at.read_body())

    server.on("/", answer)
    assert user.client.post("/", data=b"body", headers={"Expect": "100-continue"}).content == b"body"
    assert early == [False]


def test_an_expected_body_is_sent_in_the_end_to_a_server_that_does_not_know_expect(
    server: Server, user: Visitor
) -> None:
    """A body whose head expects a 100 is sent after about a second to a server that never answers with one."""
    assert user.client.post("/", data=b"body", headers={"expect": "100-continue"}).ok
    assert sent(server).body == b"body"
    assert 500 < user.event["response_time"] < 3000


def test_a_refused_body_is_not_sent(server: Server, user: Visitor) -> None:
    """After a final response in place of 100 Continue no body is sent; the connection carries the next request, or ends."""

    server.on("/refused", lambda _: reply("no", status="417 Expectation Failed"))
    answer = user.client.post("/refused", data=b"body", headers={"Expect": "100-continue"})
    assert (answer.status_code, answer.text) == (417, "no")
    assert "417" in str(user.event["exception"])
    assert user.client.get("/").text == "hello"
    assert [request.method for request in server.requests] == ["POST", "GET"]


def test_chunks_are_made_where_the_task_asks_for_them(server: Server) -> None:
    """With Transfer-Encoding: chunked from the task the body is sent in chunks."""
    server.on("/", reply("hello"))
    user = server.visitor(network_timeout=5)
    user.client.post("/", data=b"body", headers={"Transfer-Encoding": "chunked"})
    assert (sent(server).body, sent(server)["Content-Length"]) == (b"body", None)


def test_an_answer_before_the_end_of_the_body_is_the_answer(server: Server, user: Visitor) -> None:
    """A response before the end of the body ends the sending, and the connection is not used again."""

    def refuse(at: Exchange) -> None:
        at.send(reply("too large", status="413 Content Too Large"))
        at.wait_for_the_client_to_close(whatever_it_sends=True)
        at.hang_up()

    server.on("/upload", refuse)
    answer = user.client.post("/upload", data=bytes(64 * 1024 * 1024))
    assert (answer.status_code, answer.text) == (413, "too large")
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/").text == "hello"
    assert server.connections == 2
