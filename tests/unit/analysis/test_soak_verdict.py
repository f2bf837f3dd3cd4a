"""The verdict of a soak by the limits of its scenario, and from a run.db."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from report_example import reading
from soak_fleets import autocorrelated, blocks_of, leak, memory

from master.analysis.soak.assess import assess, judge
from master.analysis.soak.measured import ALL_REQUESTS, fine_percentile
from master.analysis.soak.series import Series
from master.judge.result import Soak, SoakMetric
from master.store import CONTROLLER, SecondRow, Store, TargetRow
from worker.load.histogram import EndpointStats, Histogram

DAY = blocks_of(24)
MB = 1e6


def metric(soak: Soak, name: str) -> SoakMetric:
    return next(row for row in soak.metrics if row.metric == name)


def nodes(leaking: int = 0, of: int = 30) -> list[Series]:
    fleet = memory(0.05 * autocorrelated(0.3)(np.random.default_rng(30), DAY, of))
    return [leak(series, DAY) if index < leaking else series for index, series in enumerate(fleet)]


def test_a_limit_that_a_drift_is_beyond_is_broken() -> None:
    """With the name of who drifts, how fast, and the limit."""
    soak = judge({"node_memory": nodes(leaking=1)}, DAY, {"node_memory": 10 * MB})
    row = metric(soak, "node_memory")
    assert (soak.verdict, row.ok, row.drifting) == ("drift", False, 1)
    assert "node001" in row.message
    assert "limit 10 MB/day" in row.message
    assert row.message in soak.reason


def test_a_drift_within_its_limit_is_none() -> None:
    """The scenario has said that so much does not matter."""
    soak = judge({"node_memory": nodes(leaking=1)}, DAY, {"node_memory": 100 * MB})
    assert (soak.verdict, metric(soak, "node_memory").ok) == ("no drift", True)
    assert metric(soak, "node_memory").worst[0].per_day == pytest.approx(48 * MB, rel=0.2)


def test_a_limit_that_the_run_can_not_show_is_unknown() -> None:
    """In five minutes nobody can see 10 MB a day; the result says what could be seen."""
    short = blocks_of(297 / 3600)
    series = [Series("target", 60e6 + 20e3 * np.random.default_rng(31).standard_normal(short.count))]
    soak = judge({"target_memory": series}, short, {"target_memory": 10 * MB})
    row = metric(soak, "target_memory")
    assert (soak.verdict, row.ok, row.drifting) == ("unknown", None, 0)
    assert row.detectable_per_day == pytest.approx(372 * MB, rel=0.01)  # 1 MB over its 29 blocks of 8 s
    assert "can't be seen in a run so short" in soak.reason


def test_a_leak_of_a_megabyte_a_minute_is_seen_in_five_minutes() -> None:
    """So much is beyond what varies."""
    short = blocks_of(297 / 3600)
    growth = MB / 60 * short.length_s * np.arange(short.count)
    series = [Series("target", 60e6 + growth + 50e3 * np.random.default_rng(32).standard_normal(short.count))]
    soak = judge({"target_memory": series}, short, {"target_memory": 600 * MB})
    assert (soak.verdict, metric(soak, "target_memory").ok) == ("drift", False)
    assert metric(soak, "target_memory").worst[0].per_day == pytest.approx(1440 * MB, rel=0.1)


def test_a_limit_on_what_was_not_measured_is_unknown() -> None:
    """As the memory of a target on another machine."""
    soak = judge({"node_memory": nodes()}, DAY, {"target_memory": 10 * MB})
    assert soak.verdict == "unknown"
    assert metric(soak, "target_memory").ok is None
    assert "nothing was measured" in soak.reason


def test_some_nodes_that_were_lost_leave_the_rest_judged() -> None:
    """The odd node of a fleet may be unknown, half of them may not."""
    fleet = nodes()
    lost = [Series(series.subject, np.where(np.arange(DAY.count) < 40, series.values, np.nan)) for series in fleet]
    limits = {"node_memory": 10 * MB}
    assert metric(judge({"node_memory": [lost[0], *fleet[1:]]}, DAY, limits), "node_memory").ok is True
    half = judge({"node_memory": [*lost[:15], *fleet[15:]]}, DAY, limits)
    assert metric(half, "node_memory").ok is None
    assert metric(half, "node_memory").unknown_subjects == 15


def test_what_all_nodes_share_is_said() -> None:
    """It is not each of them that leaks; something that they have in common does."""
    soak = judge({"node_memory": nodes(leaking=30)}, DAY, {"node_memory": 10 * MB})
    assert "30 of 30, so look at what they share" in metric(soak, "node_memory").message


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


def fill(store: Store, seconds: int, *, leak_bytes_per_s: float = 0.0) -> None:
    """A hold of so many seconds with two endpoints, one node, the controller and the target."""
    random = np.random.default_rng(33)
    for second in range(seconds):
        store.put_second(SecondRow(second, "1 hold", steady=True, users=10, ready=1, hot=0, lost=0))
        for endpoint, scale in ((("GET", "/a"), 10.0), (("GET", "/b"), 40.0)):
            histogram = Histogram()
            for latency_ms in random.lognormal(np.log(scale), 0.3, 20).tolist():
                histogram.add(latency_ms)
            store.add_requests(second, endpoint, EndpointStats(20, 0, 0, histogram), fit=True)
        store.put_target(TargetRow(second, 5.0, int(60e6 + leak_bytes_per_s * second + random.integers(10_000))))
        store.put_controller_memory(second, int(90e6 + random.integers(100_000)))
        store.put_samples([("node001", second, reading(50.0)), (CONTROLLER, second, reading(40.0))])


def test_a_run_is_read_block_by_block(store: Store) -> None:
    """Endpoints each and together, node and processes; the controller is no node of the fleet."""
    fill(store, 300)
    soak = assess(store, {"target_memory": 600 * MB, "controller_memory": 600 * MB})
    assert soak.verdict == "no drift"
    assert (soak.hold_from_s, soak.hold_to_s, soak.block_s) == (0, 300, 10)
    assert {row.subject for row in metric(soak, "p95").worst} == {ALL_REQUESTS, "GET /a", "GET /b"}
    assert [row.subject for row in metric(soak, "node_memory").worst] == ["node001"]
    assert [row.subject for row in metric(soak, "controller_memory").worst] == [CONTROLLER]
    level = next(row.level for row in metric(soak, "p95").worst if row.subject == "GET /a")
    assert level == pytest.approx(10 * np.exp(0.3 * 1.645), rel=0.1)


def test_a_target_that_leaks_is_found_in_its_run(store: Store) -> None:
    fill(store, 300, leak_bytes_per_s=MB / 60)
    soak = assess(store, {"target_memory": 600 * MB})
    assert (soak.verdict, metric(soak, "target_memory").ok) == ("drift", False)
    assert metric(soak, "node_memory").drifting == 0


@pytest.mark.parametrize("seconds", [0, 1, 100])
def test_a_run_without_a_long_hold_is_unknown(store: Store, seconds: int) -> None:
    """Also an empty one."""
    fill(store, seconds)
    soak = assess(store, {"target_memory": 600 * MB})
    assert (soak.verdict, soak.blocks) == ("unknown", 0)
    assert "2 min 30 s are the least" in soak.reason.replace("\u00a0", " ")


def test_a_percentile_goes_by_less_than_a_bucket() -> None:
    """A drift of less than the 2 % of a bucket would be hidden else."""
    histogram = Histogram()
    for latency_ms in np.linspace(10, 20, 2001):
        histogram.add(float(latency_ms))
    assert fine_percentile(histogram, 0.95) == pytest.approx(19.5, rel=0.003)
    assert np.isnan(fine_percentile(Histogram(), 0.95))
