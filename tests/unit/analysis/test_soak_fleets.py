"""False alarms and planted leaks over whole fleets of 500 nodes, by simulation. `make bench-statistics` has many fleets of each kind."""

from __future__ import annotations

import numpy as np
import pytest
from soak_fleets import NODES, QUIET, autocorrelated, blocks_of, hot_node, judged, leak, memory

from master.analysis.soak.series import Series

DAY = blocks_of(24)


@pytest.mark.parametrize("kind", QUIET)
def test_nothing_is_called_a_leak_in_a_fleet_without_one(kind: str) -> None:
    """Over a day, in which each of 500 nodes could be the false alarm."""
    fleet = memory(QUIET[kind](np.random.default_rng(20), DAY, NODES))
    assert judged(fleet, DAY).drifting == 0


def test_a_node_that_gets_hot_is_no_leak() -> None:
    """Its memory rises with its temperature, as that of all nodes does."""
    assert judged(hot_node(np.random.default_rng(21), DAY), DAY).drifting == 0


def test_a_leak_on_one_node_of_a_fleet_is_found_and_named() -> None:
    """It leaks 1 % an hour; the 499 others do not."""
    random = np.random.default_rng(22)
    fleet = memory(0.1 * autocorrelated(0.5)(random, DAY, NODES))
    fleet[137] = leak(fleet[137], DAY)
    found = judged(fleet, DAY)
    assert found.drifting == 1
    assert found.worst[0].subject == "node138"
    assert found.worst[0].low_per_day <= 48e6 <= found.worst[0].high_per_day
    assert "node138" in found.message


def test_a_leak_below_a_saw_tooth_is_found_by_its_floor() -> None:
    """Its teeth are 60 MB high, and what they fall back to rises by 1 % an hour."""
    fleet = memory(QUIET["saw-tooth"](np.random.default_rng(23), DAY, 10))
    fleet[3] = leak(fleet[3], DAY)
    found = judged(fleet, DAY)
    assert [row.subject for row in found.worst if row.drifts] == ["node004"]


def test_a_leak_of_a_node_that_also_gets_hot_is_found() -> None:
    """What its heat explains is taken out; the leak is not."""
    fleet = hot_node(np.random.default_rng(24), DAY, 20)
    fleet[0] = leak(fleet[0], DAY)
    assert [row.subject for row in judged(fleet, DAY).worst if row.drifts] == ["node001"]


def test_a_latency_that_rises_by_one_percent_an_hour_is_found() -> None:
    """Its p95 varies by 5 % from block to block."""
    random = np.random.default_rng(25)
    noise = autocorrelated(0.3)(random, DAY, 1)[0]
    latency = leak(Series("all requests", 20 * (1 + 0.05 * noise)), DAY)
    found = judged([latency], DAY, "p95")
    assert found.drifting == 1
    assert 20 < found.worst[0].per_day < 30  # 24 % of where it began


def test_a_drift_as_large_as_is_called_detectable_is_found_mostly() -> None:
    """What a result says of the least drift that it could have found is true: with a chance of 90 %, so 25 of 40 at the very least."""
    random = np.random.default_rng(26)
    noise = memory(0.1 * autocorrelated(0.3)(random, DAY, 40))
    least = judged(noise, DAY).detectable_per_day
    assert least is not None
    share_per_hour = least / 24 / noise[0].values[0]
    alone = [judged([leak(series, DAY, share_per_hour)], DAY).drifting for series in noise]
    assert sum(alone) >= 25
