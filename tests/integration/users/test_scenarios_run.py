"""Scenarios that come with piswarm, at work though small: every request succeeds, and no user's code raises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from database_servers import Postgres
from processes import ROOT, Finished, Piswarm, Target

from worker.users.database import workload

SCENARIOS = ROOT / "configs" / "scenarios"
SMALL = ("--local", "2", "--users", "24", "--duration", "9s")


@pytest.fixture(scope="module")
def database_url(postgres: Postgres) -> str:
    """A database of PostgreSQL for this module alone."""
    return postgres.new_database()


def endpoints(finished: Finished) -> set[tuple[str, str]]:
    """All that was asked; the run must have come to a verdict, whatever this machine was busy with, and nothing have failed."""
    assert finished.status in {0, 1, 3}, finished.output
    result = finished.result
    assert (result["requests"]["failed"], result["exceptions"]) == (0, []), finished.output
    return {(each["method"], each["name"]) for each in result["endpoints"]}


def test_users_of_the_platform_do_everything_without_a_failure(piswarm: Piswarm) -> None:
    """All classes of them at once."""
    found = endpoints(piswarm.run(SCENARIOS / "mixed.yml", *SMALL))
    assert {("POST", "/sessions/[id]/chunks"), ("POST", "/chain/transactions"), ("GET", "/health")} <= found


@pytest.mark.parametrize("name", ["streamgate-sustained", "streamgate-spike"])
def test_streamgates_users_serve_arrivals_without_a_failure(piswarm: Piswarm, name: str) -> None:
    """By chance and in a spike; each arrival that was due is accounted for."""
    small = ("--local", "2", "--max-users", "24", "--rate", "60/s", "--duration", "20s")
    finished = piswarm.run(SCENARIOS / f"{name}.yml", *small)
    assert {("GET", "/media/[id]"), ("GET", "/media/[id]/content")} <= endpoints(finished)
    load = finished.result["load"]
    assert load["model"] == "open"
    assert load["offered"] == load["started"] + load["missed"]["total"]


def test_a_database_is_scaled_without_any_server(piswarm: Piswarm) -> None:
    found = endpoints(piswarm.run(SCENARIOS / "database-scaling.yml", *SMALL))
    assert {("SQL", name) for name in ("connection", "lookup", "query", "transaction")} <= found


def test_postgresql_is_loaded_over_the_wire_and_keeps_every_transaction(piswarm: Piswarm, database_url: str) -> None:
    """By nodes that have joined at the same time, each of which finds or makes the table."""
    found = endpoints(piswarm.run(SCENARIOS / "database-postgresql.yml", *SMALL, "--target", database_url))
    assert {("SQL", name) for name in ("connection", "lookup", "query", "transaction")} <= found
    with psycopg.connect(database_url) as connection:
        total = connection.execute(workload.SUM).fetchone()
    assert total == (workload.ROWS, workload.ROWS * workload.BYTES_EACH)


def test_a_database_that_is_not_there_aborts_the_run(piswarm: Piswarm) -> None:
    finished = piswarm.run(SCENARIOS / "database-postgresql.yml", *SMALL, "--target", "postgresql://127.0.0.1:1/x")
    assert finished.status == 4
    assert "the target postgresql://127.0.0.1:1/x can't be reached" in finished.output


def test_the_performance_locustfile_runs_by_locusts_own_command(tmp_path: Path) -> None:
    """With the report that Locust makes of it."""
    with Target() as target:
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", str(ROOT / "tests/performance/locustfile.py"), "--headless"),
                *(f"--host={target.url}", "--users=20", "--spawn-rate=10", "--run-time=5s"),
                *(f"--html={tmp_path / 'report.html'}", f"--csv={tmp_path / 'figures'}", "--stop-timeout=10"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PISWARM_TARGET_PASSWORD": "piswarm"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert finished.returncode == 0, finished.stderr
    assert "POST" in (tmp_path / "figures_stats.csv").read_text()
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_performance_scenario_runs_the_same_users(piswarm: Piswarm) -> None:
    """Those of the locustfile, by piswarm."""
    finished = piswarm.run(ROOT / "tests" / "performance" / "scenario.yml", *SMALL)
    assert ("GET", "/health") in endpoints(finished)
    assert "locustfile.py" in json.dumps((finished.directory / "scenario.yml").read_text())
