"""The target's API over real HTTP, and that it counts exactly what it answers."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from processes import Target

from master.target.auth.authority import Authority

SCREEN = {"resolution": [1920, 1080]}
NODE = {"name": "pi-1", "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8192}
BEAT = {"cpu_percent": 12.5, "memory_percent": 40, "temperature_c": 51.5}


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        yield started


@pytest.fixture(scope="module")
def node(target: Target) -> str:
    return target.sign_in("node0001")


def new_session(target: Target, token: str) -> str:
    reply = target.ask("POST", "/sessions", SCREEN, token)
    assert reply.status == 201
    return f"/sessions/{reply.json['id']}"


def test_signing_in_tells_who_one_is(target: Target) -> None:
    reply = target.ask("POST", "/auth/login", {"username": "admin07", "password": "piswarm"})
    assert {key: value for key, value in reply.json.items() if key not in {"token", "refresh_token"}} == {
        "token_type": "Bearer",
        "expires_in_s": 3600,
        "role": "admin",
        "refresh_expires_in_s": 86_400,
    }
    me = target.ask("GET", "/auth/me", token=reply.json["token"]).json
    assert (me["username"], me["role"]) == ("admin07", "admin")


def test_unknown_user_and_wrong_password_are_not_told_apart(target: Target) -> None:
    replies = [
        target.ask("POST", "/auth/login", {"username": name, "password": "wrong"}) for name in ("user0001", "nobody")
    ]
    assert replies[0].status == replies[1].status == 401
    assert replies[0].body == replies[1].body


def test_a_user_sees_its_own_sessions_only_and_an_administrator_all(target: Target, user: str, admin: str) -> None:
    path = new_session(target, user)
    other = target.sign_in("user0002")
    unknown = target.ask("GET", "/sessions/0123456789abcdef", token=other)
    hidden = target.ask("GET", path, token=other)
    assert (hidden.status, hidden.body) == (404, unknown.body)
    assert target.ask("POST", f"{path}/chunks", b"x", other).status == 404
    assert target.ask("POST", f"{path}/close", token=other).status == 404
    assert target.ask("GET", path, token=admin).status == 200
    assert path not in [
        f"/sessions/{found['id']}" for found in target.ask("GET", "/sessions", token=other).json["sessions"]
    ]


def test_sessions_come_in_pages(target: Target) -> None:
    token = target.sign_in("user0003")
    made = [new_session(target, token).rpartition("/")[2] for _ in range(5)]
    found, query = [], "limit=2"
    while True:
        page = target.ask("GET", f"/sessions?{query}", token=token).json
        found += [session["id"] for session in page["sessions"]]
        if page["next"] is None:
            break
        query = f"limit=2&after={page['next']}"
    assert found == made[::-1]


def test_a_node_registers_reports_and_is_listed(target: Target, user: str, node: str, admin: str) -> None:
    statuses = [target.ask("POST", "/nodes", NODE, node).status for _ in range(2)]
    assert statuses == [201, 200]
    beat = target.ask("POST", "/nodes/pi-1/heartbeat", BEAT, node)
    assert (beat.status, beat.json["heartbeats"], beat.json["temperature_c"]) == (200, 1, 51.5)
    assert target.ask("POST", "/nodes/pi-1/heartbeat", {"cpu_percent": 1, "memory_percent": 2}, admin).status == 200
    read = target.ask("GET", "/nodes/pi-1", token=user).json
    assert (read["owner"], read["heartbeats"], read["cpu_percent"]) == ("node0001", 2, 1.0)
    other = target.sign_in("node0002")
    assert target.ask("POST", "/nodes/pi-1/heartbeat", BEAT, other).status == 403
    assert target.ask("POST", "/nodes", NODE, other).status == 403
    assert target.ask("POST", "/nodes", {**NODE, "name": "pi-2"}, other).status == 201
    first = target.ask("GET", "/nodes?limit=1", token=user).json
    rest = target.ask("GET", f"/nodes?after={first['next']}", token=user).json
    assert [found["name"] for found in first["nodes"] + rest["nodes"]] == ["pi-1", "pi-2"]
    statistics = target.ask("GET", "/admin/statistics", token=admin).json
    assert statistics["nodes"] == {"total": 2, "alive": 2}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (("POST", "/auth/login", None, b"{"), 400),
        (("POST", "/auth/login", None, b""), 400),
        (("POST", "/auth/login", None, b"\xff\xfe"), 400),
        (("POST", "/auth/login", None, []), 422),
        (("POST", "/auth/login", None, {"username": "user0001"}), 422),
        (("POST", "/auth/login", None, {"username": 1, "password": "x"}), 422),
        (("POST", "/auth/login", None, {"username": "a", "password": "b", "admin": True}), 422),
        (("POST", "/auth/login", None, {"username": "' OR 1=1 --", "password": "x"}), 401),
        (("POST", "/auth/login", None, {"username": "u" * 65, "password": "x"}), 422),
        (("POST", "/auth/login", None, {"username": "user\0", "password": "x"}), 422),
        (("POST", "/auth/login", None, {"username": "user\\u0000", "password": "x"}), 401),
        (("POST", "/auth/login", None, b'{"username": "\\ud800", "password": "x"}'), 400),
        (("POST", "/sessions", "user", {"resolution": [1920]}), 422),
        (("POST", "/sessions", "user", {"resolution": [0, 1080]}), 422),
        (("POST", "/sessions", "user", {"resolution": [1920, 1080.5]}), 422),
        (("POST", "/sessions", "user", {"resolution": [1920, 1080], "codec": "mpeg1"}), 422),
        (("POST", "/sessions", "user", {"resolution": [1, 2**70]}), 422),
        (("POST", "/sessions", "node", SCREEN), 403),
        (("POST", "/sessions", None, SCREEN), 401),
        (("GET", "/sessions?limit=101", "user", None), 422),
        (("GET", "/sessions?limit=x", "user", None), 422),
        (("GET", "/sessions?limit=", "user", None), 422),
        (("GET", "/sessions?limit=1&limit=2", "user", None), 422),
        (("GET", "/sessions?after=9223372036854775808", "user", None), 422),
        (("GET", "/sessions?offset=1", "user", None), 422),
        (("GET", "/sessions/nope", "user", None), 404),
        (("GET", "/sessions/%27%20OR%201=1", "user", None), 404),
        (("GET", "/sessions/nope/chunks/0", "user", None), 404),
        (("POST", "/sessions/nope/chunks", "user", b"x"), 404),
        (("POST", "/nodes", "user", NODE), 403),
        (("POST", "/nodes", "node", {**NODE, "name": "Pi_1"}), 422),
        (("POST", "/nodes", "node", {**NODE, "name": "pi\n"}), 422),
        (("POST", "/nodes", "node", {**NODE, "model": "Pi\0"}), 422),
        (("POST", "/nodes", "node", {**NODE, "cpu_count": 0}), 422),
        (("POST", "/nodes/nope/heartbeat", "node", BEAT), 404),
        (("POST", "/nodes/nope/heartbeat", "node", {**BEAT, "cpu_percent": 101}), 422),
        (("POST", "/nodes/nope/heartbeat", "user", BEAT), 403),
        (("GET", "/nodes", None, None), 401),
        (("GET", "/nodes/nope", "user", None), 404),
        (("GET", "/nodes/%00", "user", None), 404),
        (("GET", "/nodes/%ff%ed%a0%80", "user", None), 404),
        (("GET", "/nodes?after=%00", "user", None), 422),
        (("GET", "/admin/statistics", "user", None), 403),
        (("GET", "/admin/statistics", "node", None), 403),
        (("GET", "/nope", None, None), 404),
        (("GET", "/health/", None, None), 404),
        (("DELETE", "/sessions", "user", None), 405),
        (("GET", "/auth/login", None, None), 405),
        (("PUT", "/health", None, b"{}"), 405),
        (("OPTIONS", "/health", None, None), 405),
    ],
)
def test_bad_input_is_told_what_is_wrong(
    target: Target, request: pytest.FixtureRequest, sent: tuple[str, str, str | None, Any], status: int
) -> None:
    """What is sent: method, path, the role that is signed in, body."""
    method, path, role, body = sent
    reply = target.ask(method, path, body, None if role is None else request.getfixturevalue(role))
    assert reply.status == status, reply
    assert set(reply.json) == {"error"}
    assert set(reply.json["error"]) == {"code", "message"}
    assert "Traceback" not in reply.body.decode()
    if status == 405:
        assert reply.headers["allow"]


def test_chunks_have_at_least_a_byte_and_at_most_a_megabyte(target: Target, user: str) -> None:
    path = new_session(target, user)
    assert target.ask("POST", f"{path}/chunks", b"", user).status == 422
    assert target.ask("POST", f"{path}/chunks", bytes(1024 * 1024 + 1), user).status == 413
    for number in ("0", "-1", "x", "1" * 30, "%D9%A1"):
        assert target.ask("GET", f"{path}/chunks/{number}", token=user).status == 404


def test_a_body_of_more_than_2_mb_is_refused(target: Target, user: str) -> None:
    body = b'{"resolution":[1,1]' + b" " * 2 * 1024 * 1024 + b"}"
    assert target.ask("POST", "/sessions", body, user).status == 413


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "Bearer " + "x" * 5000, "Bearer \xff\xfe"],
)
def test_what_is_no_token_is_refused(target: Target, header: str) -> None:
    reply = target.ask("GET", "/auth/me", Authorization=header)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"


def test_a_token_of_another_target_is_refused(target: Target) -> None:
    """This process's own authority has the same accounts and the same password, and another key."""
    other = Authority("piswarm")
    account, _ = other.check_password("user0001", "piswarm")
    token = other.issue(account, "family", "refresh").token
    assert target.ask("GET", "/auth/me", token=token).status == 401


@pytest.mark.parametrize("line", [b"nonsense", b"GET /%ff%00 HTTP/1.1", b"GET //../.. HTTP/1.1", b"OPTIONS * HTTP/1.1"])
def test_no_request_line_breaks_it(target: Target, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", target.port), timeout=20) as connection:
        connection.sendall(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    assert target.ask("GET", "/health").status == 200


def test_the_index_names_every_path_and_head_works(target: Target) -> None:
    paths = target.ask("GET", "/").json["paths"]
    assert paths["/sessions"] == ["GET", "HEAD", "POST"]
    head = target.ask("HEAD", "/health")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["x-content-type-options"] == "nosniff"


def test_metrics_show_counts_durations_and_gauges(target: Target, user: str) -> None:
    new_session(target, user)
    reply = target.ask("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values['target_sessions{state="created"}']) >= 1
    for route in ("/sessions", "unmatched", "/auth/login"):
        count = values[f'target_request_duration_seconds_count{{route="{route}"}}']
        assert count == values[f'target_request_duration_seconds_bucket{{le="+Inf",route="{route}"}}']
        counted = sum(
            float(value)
            for name, value in values.items()
            if name.startswith("target_requests_total{") and f'route="{route}"' in name
        )
        assert counted == float(count)


def test_metrics_count_themselves_the_next_time(target: Target) -> None:
    def scrapes() -> int:
        text = target.ask("GET", "/metrics").body.decode()
        found = [
            line for line in text.splitlines() if line.startswith('target_requests_total{method="GET",route="/metrics"')
        ]
        return int(float(found[0].rsplit(" ", 1)[1])) if found else 0

    first = scrapes()
    assert scrapes() == first + 1


def test_every_request_is_counted_exactly_once_under_concurrency(target: Target, user: str) -> None:
    """What 16 clients at once were answered, right and wrong requests mixed, is what the target says it answered."""
    session = new_session(target, user)
    kinds: list[tuple[str, str, str, Any, str | None]] = [
        ("GET", "/health", "/health", None, None),
        ("GET", "/auth/me", "/auth/me", None, user),
        ("GET", "/auth/me", "/auth/me", None, None),
        ("POST", "/auth/login", "/auth/login", {"username": "user0009", "password": "piswarm"}, None),
        ("POST", "/auth/login", "/auth/login", b"{", None),
        ("POST", "/sessions", "/sessions", SCREEN, user),
        ("POST", f"{session}/chunks", "/sessions/[id]/chunks", bytes(200_000), user),
        ("POST", f"{session}/chunks", "/sessions/[id]/chunks", bytes(1_100_000), user),
        ("GET", "/nope", "unmatched", None, None),
        ("DELETE", "/nodes", "/nodes", None, None),
    ]
    drawn = random.Random(1).choices(kinds, k=400)
    before = target.counts()

    def answer(kind: tuple[str, str, str, Any, str | None]) -> tuple[str, str, int]:
        method, path, route, body, token = kind
        return method, route, target.ask(method, path, body, token).status

    with ThreadPoolExecutor(16) as pool:
        answered = Counter(pool.map(answer, drawn))
    assert Counter(target.counts()) - Counter(before) == answered
    assert {status for _, _, status in answered} == {200, 201, 400, 401, 404, 405, 413}
