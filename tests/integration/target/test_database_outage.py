"""A server of databases that goes away while the target runs, and comes back."""

from __future__ import annotations

import time
from pathlib import Path

from database_servers import Postgres, Redis
from processes import Reply, Target

SIGN_IN = {"username": "user0001", "password": "piswarm"}


def sign_in(target: Target) -> Reply:
    return target.ask("POST", "/auth/login", SIGN_IN)


def wait_for_sign_in(target: Target) -> None:
    """Wait until the target has noticed that the server is back."""
    deadline_s = time.monotonic() + 60
    while (reply := sign_in(target)).status != 200:
        assert reply.status == 503
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_without_postgresql_requests_are_told_to_come_later(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server, Target(f"--database={server.url}") as target:
        token = target.sign_in("user0001")
        server.stop()
        for reply in (sign_in(target), target.ask("GET", "/nodes", token=token)):
            assert (reply.status, reply.json["error"]["code"]) == (503, "unavailable")
        assert target.ask("GET", "/health").status == 200
        server.start()
        wait_for_sign_in(target)
        assert target.ask("GET", "/nodes", token=token).status == 200


def test_without_redis_nobody_signs_in_and_who_is_signed_in_goes_on() -> None:
    with Redis() as server, Target(f"--redis={server.url}") as target:
        token = target.sign_in("user0001")
        server.stop()
        assert (sign_in(target).status, sign_in(target).json["error"]["code"]) == (503, "unavailable")
        assert target.ask("GET", "/nodes", token=token).status == 200
        server.start()
        wait_for_sign_in(target)
