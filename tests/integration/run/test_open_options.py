"""`piswarm run` of a load of arrivals, as its options change it, and as it warns before it."""

from __future__ import annotations

from processes import Piswarm, Target

LOAD = [
    {"rate": "10/s", "ramp": "1s", "hold": "6s", "max_users": 8, "spike": {"rate": "20/s", "at": "2s", "for": "1s"}}
]


def test_rate_and_max_users_of_the_command_line_are_what_is_offered(piswarm: Piswarm, target: Target) -> None:
    """Three times the rate is three times the arrivals of ramp, hold and spike, to the last one; none is missed or lost."""
    scenario = piswarm.scenario(load=LOAD, nodes={"expect": 2}, thresholds=["errors < 50 %"])
    finished = piswarm.run(scenario, "--target", target.url, "--rate", "30/s", "--max-users", "16")

    load = finished.result["load"]
    assert (load["model"], load["offered"]) == ("open", 15 + 5 * 30 + 60)
    assert load["started"] + load["missed"]["total"] == load["offered"]
    assert sum(target.counts().values()) == load["started"]
    assert finished.result["users"]["target"] == 16
    assert finished.result["warnings"] == []
    as_run = (finished.directory / "scenario.yml").read_text(encoding="utf-8")
    assert "rate: 30/s" in as_run
    assert "rate: 60/s" in as_run


def test_a_load_that_can_hardly_fit_is_warned_of_once_the_nodes_are_ready(piswarm: Piswarm, target: Target) -> None:
    """The warnings are said before the load begins, and stay in the result: users for the rate, and nodes without a user."""
    load = [{"rate": "100/s", "hold": "5s", "max_users": 2}]
    scenario = piswarm.scenario(load=load, nodes={"expect": 4}, thresholds=["errors < 50 %", "p50 < 1 s"])
    finished = piswarm.run(scenario, "--target", target.url)

    few, busy = finished.result["warnings"]
    assert "max_users is 2, and 4 nodes are expected: 2 of them have no user, and no arrivals" in few
    assert busy.startswith(
        "load[0] reaches 100/s, and answers that take 1.443 s (the mean where 'p50 < 1 s' just holds)"
    )
    assert "Give max_users of at least 145" in busy
    assert finished.output.index("WARNING: load[0]") < finished.output.index("stage 1 of 1")
