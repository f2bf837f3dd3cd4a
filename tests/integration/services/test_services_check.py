"""`piswarm services check` against the real target, PostgreSQL and Redis: as a user would start it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_servers import Postgres, Redis
from free_ports import free_ports
from processes import ROOT, Target
from services_command import check, states

SERVICES = ROOT / "configs" / "services"


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """One for all tests of this file: it is only asked whether it is healthy."""
    with Target() as started:
        yield started


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_all_is_well_with_the_target_on_real_databases(
    monkeypatch: pytest.MonkeyPatch, postgres: Postgres, redis: Redis
) -> None:
    """The target, its sign-in and both servers answer; what has no URL is not used."""
    database = postgres.new_database()
    monkeypatch.setenv("PISWARM_POSTGRESQL_URL", database)
    monkeypatch.setenv("PISWARM_REDIS_URL", redis.new_database())
    with Target(f"--database={database}") as target:
        done = check(SERVICES, "--target", target.url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "✓ auth-service" in done.stdout
        rows = states(check(SERVICES, "--target", target.url, "--json"))
    healthy = {name for name, row in rows.items() if row["state"] == "healthy"}
    assert healthy == {"embedded-target", "auth-service", "database", "sqlite", "postgresql", "redis"}
    assert rows["postgresql"]["detail"] == "accepts connections"
    assert rows["redis"]["detail"] == "answers PING"
    assert rows["tron-payment"]["state"] == "unused"


def test_a_database_that_was_stopped_is_named_with_all_that_depends_on_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: Target
) -> None:
    """The target still answers, and is affected: it would have to do without its database."""
    with Postgres(tmp_path) as server:
        monkeypatch.setenv("PISWARM_POSTGRESQL_URL", server.url)
        assert check(SERVICES, "--target", target.url).returncode == 0
        server.stop()
        done = check(SERVICES, "--target", target.url)
        server.start()
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("unhealthy")]
    assert line.startswith("unhealthy: postgresql: ")
    assert line.endswith("depends on it: embedded-target, sqlite, database, auth-service")


def test_a_database_that_is_not_there_is_unhealthy_on_a_server_that_is(
    monkeypatch: pytest.MonkeyPatch, postgres: Postgres, target: Target
) -> None:
    """A connection alone would not show it."""
    monkeypatch.setenv("PISWARM_POSTGRESQL_URL", postgres.url.replace("/postgres", "/nowhere"))
    done = check(SERVICES, "--target", target.url, "--json")
    assert done.returncode == 1
    assert '"nowhere" does not exist' in states(done)["postgresql"]["detail"]


def test_services_that_never_answer_are_given_up_at_their_deadlines(
    monkeypatch: pytest.MonkeyPatch, target: Target, silent: int
) -> None:
    """Whatever they are asked by, all at once; the others are told of all the same."""
    given = {"POSTGRESQL": "postgresql", "REDIS": "redis", "ELASTICSEARCH": "https", "TRON": "http"}
    for name, scheme in given.items():
        monkeypatch.setenv(f"PISWARM_{name}_URL", f"{scheme}://127.0.0.1:{silent}")
    done = check(SERVICES, "--target", target.url, "--json")
    assert done.returncode == 1
    rows = states(done)
    for name in ("postgresql", "redis", "elasticsearch"):
        assert "no answer within 500 ms" in rows[name]["detail"]
    assert "no answer within 1 s" in rows["tron-payment"]["detail"]
    assert rows["mongodb"]["state"] == "unused"
    assert rows["auth-service"]["state"] == "affected"
    assert rows["auth-service"]["because"] == ["postgresql", "redis", "elasticsearch"]


def test_an_external_database_is_reached_by_its_port(
    monkeypatch: pytest.MonkeyPatch, target: Target, silent: int
) -> None:
    """Of MongoDB no more is asked than whether it accepts connections."""
    monkeypatch.setenv("PISWARM_MONGODB_URL", f"mongodb://127.0.0.1:{silent}")
    assert states(check(SERVICES, "--target", target.url, "--json"))["mongodb"]["state"] == "healthy"
    monkeypatch.setenv("PISWARM_MONGODB_URL", f"mongodb://127.0.0.1:{free_ports()}")
    assert "refused" in states(check(SERVICES, "--target", target.url, "--json"))["mongodb"]["detail"]


def test_files_with_faults_are_refused_and_nothing_is_asked(tmp_path: Path, silent: int) -> None:
    """The faults come in one message, by file and line."""
    (tmp_path / "a.yml").write_text(f"kind: gateway\nendpoint: {{url: 'tcp://127.0.0.1:{silent}'}}\ndepends_on: [b]\n")
    (tmp_path / "b.yml").write_text("kind: gateway\ndepends_on: [a]\nlimit: {}\n")
    done = check(tmp_path)
    assert done.returncode == 2
    assert "b.yml:3: limit: unknown key; did you mean 'limits'?" in done.stderr
    (tmp_path / "b.yml").write_text("kind: gateway\ndepends_on: [a]\n")
    done = check(tmp_path)
    assert done.returncode == 2
    assert "a → b → a" in done.stderr
    assert not done.stdout
