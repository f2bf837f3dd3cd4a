"""Users of databases at work on real ones: every statement is counted, nothing is lost, and a failure ends no user."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from database_servers import Postgres, Redis
from locust_swarm import Seen, Swarm

from worker.users.database import workload

LOCKING = """
import sys, time, psycopg
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("LOCK TABLE piswarm_sessions IN SHARE ROW EXCLUSIVE MODE")
    print("locked", flush=True)
    time.sleep(2)
"""
STATEMENTS = {"connect", "connection", "lookup", "query", "begin", "update", "commit", "transaction"}
UNTOUCHED = (workload.ROWS, workload.ROWS * workload.BYTES_EACH)

DatabaseSwarm = Callable[[str, str, int, float], Seen]


@pytest.fixture(scope="module")
def database_swarm(swarm: Swarm) -> DatabaseSwarm:
    """A function that runs a user class on a URL, with so many users for so many seconds, and returns what a Locust run saw."""
    return lambda user, url, users, seconds: swarm(url, users, seconds, [user], spawn_rate=1000)


@pytest.fixture(scope="module")
def database_url(postgres: Postgres) -> str:
    """A database of PostgreSQL for this module alone."""
    return postgres.new_database()


def counts(seen: Seen, protocol: str) -> dict[str, int]:
    assert {method for method, _, _ in seen["counts"]} == {protocol}
    return {name: count for _, name, count in seen["counts"]}


def assert_consistent(found: dict[str, int], users: int) -> None:
    """Assert that every step took one connection, and every transaction its four statements."""
    assert set(found) == STATEMENTS
    assert found["connect"] == users
    assert found["begin"] == found["commit"] == found["transaction"] == found["update"] / 2
    assert found["connection"] == found["lookup"] + found["query"] + found["transaction"]


def test_sqlite_users_share_a_file_that_keeps_every_transaction(database_swarm: DatabaseSwarm, tmp_path: Path) -> None:
    seen = database_swarm("SqliteUser", f"sqlite://{tmp_path}/shared.db", 20, 2)
    assert seen["errors"] == seen["raised"] == []
    assert seen["pools"] == [20]
    assert_consistent(counts(seen, "SQL"), 20)
    with sqlite3.connect(tmp_path / "shared.db") as connection:
        assert connection.execute(workload.SUM).fetchone() == UNTOUCHED


def test_sqlite_users_without_a_file_have_one_of_their_own_which_goes_with_them(database_swarm: DatabaseSwarm) -> None:
    before = set(Path("/tmp").glob("piswarm-sqlite-*"))
    seen = database_swarm("SqliteUser", "sqlite:", 100, 1)
    assert seen["errors"] == seen["raised"] == []
    assert seen["pools"] == [64]  # the pool's size: the users take turns
    assert_consistent(counts(seen, "SQL"), 100)
    # Others may have folders there, too, and remove theirs when they end.
    left, deadline_s = set(Path("/tmp").glob("piswarm-sqlite-*")) - before, time.monotonic() + 60
    while any(folder.exists() for folder in left):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.1)


def test_a_file_that_can_not_be_made_is_a_failure_of_each_user_which_goes_on_trying(
    database_swarm: DatabaseSwarm,
) -> None:
    seen = database_swarm("SqliteUser", "sqlite:///no/such/folder/x.db", 4, 0.5)
    assert seen["raised"] == []
    assert seen["alive"] == 4
    assert seen["errors"] == [["SQL", "connect", "OperationalError: unable to open database file"]]
    assert counts(seen, "SQL")["connect"] > 8


def test_wrong_rows_are_failures(database_swarm: DatabaseSwarm, tmp_path: Path) -> None:
    database_swarm("SqliteUser", f"sqlite://{tmp_path}/shared.db", 1, 0.1)
    with sqlite3.connect(tmp_path / "shared.db") as connection:
        connection.execute("UPDATE piswarm_sessions SET owner = 'another'")
    seen = database_swarm("SqliteUser", f"sqlite://{tmp_path}/shared.db", 4, 0.5)
    assert seen["raised"] == []
    assert {(name, message) for _, name, message in seen["errors"]} == {
        ("lookup", "WrongRowsError: lookup"),
        ("query", "WrongRowsError: query"),
    }


def test_postgresql_keeps_every_transaction_of_more_users_than_the_pool_has_connections(
    database_swarm: DatabaseSwarm, database_url: str
) -> None:
    seen = database_swarm("PostgresUser", database_url, 100, 3)
    assert seen["errors"] == seen["raised"] == []
    assert_consistent(counts(seen, "SQL"), 100)
    with psycopg.connect(database_url) as connection:
        assert connection.execute(workload.SUM).fetchone() == UNTOUCHED
        moved = connection.execute(
            "SELECT count(*) FROM piswarm_sessions WHERE raw_bytes <> %s", (workload.BYTES_EACH,)
        )
        assert moved.fetchone()[0] > 0


def test_statements_that_wait_hold_up_nobody_else_of_their_process(
    database_swarm: DatabaseSwarm, database_url: str
) -> None:
    """While a lock keeps all updates waiting for the whole run, reads go on in the same event loop."""
    database_swarm("PostgresUser", database_url, 1, 0.1)
    with subprocess.Popen([sys.executable, "-c", LOCKING, database_url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        seen = database_swarm("PostgresUser", database_url, 40, 1)
    found = counts(seen, "SQL")
    assert seen["errors"] == seen["raised"] == []
    assert found["begin"] >= 8
    assert found["lookup"] > 8


def test_a_server_that_is_not_there_ends_no_user(swarm: Swarm) -> None:
    """Users of a server that is not there fail and go on; its port is bound and not listened on, so that no other
    program answers.
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        for user, url, protocol in (
            ("PostgresUser", f"postgresql://piswarm@{address}/postgres", "SQL"),
            ("RedisUser", f"redis://{address}", "REDIS"),
        ):
            seen = swarm(url, 4, 0.5, [user], spawn_rate=1000, requests=9)
            assert seen["raised"] == []
            assert seen["alive"] == 4
            assert {(method, name) for method, name, _ in seen["errors"]} == {(protocol, "connect")}
            assert counts(seen, protocol)["connect"] > 8


def test_redis_users_read_what_they_keep(database_swarm: DatabaseSwarm) -> None:
    with Redis() as server:
        seen = database_swarm("RedisUser", server.url, 20, 1)
        with redis.Redis.from_url(server.url) as client:
            counted = sum(int(client.get(key)) for key in client.scan_iter("piswarm:count:*", count=1000))
            unlimited = [key for key in client.scan_iter("piswarm:*", count=1000) if client.ttl(key) < 0]
    assert seen["errors"] == seen["raised"] == []
    found = counts(seen, "REDIS")
    assert set(found) == {"connect", "GET", "SET", "transaction"}
    assert found["GET"] == found["SET"]
    assert counted == found["transaction"]
    assert unlimited == []


def test_mongodb_users_do_everything_without_a_failure(database_swarm: DatabaseSwarm) -> None:
    """MongoDB users do everything without a failure, at the server of PISWARM_TEST_MONGODB, since Debian has none to install."""
    url = os.environ.get("PISWARM_TEST_MONGODB")
    if not url:
        pytest.skip("no MongoDB: set PISWARM_TEST_MONGODB=mongodb://host:port/database")
    seen = database_swarm("MongoUser", url, 20, 2)
    assert seen["errors"] == seen["raised"] == []
    assert set(counts(seen, "MONGO")) == {"connect", "lookup", "query", "update"}
