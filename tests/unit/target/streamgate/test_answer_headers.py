"""What answers say beside their content: how they may be kept, what is left of the rate limit, and which tus is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from master.target.app import Gateway
from master.target.auth.authority import Authority
from master.target.composition import create_gateway
from master.target.database.sqlite import SqliteDatabase
from master.target.streamgate.wiring import StreamGateSettings


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("piswarm")


@pytest.fixture(scope="module")
def token(authority: Authority) -> str:
    account, _ = authority.check_password("user0001", "piswarm")
    return authority.issue(account, "family", "refresh").token


@pytest.fixture(scope="module")
def gateway(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    database = SqliteDatabase(tmp_path_factory.mktemp("target") / "target.db")
    with ThreadPoolExecutor(max_workers=1) as pool:
        gateway = create_gateway(authority, database, pool, streaming=StreamGateSettings(rate_limit_per_s=1000))
        asyncio.run(gateway.start())
        yield gateway
        asyncio.run(gateway.stop())
    asyncio.run(database.close())


def ask(
    gateway: Gateway, method: str, path: str, token: str | None, **headers: str
) -> tuple[int, dict[str, list[str]]]:
    """The status, and all values of each header."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if token is not None:
        given.append((b"authorization", f"Bearer {token}".encode()))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": given}
    asyncio.run(gateway(scope, receive, send))
    found: dict[str, list[str]] = {}
    for name, value in sent[0]["headers"]:
        found.setdefault(name.decode(), []).append(value.decode())
    return sent[0]["status"], found


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [
        ("/health", 200, "no-store"),
        ("/auth/me", 200, "no-store"),
        ("/media", 200, "no-store"),
        ("/media/media0001", 200, "private, no-cache"),
        ("/media/media0001/content", 200, "private, max-age=31536000, immutable"),
        ("/media/media0001/segments/0", 200, "private, max-age=31536000, immutable"),
        ("/media/media0001/segments/99", 404, "no-store"),
        ("/media/media9999", 404, "no-store"),
        ("/nope", 404, "no-store"),
        ("/cache/statistics", 200, "no-store"),
    ],
)
def test_each_answer_says_once_how_it_may_be_kept(
    gateway: Gateway, token: str, path: str, status: int, kept: str
) -> None:
    found, headers = ask(gateway, "GET", path, token)
    assert (found, headers["cache-control"]) == (status, [kept])


def test_a_refused_caller_is_not_told_of_the_cache(gateway: Gateway) -> None:
    status, headers = ask(gateway, "GET", "/media/media0001", None)
    assert (status, headers["cache-control"], headers["www-authenticate"]) == (401, ["no-store"], ["Bearer"])
    assert "x-cache" not in headers
    assert "etag" not in headers


def test_what_is_left_of_the_limit_is_said_where_it_counts(gateway: Gateway, token: str) -> None:
    _, headers = ask(gateway, "GET", "/media/media0001", token)
    assert headers["ratelimit-policy"] == ['"caller";q=1000;w=1']
    assert "ratelimit" not in ask(gateway, "GET", "/auth/me", token)[1]


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("OPTIONS /uploads", {}, 204),
        ("POST /uploads", {"tus_resumable": "1.0.0", "upload_length": "5"}, 201),
        ("POST /uploads", {"tus_resumable": "1.0.0"}, 400),
        ("POST /uploads", {"tus_resumable": "0.1", "upload_length": "5"}, 412),
        ("HEAD /uploads/x", {"tus_resumable": "1.0.0"}, 404),
        ("DELETE /uploads/x", {}, 400),
    ],
)
def test_each_answer_of_tus_names_its_version_once(
    gateway: Gateway, token: str, request_line: str, headers: dict[str, str], status: int
) -> None:
    found, answered = ask(gateway, *request_line.split(), token, **headers)
    assert (found, answered["tus-resumable"]) == (status, ["1.0.0"])
