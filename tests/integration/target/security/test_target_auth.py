"""Tokens, lock-out, accounts and the audit log over HTTP: with SQLite, with PostgreSQL, and with Redis beside SQLite."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from processes import Reply, Target


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "redis"])
def options(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two targets with these options, one after the other, are one to their users."""
    if request.param == "postgresql":
        return [f"--database={request.getfixturevalue('postgres').new_database()}"]
    file = f"--database={tmp_path_factory.mktemp('target') / 'target.db'}"
    return [file] if request.param == "sqlite" else [file, f"--redis={request.getfixturevalue('redis').new_database()}"]


@pytest.fixture(scope="module")
def target(options: list[str]) -> Iterator[Target]:
    with Target(*options, "--lockout-failures=3", "--lockout=600") as started:
        yield started


def sign_in(target: Target, name: str, password: str = "piswarm") -> Reply:
    return target.ask("POST", "/auth/login", {"username": name, "password": password})


def refresh(target: Target, token: str) -> Reply:
    return target.ask("POST", "/auth/refresh", {"refresh_token": token})


def me(target: Target, token: str) -> int:
    return target.ask("GET", "/auth/me", token=token).status


def audit_of(target: Target, admin: str, account: str) -> list[tuple[str, str, int]]:
    entries = target.ask("GET", f"/admin/audit?account={account}", token=admin).json["entries"]
    return [(entry["endpoint"], entry["path"], entry["status"]) for entry in entries]


def test_a_refresh_token_gives_a_new_pair_once(target: Target) -> None:
    first = sign_in(target, "user0001").json
    second = refresh(target, first["refresh_token"])
    assert (second.status, second.json["role"]) == (200, "user")
    assert me(target, second.json["token"]) == 200
    assert me(target, first["token"]) == 200
    assert refresh(target, first["refresh_token"]).status == 401
    assert me(target, second.json["token"]) == 401
    assert refresh(target, second.json["refresh_token"]).status == 401


def test_who_signs_out_is_signed_out_there_alone(target: Target) -> None:
    here, there = sign_in(target, "user0002").json, sign_in(target, "user0002").json
    left = target.ask("POST", "/auth/logout", token=here["token"])
    assert (left.status, left.body) == (204, b"")
    assert me(target, here["token"]) == 401
    assert refresh(target, here["refresh_token"]).status == 401
    assert me(target, there["token"]) == 200
    assert target.ask("POST", "/auth/logout", token=here["token"]).status == 401


@pytest.mark.parametrize("kind", ["", "x", "a.b.c", "x" * 1024, "x" * 1025, "access", None, 7])
def test_what_is_no_refresh_token_is_refused(target: Target, kind: Any) -> None:
    token = target.sign_in("user0001") if kind == "access" else kind
    assert refresh(target, token).status == (422 if kind in {"", None, 7, "x" * 1025} else 401)


def test_a_name_is_locked_whether_it_has_an_account_or_not(target: Target, admin: str) -> None:
    for name in ("user0003", "nobody"):
        replies = [sign_in(target, name, "wrong") for _ in range(4)] + [sign_in(target, name)]
        assert [reply.status for reply in replies] == [401, 401, 401, 429, 429]
        assert 0 < int(replies[-1].headers["retry-after"]) <= 600
        assert replies[-1].json["error"]["code"] == "too_many_requests"
        assert audit_of(target, admin, name) == [
            ("POST /auth/login", "/auth/login", status) for status in (429, 429, 401, 401, 401)
        ]
    info = target.ask("GET", "/admin/accounts/user0003", token=admin).json
    assert (info["locked"], info["refused_for_s"] > 0) == (False, True)
    assert target.ask("POST", "/admin/accounts/user0003/unlock", token=admin).status == 200
    assert sign_in(target, "user0003").status == 200


def test_an_administrator_locks_an_account(target: Target, admin: str) -> None:
    tokens = sign_in(target, "user0004").json
    locked = target.ask("POST", "/admin/accounts/user0004/lock", token=admin)
    assert (locked.status, locked.json["locked"]) == (200, True)
    assert me(target, tokens["token"]) == 401
    assert refresh(target, tokens["refresh_token"]).status == 401
    assert sign_in(target, "user0004").status == 403
    assert target.ask("POST", "/admin/accounts/user0004/unlock", token=admin).json["locked"] is False
    assert sign_in(target, "user0004").status == 200
    assert me(target, tokens["token"]) == 401
    assert audit_of(target, admin, "admin01")[:2] == [
        (f"POST /admin/accounts/[name]/{what}", f"/admin/accounts/user0004/{what}", 200) for what in ("unlock", "lock")
    ]


def test_an_administrator_gives_an_account_another_role(target: Target, admin: str) -> None:
    old = target.sign_in("user0005")
    assert target.ask("GET", "/admin/accounts", token=old).status == 403
    assert target.ask("PUT", "/admin/accounts/user0005/role", {"role": "admin"}, admin).json["role"] == "admin"
    assert me(target, old) == 401
    assert target.ask("GET", "/admin/accounts", token=target.sign_in("user0005")).status == 200
    assert audit_of(target, admin, "user0005") == [("GET /admin/accounts", "/admin/accounts", 403)]


def test_accounts_come_in_pages(target: Target, admin: str) -> None:
    first = target.ask("GET", "/admin/accounts?limit=2", token=admin).json
    assert [account["name"] for account in first["accounts"]] == ["admin01", "admin02"]
    second = target.ask("GET", f"/admin/accounts?limit=1&after={first['next']}", token=admin).json
    assert second["accounts"] == [{"name": "admin03", "role": "admin", "locked": False}]
    assert target.ask("GET", "/admin/accounts?after=z", token=admin).json == {"accounts": [], "next": None}


def test_the_audit_log_comes_in_pages(target: Target, admin: str) -> None:
    for _ in range(3):
        assert target.ask("GET", "/admin/audit", token=target.sign_in("user0006")).status == 403
    first = target.ask("GET", "/admin/audit?account=user0006&limit=2", token=admin).json
    rest = target.ask("GET", f"/admin/audit?account=user0006&limit=2&before={first['next']}", token=admin).json
    assert [len(first["entries"]), len(rest["entries"]), rest["next"]] == [2, 1, None]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (("POST", "/admin/accounts/nobody/lock", None), 404),
        (("POST", "/admin/accounts/admin01/lock", None), 409),
        (("PUT", "/admin/accounts/admin01/role", {"role": "user"}), 409),
        (("PUT", "/admin/accounts/user0007/role", {"role": "root"}), 422),
        (("PUT", "/admin/accounts/user0007/role", {}), 422),
        (("GET", "/admin/accounts/' OR 1=1", None), 404),
        (("GET", "/admin/audit?account=%27;DROP%20TABLE%20audit", None), 200),
        (("GET", "/admin/audit?before=0", None), 422),
        (("GET", "/admin/statistics?max_age_s=nan", None), 422),
        (("GET", "/admin/statistics?max_age_s=61", None), 422),
    ],
)
def test_what_administrators_ask_is_validated(
    target: Target, admin: str, sent: tuple[str, str, Any], status: int
) -> None:
    """What is sent: method, path, body."""
    method, path, body = sent
    assert target.ask(method, path.replace(" ", "%20"), body, admin).status == status


def test_statistics_are_as_fresh_as_is_asked_for(target: Target, admin: str) -> None:
    first = target.ask("GET", "/admin/statistics", token=admin).json
    assert first["as_of"] > 0
    assert target.ask("GET", "/admin/statistics?max_age_s=60", token=admin).json == first
    assert target.ask("GET", "/admin/statistics", token=admin).json["as_of"] > first["as_of"]


def test_sign_ins_are_counted_by_outcome(target: Target, admin: str) -> None:
    def counted() -> tuple[dict[str, int], str]:
        statistics = target.ask("GET", "/admin/statistics", token=admin).json
        return statistics["auth"], target.ask("GET", "/metrics").body.decode()

    before, _ = counted()
    statuses = [sign_in(target, "user0011", password).status for password in ["wrong"] * 4 + ["piswarm"]]
    assert statuses == [401, 401, 401, 429, 429]
    refresh(target, sign_in(target, "user0012").json["refresh_token"])
    after, metrics = counted()
    grown = {name: after[name] - before[name] for name in after}
    assert {name: grown[name] for name in ("sign_ins", "failed_sign_ins", "locked_out_sign_ins", "refreshes")} == {
        "sign_ins": 1,
        "failed_sign_ins": 3,
        "locked_out_sign_ins": 2,
        "refreshes": 1,
    }
    assert f'target_auth_sign_ins{{outcome="ok"}} {after["sign_ins"]}.0' in metrics


def test_a_target_that_was_killed_signs_nobody_out(options: list[str], target: Target) -> None:
    """What it had acknowledged is there: tokens, a token that was given back, a locked account, the audit log."""
    kept, given_back = sign_in(target, "user0008").json, sign_in(target, "user0009").json
    assert target.ask("POST", "/auth/logout", token=given_back["token"]).status == 204
    assert target.ask("POST", "/admin/accounts/user0010/lock", token=target.sign_in("admin02")).status == 200
    target.kill()
    with Target(*options) as next_one:
        assert me(next_one, kept["token"]) == 200
        assert refresh(next_one, kept["refresh_token"]).status == 200
        assert me(next_one, given_back["token"]) == 401
        assert refresh(next_one, given_back["refresh_token"]).status == 401
        assert sign_in(next_one, "user0010").status == 403
        entries = audit_of(next_one, next_one.sign_in("admin01"), "admin02")
        assert entries == [("POST /admin/accounts/[name]/lock", "/admin/accounts/user0010/lock", 200)]


@pytest.mark.parametrize("place", ["sqlite", "postgresql"])
def test_each_sign_in_that_was_answered_before_a_kill_is_good_afterwards(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Killed while eight clients sign in, refresh their tokens and sign out."""
    where = str(tmp_path / "target.db") if place == "sqlite" else request.getfixturevalue("postgres").new_database()
    good: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    enough = threading.Event()

    def client(number: int) -> None:
        with suppress(OSError, http.client.HTTPException):
            for turn in itertools.count():
                tokens = sign_in(target, f"user{number:04d}").json
                if turn % 2:
                    assert target.ask("POST", "/auth/logout", token=tokens["token"]).status == 204
                    ended.append(tokens)
                else:
                    good.append(refresh(target, tokens["refresh_token"]).json)
                if len(good) > 100:
                    enough.set()

    with Target(f"--database={where}") as target, ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, number) for number in range(1, 9)]
        assert enough.wait(60)
        target.kill()
        for each in clients:
            each.result()
    with Target(f"--database={where}") as target:
        assert {me(target, tokens["token"]) for tokens in good} == {200}
        assert {refresh(target, tokens["refresh_token"]).status for tokens in good} == {200}
        assert {me(target, tokens["token"]) for tokens in ended} == {401}
        assert {refresh(target, tokens["refresh_token"]).status for tokens in ended} == {401}


def test_with_another_password_the_former_one_is_refused(tmp_path: Path) -> None:
    file = f"--database={tmp_path / 'target.db'}"
    with Target(file) as target:
        assert sign_in(target, "user0001").status == 200
    with Target(file, PISWARM_TARGET_PASSWORD="another") as target:
        assert sign_in(target, "user0001").status == 401
        assert sign_in(target, "user0001", "another").status == 200
