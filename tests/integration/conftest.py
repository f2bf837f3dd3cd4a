"""Fixtures of the integration tests: the real command, the real target, a server whose every byte a test gives, and a CA."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from database_servers import Postgres, Redis
from forked_commands import ForkedCommands
from http_server import Server, Visitor, reply
from locust_swarm import Swarm, running_swarm
from processes import Piswarm, Target


@pytest.fixture
def piswarm(tmp_path: Path) -> Iterator[Piswarm]:
    started = Piswarm(tmp_path)
    yield started
    started.close()


@pytest.fixture(scope="session")
def commands() -> Iterator[ForkedCommands]:
    """Commands without their imports, for tests of what they say."""
    with ForkedCommands() as started:
        yield started


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as started:
        yield started


@pytest.fixture(scope="module")
def swarm() -> Iterator[Swarm]:
    """A process in which piswarm's own users run."""
    yield from running_swarm()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        started.on("/", reply("hello"))
        yield started


@pytest.fixture
def user(server: Server) -> Visitor:
    return server.visitor()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Not in pytest's own folder: each further pytest that is started makes that one unreadable for the server's account again.
    with tempfile.TemporaryDirectory(prefix="piswarm-postgres-") as folder, Postgres(Path(folder)) as started:
        yield started


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with Redis() as started:
        yield started


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_options(request: pytest.FixtureRequest) -> list[str]:
    """The target's command-line options for a database of the module's own: each test runs with SQLite and with PostgreSQL."""
    if request.param == "sqlite":
        return []
    server: Postgres = request.getfixturevalue("postgres")
    return [f"--database={server.new_database()}"]


@pytest.fixture
def own_database_options(request: pytest.FixtureRequest, database_options: list[str]) -> list[str]:
    """The same kind of database as `database_options`, for a further target of one test alone."""
    if not database_options:
        return []
    server: Postgres = request.getfixturevalue("postgres")
    return [f"--database={server.new_database()}"]
