"""Simulated nodes are as slow as their boards, and their figures show it."""

from __future__ import annotations

import sqlite3

from processes import Piswarm, Target

SECONDS = 12
REQUEST_S = 0.9
ON_A_ZERO_S = REQUEST_S * 9.0 / 4.0
"""A Zero's core takes so much longer than a Pi 4's, on which the scenario says what a request costs (worker/simulation/boards.py)."""


def test_a_board_makes_no_more_requests_than_it_has_cpu_for(piswarm: Piswarm, target: Target) -> None:
    """A board that is too slow makes its users wait and is unfit, the node beside it is not affected, and no request is lost."""
    scenario = piswarm.scenario(
        load=[{"users": 64, "spawn_rate": 64, "hold": f"{SECONDS}s"}],
        nodes={"expect": 2},
        fleet={"zero2w-cooled": 1, "pi5-cooled": 1},
        rack={"request_cpu": f"{REQUEST_S} s"},
        thresholds=["errors < 100 %"],
    )
    finished = piswarm.run(scenario, "--target", target.url)
    assert finished.result["requests"]["total"] == sum(target.counts().values())
    assert finished.result["nodes"]["request_cpu_ms"] == 900
    assert "a request is taken to cost 900 ms of a Pi 4's core" in " ".join(finished.output.split())
    with sqlite3.connect(finished.directory / "run.db") as database:
        rows = database.execute(
            "SELECT name, SUM(requests), MAX(lag_max_ms), MAX(worker_cpu_percent), MAX(users), COUNT(*)"
            " FROM fitness JOIN nodes ON nodes.id = node GROUP BY name ORDER BY name"
        ).fetchall()
    (zero, zero_requests, zero_lag_ms, zero_percent, users, seconds), (_, pi5_requests, _, _, pi5_users, _) = rows
    assert zero == "sim001"
    assert users + pi5_users == 64
    assert 3 * users < pi5_users  # by what each can carry, which is still far more than it has CPU for
    # Four cores, and users who were begun on the last of it: each has one request that it waits for at the end.
    assert 4 / ON_A_ZERO_S < zero_requests <= 4 / ON_A_ZERO_S * seconds + 4 + users
    assert pi5_requests > 2 * zero_requests
    assert zero_lag_ms > 1000
    assert zero_percent > 95
