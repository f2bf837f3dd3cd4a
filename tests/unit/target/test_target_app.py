"""One request in, one answer out, one count: the application without a server."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.app import UNMATCHED, Gateway
from master.target.auth.authority import Authority
from master.target.composition import create_gateway
from master.target.database.sqlite import SqliteDatabase


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    database = SqliteDatabase(tmp_path_factory.mktemp("target") / "target.db")
    with ThreadPoolExecutor(max_workers=1) as pool:
        gateway = create_gateway(Authority("piswarm"), database, pool)
        asyncio.run(gateway.start())
        yield gateway
        asyncio.run(gateway.stop())
    asyncio.run(database.close())


def ask(gateway: Gateway, method: str, path: str, *pieces: bytes, gone: bool = False) -> tuple[int, Any] | None:
    """Status and body of the answer to a request whose body arrives in `pieces`; with `gone`, the client then hangs up."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces or (b"",)]
    if gone:
        messages.append({"type": "http.disconnect"})
    else:
        messages[-1]["more_body"] = False
    incoming = iter(messages)
    sent = []

    async def receive() -> dict[str, Any]:
        return next(incoming)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
    asyncio.run(gateway(scope, receive, send))
    return (sent[0]["status"], json.loads(sent[1]["body"])) if sent else None


def test_a_handler_that_breaks_is_answered_counted_and_tells_nothing(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_gauges: object) -> bytes:
        raise RuntimeError("a secret")

    monkeypatch.setattr(gateway._metrics, "exposition", broken)
    before = gateway.requests.totals.get(("GET", "/metrics", 500), 0)
    status, body = ask(gateway, "GET", "/metrics")
    assert (status, body) == (500, {"error": {"code": "internal", "message": "internal error"}})
    assert gateway.requests.totals["GET", "/metrics", 500] == before + 1
    assert "a secret" in caplog.text


def test_a_client_that_hangs_up_is_counted_and_not_answered(gateway: Gateway) -> None:
    assert ask(gateway, "POST", "/auth/login", b'{"user', gone=True) is None
    assert gateway.requests.totals["POST", "/auth/login", 499] == 1


def test_a_body_in_pieces_is_put_together(gateway: Gateway) -> None:
    assert ask(gateway, "POST", "/auth/login", b'{"username":"user0001",', b'"password":"pisw', b'arm"}')[0] == 200


def test_a_body_without_length_is_cut_off_at_the_limit(gateway: Gateway) -> None:
    endless = [b"x" * 65536] * 1000
    assert ask(gateway, "POST", "/auth/login", *endless)[0] == 413


def test_made_up_methods_share_a_label(gateway: Gateway) -> None:
    for method in ("PURGE", "X1", "X2"):
        assert ask(gateway, method, "/health")[0] == 405
    assert gateway.requests.totals["other", "/health", 405] == 3


@given(
    st.binary(max_size=100) | st.text(max_size=50).map(str.encode) | st.sampled_from([b"[" * 50_000, b'{"a":' * 10_000])
)
def test_no_body_is_anything_but_refused(gateway: Gateway, body: bytes) -> None:
    status, answer = ask(gateway, "POST", "/auth/login", body)
    assert status in {400, 422}
    assert set(answer["error"]) == {"code", "message"}


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/sessions", "/sessions"),
        ("/sessions/a", "/sessions/[id]"),
        ("/sessions/a/chunks/7", "/sessions/[id]/chunks/[n]"),
        ("/sessions/", UNMATCHED),
        ("/sessions/a/b", UNMATCHED),
        ("/sessions/[id]", "/sessions/[id]"),
        ("/sessions/a\n", "/sessions/[id]"),
        ("/nope", UNMATCHED),
        ("", UNMATCHED),
        ("*", UNMATCHED),
    ],
)
def test_paths_find_their_route(gateway: Gateway, path: str, template: str) -> None:
    """A request is counted under the template of its path."""
    before = Counter(gateway.requests.totals)
    status, _ = ask(gateway, "GET", path)
    assert Counter(gateway.requests.totals) - before == {("GET", template, status): 1}


def test_a_wrong_method_is_told_all_that_the_path_allows(gateway: Gateway) -> None:
    """Also where each method of the path has a route of its own."""
    expected = {"error": {"code": "method_not_allowed", "message": "allowed: GET, HEAD, POST"}}
    assert ask(gateway, "DELETE", "/sessions") == (405, expected)


def test_an_answer_that_breaks_off_is_counted_once(gateway: Gateway) -> None:
    """A failure after the head has left can't be answered any more: the server is told, and hangs up."""
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        raise OSError("broken")

    before = Counter(gateway.requests.totals)
    scope = {"type": "http", "method": "GET", "path": "/health", "query_string": b"", "headers": []}
    with pytest.raises(OSError, match="broken"):
        asyncio.run(gateway(scope, receive, send))
    assert Counter(gateway.requests.totals) - before == {("GET", "/health", 200): 1}
    assert len(sent) == 1
