"""A node that is let in and lies about data rows and about the project gets nobody's rows twice, and no figure of it is believed."""

from __future__ import annotations

from pathlib import Path

from lying_node import GraspingNode
from processes import Piswarm
from row_server import RowServer
from standing_fleet import StandingFleet, plan

from worker.agent.keys import node_keys
from worker.agent.settings import KEYS

LIAR = "pi3"
LOCUSTFILE = """
from locust import constant, task
from worker.data import rows
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.2)

    @task
    def page(self):
        rows("draws").take()
        self.client.get(f"/as/{rows('accounts').take()['user']}", name="/as")
"""


def test_rows_stay_unique_and_parts_of_the_project_are_bounded(piswarm: Piswarm, tmp_path: Path) -> None:
    """It asks for tables, rows, leases and parts that there are not, and reports all rows as used, then as given back."""
    (tmp_path / "accounts.csv").write_text("user\n" + "".join(f"user{row:05}\n" for row in range(5000)))
    # Large enough not to be sent as a whole: then its rows are asked for by number.
    (tmp_path / "draws.csv").write_text("word\n" + "".join(f"{row:099}\n" for row in range(1000)))
    data = {"accounts": {"file": "accounts.csv", "use": "unique"}, "draws": {"file": "draws.csv", "use": "random"}}
    scenario = plan(
        piswarm,
        "15s",
        users=6,
        locustfile="own.py",
        data=data,
        thresholds=["errors = 0", "exceptions = 0"],
        nodes={"expect": 3, "min": 2, "wait": "20s"},
    )
    (tmp_path / "own.py").write_text(LOCUSTFILE)
    with RowServer(tmp_path / "rows.log") as server, StandingFleet(tmp_path, 3) as fleet:
        fleet.kill(LIAR)
        with GraspingNode(LIAR, fleet.endpoint, node_keys(fleet.folder(LIAR) / KEYS)) as liar:
            finished = piswarm.start(scenario, *fleet.options, "--target", server.url).finish(120)
        seen = server.seen("/as/")
    result = finished.result
    assert result["verdict"] in ("PASS", "INVALID"), finished.output  # a user of the liar's makes no request
    assert liar.lies > 10
    assert [user for user, times in seen.items() if times > 1] == []
    accounts = next(table for table in result["data"] if table["name"] == "accounts")
    assert len(seen) <= accounts["used"] <= len(seen) + 6
    assert accounts["taken"] == accounts["used"]
    assert (accounts["stopped_users"], accounts["timeouts"], accounts["ended_s"]) == (0, 0, None)
    assert accounts["longest_wait_ms"] < 60_000
    refused = {reason.partition(" (")[0] for reason in result["dropped_messages"] if f"({LIAR})" in reason}
    assert refused >= {
        "a lease of rows that there was not",
        "a data row that there is not",
        "data rows of an unknown table",
        "figures of data rows that can't be true",
        "rows that were not leased to it",
        "a request for no part of the project",
        "a request for the project, again and again",
    }
    assert f"{LIAR} sent what can't be true: " in "".join(result["warnings"])
