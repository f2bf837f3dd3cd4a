"""Data rows through the command: each row once in the whole fleet, whatever is killed; in turn, at random, and to their end.

ROWS_NODES=500 makes the first test the proof with a whole fleet (`make rows`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Finished, Piswarm, Started
from row_server import RowServer
from run_events import events, wait_for_event
from standing_fleet import StandingFleet

NODES = int(os.environ.get("ROWS_NODES", "12"))
SHARE = 2 if NODES < 100 else 1
"""Rows that a user takes per second."""
LOCUSTFILE = """
from locust import constant, task
from worker.data import rows
from worker.http import HttpUser

accounts = rows("accounts")

class Visitor(HttpUser):
    wait_time = constant(WAIT_S)

    def on_start(self):
        self.visit(accounts.take())

    @task
    def page(self):
        self.visit(accounts.take())

    def visit(self, account):
        self.client.get(f"/as/{account['user']}", name="/as")
"""
VALIDITY = dict.fromkeys(
    ("controller_cpu", "node_cpu", "worker_cpu", "excluded_share", "latency_error", "missing_samples", "node_memory"),
    "100 %",
) | {"loop_lag_p99": "20 s", "clock_error": "10 s", "users": "0 %"}


@pytest.fixture
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RowServer]:
    with RowServer(tmp_path_factory.mktemp("server") / "rows.log") as started:
        yield started


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingFleet]:
    with StandingFleet(tmp_path_factory.mktemp("fleet"), 2, {"pi1": {"piswarm_workers": 2}}) as started:
        yield started


def write_accounts(folder: Path, count: int, name: str = "accounts.csv") -> None:
    lines = (f"user{number:07},secret{number:07}\n" for number in range(count))
    (folder / name).write_text("user,password\n" + "".join(lines))


def start(piswarm: Piswarm, server: RowServer, locustfile: str, *options: str, **changes: Any) -> Started:
    scenario = piswarm.scenario(
        **{
            "locustfile": "own.py",
            "validity": VALIDITY,
            "thresholds": ["errors <= 100 %", "exceptions <= 1000"],
            **changes,
        }
    )
    (scenario.parent / "own.py").write_text(locustfile)
    return piswarm.start(scenario, "--target", server.url, *options)


def wait_for_rows(server: RowServer, count: int, timeout_s: float = 120) -> None:
    """Wait until the server has seen so many rows."""
    until_s = time.monotonic() + timeout_s
    while len(server.seen("/as/")) < count:
        assert time.monotonic() < until_s, f"only {len(server.seen('/as/'))} of {count} rows"
        time.sleep(0.2)


def data_of(finished: Finished, name: str = "accounts") -> dict[str, Any]:
    assert finished.status in (0, 1, 3), finished.output
    return next(table for table in finished.result["data"] if table["name"] == name)


def test_no_row_is_seen_twice_when_racks_and_the_controller_are_killed(
    piswarm: Piswarm, rows: RowServer, tmp_path: Path
) -> None:
    """Half of the nodes are killed in mid-run, then the controller, and another one goes on: the target sees each row once."""
    users, held_s = 2 * NODES, 10 if NODES < 100 else 45
    count = 1_000_000 if NODES >= 100 else 20_000
    write_accounts(tmp_path, count)
    started = start(
        piswarm,
        rows,
        LOCUSTFILE.replace("WAIT_S", str(1 / SHARE)),
        load=[{"users": users, "spawn_rate": users / 2, "hold": f"{held_s}s"}],
        nodes={"expect": NODES, "min": 1},
        data={"accounts": {"file": "accounts.csv", "use": "unique"}},
    )
    started.wait_for("stage 1 of 1, hold")
    wait_for_rows(rows, 2 * users)
    racks = [child for child in started.family()[0].children() if "worker.simulation.rack" in child.cmdline()]
    racks[0].kill()
    wait_for_event(started.directory, "lost", "sim001" if NODES < 1000 else "sim0001", timeout_s=60)
    wait_for_rows(rows, len(rows.seen("/as/")) + users)
    started.process.kill()
    started.process.communicate()
    finished = piswarm.resume(started.directory, timeout_s=300)

    seen, data = rows.seen("/as/"), data_of(finished)
    assert [name for name, times in seen.items() if times > 1] == []
    assert len(seen) > 4 * users
    assert 0 < data["unsure"] < 40 * users
    # What users took and is not seen, their last stop or kill came between.
    assert len(seen) - data["unsure"] <= data["used"] <= len(seen) + users
    assert "secret" not in "".join(log.read_text() for log in (started.directory / "logs").iterdir())
    said = f"{NODES} nodes, {len(racks)} racks: {len(seen)} rows seen, each once; {data}"
    print(said)  # noqa: T201  # the proof, for who asks for it


OPEN_LOCUSTFILE = """
from locust import task
from worker.data import rows
from worker.http import HttpUser

class Visitor(HttpUser):
    def on_start(self):
        self.start = rows("starts").take()

    @task
    def page(self):
        self.client.get(f"/as/{rows('accounts').take()['user']}", name="/as")
        self.client.get(f"/turn/{rows('turns').take()['id']}", name="/turn")
        self.client.get(f"/draw/{rows('draws').take()['user']}", name="/draw")
"""


def test_rows_of_nodes_that_freeze_return_or_lose_a_worker_in_the_open_model(
    piswarm: Piswarm, rows: RowServer, tmp_path: Path
) -> None:
    """In processes of their own nodes stand still and return, and workers are killed: unique rows are seen once, those in turn evenly.

    The run ends in order when all rows are used.
    """
    count, turns = 400, 7
    write_accounts(tmp_path, count)
    write_accounts(tmp_path, 20_000, "draws.csv")
    (tmp_path / "turns.jsonl").write_text("".join(json.dumps({"id": number}) + "\n" for number in range(turns)))
    started = start(
        piswarm,
        rows,
        OPEN_LOCUSTFILE,
        "--separate",
        load=[{"rate": "40/s", "ramp": "1s", "hold": "90s", "max_users": 12}],
        nodes={"expect": 3, "min": 1},
        data={
            "accounts": {"file": "accounts.csv", "use": "unique", "at_end": "stop_run"},
            "starts": {"file": "accounts.csv", "use": "unique"},
            "turns": {"file": "turns.jsonl", "use": "cycle"},
            "draws": {"file": "draws.csv", "use": "random"},
        },
    )
    started.wait_for("stage 1 of 1, hold")
    agents = [child for child in started.family()[0].children() if "worker.simulation.node" in child.cmdline()]
    nodes = [[agent, *agent.children()] for agent in sorted(agents, key=lambda agent: agent.pid)]
    wait_for_rows(rows, 60)
    for process in nodes[0]:
        process.suspend()
    nodes[1][1].kill()
    wait_for_event(started.directory, "lost", "sim001")
    for process in nodes[0]:
        process.resume()
    wait_for_event(started.directory, "returned", "sim001")
    finished = started.finish(timeout_s=120)

    seen, data = rows.seen("/as/"), data_of(finished)
    assert [name for name, times in seen.items() if times > 1] == []
    # The frozen node told what became of its rows; those of the killed worker are unsure.
    assert 0 < data["unsure"] < 120
    assert count - data["unsure"] - 12 <= len(seen) <= count
    assert data["used"] + data["unsure"] == count
    assert data["ended_s"] is not None
    assert finished.result["duration_s"] < 91  # the load's own length: the end of the rows came first
    assert finished.result["reason"]
    assert finished.result["verdict"] != "ABORTED"
    assert next(event.detail for event in events(started.directory) if event.kind == "data ended").startswith(
        f"accounts: all {count} rows are used"
    )
    turned = rows.seen("/turn/")
    assert sorted(turned) == [str(number) for number in range(turns)]
    assert max(turned.values()) - min(turned.values()) <= data_of(finished, "turns")["taken"] // 4
    assert len(rows.seen("/draw/")) > len(seen) * 0.9  # of 20,000 hardly any is drawn twice
    assert data_of(finished, "starts")["taken"] >= 12


ONCE_LOCUSTFILE = """
from locust import constant, task
from worker.data import rows
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.2)

    def on_start(self):
        self.account = rows("accounts").take()

    @task
    def page(self):
        self.client.get(f"/as/{self.account['user']}", name="/as")

class Other(HttpUser):
    wait_time = constant(0.2)

    @task
    def page(self):
        self.client.get("/other")

    @task
    def wrong(self):
        rows("a" + "counts").take()
"""


def test_each_user_has_an_account_of_its_own_and_those_without_one_are_stopped(
    piswarm: Piswarm, rows: RowServer, fleet: StandingFleet, tmp_path: Path
) -> None:
    """On agents as those of real nodes, which have no file of rows. As many users as rows run, though which node has how many is chance; the others are stopped, and are none that is missing.

    Users of another class run on, and a wrong name in their code is told with the right one.
    """
    write_accounts(tmp_path, 10)
    started = start(
        piswarm,
        rows,
        ONCE_LOCUSTFILE,
        *fleet.options,
        users={"Visitor": 3, "Other": 1},
        load=[{"users": 16, "spawn_rate": 8, "hold": "5s"}],
        nodes={"expect": 2},
        data={"accounts": {"file": "accounts.csv", "use": "unique"}},
        validity=VALIDITY | {"users": "99 %"},
    )
    finished = started.finish(timeout_s=60)
    data, seen = data_of(finished), rows.seen("/as/")
    assert len(seen) == 10, finished.output
    assert (data["used"], data["taken"], data["unsure"]) == (10, 10, 0)
    assert data["stopped_users"] >= 2
    assert next(row for row in finished.result["validity"] if row["check"] == "users")["ok"], finished.output
    (error,) = [row for row in finished.result["exceptions"] if row["type"] == "RowsError"]
    assert "no table 'acounts'; did you mean 'accounts'?" in error["message"]
    assert (
        "data accounts: accounts.csv has 10 rows, for up to 16 users, and each row goes to one user once: users that get none "
        "are stopped" in finished.result["warnings"]
    )
    assert "accounts (unique): 10 of 10 rows used, all from" in finished.output.replace("\n", " ")


def test_a_table_that_the_scenario_has_not_is_refused_with_the_nearest_name(piswarm: Piswarm, tmp_path: Path) -> None:
    """A name in the locustfile that is none of the scenario's data ends the command at once, with the line."""
    write_accounts(tmp_path, 3)
    scenario = piswarm.scenario(locustfile="own.py", data={"acounts": {"file": "accounts.csv", "use": "cycle"}})
    (tmp_path / "own.py").write_text(LOCUSTFILE.replace("WAIT_S", "1"))
    refused = piswarm.start(scenario).finish()
    assert refused.status == 2
    assert (
        "own.py:6: rows('accounts'): the scenario's data has no such table. Did you mean 'acounts'?" in refused.output
    )


def test_data_that_can_not_be_used_is_refused_before_anything_is_started(piswarm: Piswarm, tmp_path: Path) -> None:
    """Ragged rows end the command at once with their lines, and leave no run directory."""
    (tmp_path / "accounts.csv").write_text("user,password\nann\n")
    scenario = piswarm.scenario(data={"accounts": {"file": "accounts.csv", "use": "unique"}})
    refused = piswarm.start(scenario).finish()
    assert refused.status == 2
    assert "accounts.csv: 1 row(s) can't be used" in refused.output
    assert "line 2: has 1 value(s), and there are 2 columns" in refused.output
    assert not (refused.directory / "run.db").exists()
