"""A LoadTestShape says how many users run, of which classes and for how long, through the command; and in a run that goes on."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from processes import Piswarm

SHAPE = """
from locust import LoadTestShape, constant, events, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health", name=type(self).__name__)

class Buyer(Visitor):
    pass

class Steps(LoadTestShape):
    def __init__(self):
        super().__init__()
        self.ticks = 0

    def tick(self):
        self.ticks += 1
        ran_s = self.get_run_time()
        print(f"TICK {self.ticks} {ran_s:.1f} {self.get_current_user_count()}", flush=True)
        if ran_s < FIRST:
            return 2, 10, [Visitor]
        return (6, 10, [Buyer]) if ran_s < LAST else None

@events.test_start.add_listener
def start(environment, **_):
    print("START", type(environment.shape_class).__name__, environment.parsed_options.num_users, flush=True)
"""


def ticks(text: str) -> list[tuple[int, float, int]]:
    rows = [line.partition("TICK ")[2].split() for line in text.splitlines() if "TICK " in line]
    return [(int(number), float(ran_s), int(users)) for number, ran_s, users in rows]


def seconds_of(directory: Any) -> list[tuple[str, int, int]]:
    with closing(sqlite3.connect(directory / "run.db")) as database:
        return database.execute("SELECT stage, steady, users FROM seconds ORDER BY second").fetchall()


def test_a_shape_is_followed_with_its_classes_and_state(piswarm: Piswarm) -> None:
    """Users ramp to what tick() returns, new ones are of its classes, holds are judged, and None ends the run in order."""
    scenario = piswarm.scenario(
        locustfile="own.py", load="shape", users={"Visitor": 1, "Buyer": 1}, nodes={"expect": 2}, thresholds=[]
    )
    (scenario.parent / "own.py").write_text(SHAPE.replace("FIRST", "5").replace("LAST", "10"), encoding="utf-8")
    finished = piswarm.run(scenario)
    assert finished.status == 0, finished.output
    result = finished.result
    assert (result["users"]["target"], result["users"]["peak"]) == (6, 6)
    by_name = {row["name"]: row["total"] for row in result["endpoints"]}
    assert by_name.keys() == {"Visitor", "Buyer"}
    assert all(by_name.values())
    judged = {(stage, users) for stage, steady, users in seconds_of(finished.directory) if steady}
    assert judged == {("1 hold", 2), ("2 hold", 6)}
    log = (finished.directory / "logs" / "project.log").read_text()
    assert "START Steps None" in log
    seen = ticks(log)
    assert [number for number, _, _ in seen] == [*range(1, len(seen) + 1)]
    assert seen[0][1:] == (0.0, 0)
    assert seen[-1][1] >= 10
    assert seen[-1][2] == 6
    assert "until the shape ends" in finished.output


def test_a_shape_goes_on_where_it_stood(piswarm: Piswarm) -> None:
    """After the controller is killed, `piswarm resume` has the shape go on from its run time, and one result of it all.

    That the locustfile has changed between is said.
    """
    scenario = piswarm.scenario(
        locustfile="own.py", load={"shape": "Steps"}, users={"Visitor": 1, "Buyer": 1}, nodes={"expect": 1}
    )
    (scenario.parent / "own.py").write_text(SHAPE.replace("FIRST", "1000").replace("LAST", "1000"), encoding="utf-8")
    started = piswarm.start(scenario)
    started.wait_for(r"^0:0[5-9]  stage 1 of Steps, hold")
    started.process.kill()
    started.finish()
    (scenario.parent / "own.py").write_text(SHAPE.replace("FIRST", "0").replace("LAST", "20"), encoding="utf-8")
    finished = piswarm.resume(started.directory)
    assert finished.status == 0, finished.output
    seen = ticks((finished.directory / "logs" / "project.log").read_text())
    first = [ran_s for number, ran_s, _ in seen if number == 1]
    assert len(first) == 2
    assert first[1] >= 4
    stages = {stage for stage, steady, _ in seconds_of(finished.directory) if steady}
    assert stages == {"1 hold", "2 hold"}
    assert finished.result["users"]["target"] == 6
    changed = "own.py has changed since the run began: what was measured before is of another load than what follows"
    assert finished.result["warnings"] == [changed]
    assert f"WARNING: {changed}" in finished.output


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ("[]", 1, r"the load shape failed: TypeError: .*own\.py:"),
        (
            "(6, 10, [Buyer])",
            1,
            r"the load shape failed: ValueError: tick\(\) asks for users of Buyer, which the run has none of",
        ),
        (
            "(6, float('inf'))",
            4,
            r"the load shape asks for 6 users at inf/s: from 0 to \d+, at a rate above 0 and at most",
        ),
    ],
    ids=["no such type", "another class", "endless rate"],
)
def test_a_shape_that_fails_ends_the_run_by_name(piswarm: Piswarm, asked: str, status: int, reason: str) -> None:
    """What tick() asks for and can't be had ends the run, whose reason names it: an exception of tick()'s own with its place."""
    scenario = piswarm.scenario(locustfile="own.py", load="shape", users={"Visitor": 1}, nodes={"expect": 1})
    text = (
        SHAPE.replace("FIRST", "5")
        .replace("LAST", "[]" if asked == "[]" else "1000")
        .replace("(6, 10, [Buyer])", asked)
    )
    (scenario.parent / "own.py").write_text(text, encoding="utf-8")
    finished = piswarm.run(scenario)
    assert finished.status == status, finished.output
    assert re.search(reason, finished.result["reason"])
