"""From bare hosts to a verdict: `piswarm run --inventory` on machines with real systemd, some of which fail in mid-run.

Each test builds on those before. One of the hosts is emulated arm64 where PISWARM_LAB_KINDS says so, which takes about
ten times as long.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, Operator
from hosts import wait_for
from labs import Lab

from master.store import Event, Store

KINDS = os.environ.get("PISWARM_LAB_KINDS", "bookworm-amd64 trixie-amd64 bookworm-amd64 trixie-amd64").split()
WORKERS = 4
USERS = 24
LIMIT_S = 600
ROLL_OUT_S = 75 + 30 * (len(KINDS) - 2) + 180 * sum("arm64" in kind for kind in KINDS)
"""For a deployment to one host after the other, each of which has to be in the run again."""
SCENARIO = {
    "name": "lab",
    "target": "embedded",
    "project": "load",
    "users": {"Visitor": 1},
    "nodes": {"expect": 2, "min": 1, "wait": "5m"},
    "thresholds": ["errors < 1 %", "rate >= 10/s"],
    # The hosts share this machine's cores with each other, with their controller and its target, and may be emulated.
    "validity": {
        "loop_lag_p99": "10 s",
        "node_cpu": "100 %",
        "node_memory": "100 %",
        "worker_cpu": "100 %",
        "controller_cpu": "100 %",
        "clock_error": "5 s",
        "missing_samples": "50 %",
        "excluded_share": "100 %",
    },
}
PROJECT = {
    "locustfile.py": """
import csv, pathlib
from locust import constant, task
from shop.pages import path_of
from worker.http import HttpUser

ROWS = list(csv.reader((pathlib.Path(__file__).parent / "data" / "pages.csv").open()))
assert ROWS == list(csv.reader(open("data/pages.csv")))

class Visitor(HttpUser):
    wait_time = constant(0.5)

    @task
    def page(self):
        from late import LABEL
        self.client.get(path_of(ROWS[0]), name=LABEL)
""",
    "shop/__init__.py": "",
    "shop/pages.py": "from .words import SLASH\n\ndef path_of(row):\n    return SLASH + row[0]\n",
    "shop/words.py": "SLASH = '/'\n",
    "late.py": "LABEL = 'page of a row'\n",
    "data/pages.csv": "health,1\n",
}
"""A Locust project of five files and a CSV, of which nothing is deployed."""
pytestmark = pytest.mark.timeout(1200)


class Run:
    """A run that is on."""

    def __init__(self, operator: Operator, directory: Path, hold: str) -> None:
        self.directory = directory / "run"
        directory.mkdir()
        for name, text in PROJECT.items():
            (directory / "load" / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / "load" / name).write_text(text)
        load = [{"users": USERS, "spawn_rate": 10, "hold": hold}]
        scenario = directory / "scenario.yml"
        scenario.write_text(json.dumps(SCENARIO | {"load": load}))  # JSON is YAML
        where = ["--inventory", str(operator.lab.inventory), "--state", str(operator.state)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "master.cli", "run", str(scenario), "--out", str(self.directory), *where],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []

    def wait_for(self, pattern: str) -> None:
        """Read the run's output until it matches."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError(f"ended without saying {pattern!r}: {''.join(self._said)}")

    def event(self, kind: str, node: str) -> Event:
        """Return an event of a node, once it has happened."""

        def found() -> Event | None:
            store = Store(self.directory / "run.db")
            try:
                events = [event for event in store.events() if (event.kind, event.node) == (kind, node)]
            finally:
                store.close()
            return events[-1] if events else None

        event = wait_for(found, f"{kind} {node}")
        assert event is not None
        return event

    def finish(self) -> tuple[int, dict[str, Any], str]:
        """Wait for the run's end; return its exit status, its result, and its output."""
        rest, _ = self._process.communicate(timeout=LIMIT_S)
        said = "".join(self._said) + rest
        result = self.directory / "result.json"
        return self._process.returncode, json.loads(result.read_text()) if result.exists() else {}, said

    def users(self) -> dict[int, int]:
        """Return how many users there were, by second."""
        store = Store(self.directory / "run.db")
        try:
            return {row.second: row.users for row in store.seconds()}
        finally:
            store.close()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.communicate(timeout=LIMIT_S)


@pytest.fixture(scope="module")
def operator(lab_of: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """An operator of hosts that were bare, and have been enrolled, prepared and deployed to."""
    lab = lab_of(*KINDS)
    lab.write_inventory(piswarm_workers=WORKERS)
    found = Operator(lab, tmp_path_factory.mktemp("operator") / "copy")
    found.done("enroll", "--yes")
    found.done("provision")
    found.done("deploy-workers")
    return found


@pytest.fixture
def run(operator: Operator, tmp_path: Path) -> Any:
    started: list[Run] = []

    def start(hold: str) -> Run:
        started.append(Run(operator, tmp_path / f"{len(started)}", hold))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def test_a_run_from_bare_hosts_to_a_verdict(operator: Operator, run: Callable[[str], Run]) -> None:
    """Every node takes part in a run of a Locust project with all of its workers, and then its agent waits for the next run."""
    status, result, said = run("15s").finish()
    assert status == 0, said
    assert [row["name"] for row in result["endpoints"]] == ["page of a row"]
    assert result["nodes"]["peak"] == len(KINDS)
    assert result["nodes"]["simulated"] is False
    assert result["users"]["peak"] == USERS
    assert result["requests"]["failed"] == 0
    assert result["unreported_workers"] == []
    shown = operator.report("status")
    for host in shown["hosts"].values():
        assert "waits for a run" in json.dumps(host), shown


def test_a_node_that_loses_its_power_and_boots_is_taken_in_again(operator: Operator, run: Callable[[str], Run]) -> None:
    """A node that loses its power loses its users to others, and gets users again when it has booted by itself."""
    started = run("60s")
    started.wait_for("stage 1 of 1, hold")
    host = operator.lab.hosts[1]
    host.power_off()
    lost = started.event("lost", host.name)
    host.power_on()
    returned = started.event("returned", host.name)
    status, result, said = started.finish()
    assert status in (0, 3), said
    assert result["nodes"]["lost"] == 1
    users = started.users()
    assert users[int(lost.offset_s) + 5] == USERS
    assert users[int(returned.offset_s) + 8] == USERS


def test_a_release_that_is_deployed_in_mid_run_waits_until_each_node_is_in_it_again(
    operator: Operator, run: Callable[[str], Run]
) -> None:
    """A release deployed in mid-run is brought to one host after the other, each of which rejoins the run first."""
    operator.change("__init__.py", "\n# another release\n")
    started = run(f"{ROLL_OUT_S}s")
    started.wait_for("stage 1 of 1, hold")
    report = operator.report("deploy-workers", "--batch", "1")
    assert {host["outcome"] for host in report["hosts"].values()} == {"changed"}, report
    for host in operator.report("status")["hosts"].values():
        assert "in run" in json.dumps(host)
    status, result, said = started.finish()
    assert status in (0, 3), said
    assert result["nodes"]["peak"] == len(KINDS)
