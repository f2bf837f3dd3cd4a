"""Nodes get drivers of databases, and OpenTelemetry, only for scenarios that need them."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.deploy.drivers import LOCK_FILE, LOCK_FILE_WITH_DRIVERS, LOCK_FILE_WITH_TRACING, lock_file_for
from master.errors import InputError
from worker.load.locustfile.catalogue import user_classes
from worker.users.database.drivers import DRIVERS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "lock_file"),
    [
        ("swarm", LOCK_FILE),
        ("streamgate-spike", LOCK_FILE),
        ("database-scaling", LOCK_FILE),
        ("database-postgresql", LOCK_FILE_WITH_DRIVERS),
    ],
)
def test_the_lock_file_is_that_of_the_scenarios_users(name: str, lock_file: str) -> None:
    """SQLite comes with Python."""
    assert lock_file_for(ROOT / "configs" / "scenarios" / f"{name}.yml") == lock_file


@pytest.mark.parametrize("user", ["HealthUser", "PostgresUser"])
def test_a_scenario_with_tracing_brings_opentelemetry(tmp_path: Path, user: str) -> None:
    """And drivers, whether its users need them or not."""
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(f"users: {{{user}: 1}}\ntracing: {{endpoint: http://127.0.0.1:4318}}\n")
    assert lock_file_for(scenario) == LOCK_FILE_WITH_TRACING


def test_without_a_scenario_there_are_no_drivers() -> None:
    assert lock_file_for(None) == LOCK_FILE


@pytest.mark.parametrize(
    ("imported", "lock_file"),
    [
        ("worker.users.database.postgres import PostgresUser", LOCK_FILE_WITH_DRIVERS),
        ("worker.http import HttpUser", LOCK_FILE),
    ],
)
def test_a_locustfile_needs_drivers_where_it_imports_such_users(tmp_path: Path, imported: str, lock_file: str) -> None:
    (tmp_path / "own.py").write_text(f"from {imported}\n")
    scenario = tmp_path / "scenario.yml"
    scenario.write_text("locustfile: own.py\nusers: {Own: 1}\n")
    assert lock_file_for(scenario) == lock_file


@pytest.mark.parametrize("text", ["", "[]", "users: 3", "users: {A: 1}\nlocustfile: none.py"])
def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path, text: str) -> None:
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(text)
    with pytest.raises(InputError):
        lock_file_for(scenario)


def test_the_classes_need_the_drivers_that_are_listed() -> None:
    """And no class needs one that is not."""
    classes = user_classes()
    assert {name: each.drivers for name, each in classes.items() if getattr(each, "drivers", ())} == DRIVERS
