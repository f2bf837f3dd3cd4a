"""A node that is let in and lies decides no verdict, and no report of it destroys a result."""

from __future__ import annotations

from pathlib import Path

import pytest
from lying_node import LIES, LyingNode
from processes import Piswarm, Target
from standing_fleet import StandingFleet, plan

from master.store import Store
from worker.agent.keys import node_keys
from worker.agent.settings import KEYS

USERS = 12
LIAR = "pi4"


@pytest.mark.parametrize("lies", [False, True])
def test_the_verdict_is_the_same_with_a_node_that_lies_as_without_it(
    piswarm: Piswarm, target: Target, tmp_path: Path, lies: bool
) -> None:
    """A lying node can neither hide the failures of a tenth of all requests nor break the threshold on the rate."""
    rules = ["errors < 5 %", "rate < 100000/s", "max < 30 s"]
    scenario = plan(piswarm, "30s", users=USERS, thresholds=rules, nodes={"expect": 4, "min": 3, "wait": "20s"})
    with StandingFleet(tmp_path, 4) as fleet:
        fleet.kill(LIAR)
        options = [*fleet.options, "--target", target.url]
        if not lies:
            finished = piswarm.start(scenario, *options, "--limit", f"!{LIAR}").finish(120)
        else:
            with LyingNode(LIAR, fleet.endpoint, node_keys(fleet.folder(LIAR) / KEYS)) as liar:
                finished = piswarm.start(scenario, *options).finish(120)
    result = finished.result
    assert (finished.status, result["verdict"]) == (1, "FAIL"), finished.output
    assert [row["rule"] for row in result["thresholds"] if not row["ok"]] == rules[:1]
    assert result["requests"]["total"] == sum(target.counts().values())
    assert result["users"]["peak"] <= USERS
    named = {reason for reason in result["dropped_messages"] if f"({LIAR})" in reason}
    assert bool(named) == bool(result["warnings"]) == lies
    if not lies:
        return
    assert liar.lies > len(LIES)
    assert len(named) >= 12
    assert f"{LIAR} sent what can't be true: " in result["warnings"][0]
    store = Store(finished.directory / "run.db")
    try:
        carries = {row.name: row.capacity for row in store.node_rows()}
        assert carries[LIAR] == 8.0
        assert {event.node for event in store.events() if event.kind == "not credible"} == {LIAR}
    finally:
        store.close()
