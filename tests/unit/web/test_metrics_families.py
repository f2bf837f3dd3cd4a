"""What Prometheus is told of a run: names and units, what is left out, and how many series there can be."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from master.judge.interim import Interim, InterimRule
from master.web.metrics.buckets import BOUNDS_S, LatencyBuckets
from master.web.metrics.families import families
from master.web.metrics.state import (
    FURTHER,
    MAX_LATENCY_ENDPOINTS,
    DiskFigures,
    LiveState,
    NodeFigures,
    RequestTotals,
)
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.wire.messages import Reading

READING = Reading(
    cpu_percent=42.0,
    memory_percent=20.0,
    memory_used_bytes=1 << 30,
    load_1min=0.5,
    temperature_c=61.5,
    frequency_hz=1.5e9,
    conditions_lately=pack_flags(THROTTLED, known=THROTTLED | UNDER_VOLTAGE),
    conditions_since_start=pack_flags(THROTTLED, known=THROTTLED | UNDER_VOLTAGE),
)


class Page:
    """All families of a state, as a registry."""

    def __init__(self, state: LiveState) -> None:
        self._state = state

    def collect(self) -> Iterator[Any]:
        yield from families(self._state)


def page(state: LiveState) -> str:
    return generate_latest(Page(state)).decode()


def samples(state: LiveState) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and by the values of its labels, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page(state))
        for sample in family.samples
    }


def tally(*latencies_ms: float, failed: int = 0) -> EndpointStats:
    found = EndpointStats(len(latencies_ms) + failed, failed, 300)
    for latency_ms in latencies_ms:
        found.histogram.add(latency_ms)
    return found


def full_state(endpoints: int = 3, nodes: int = 2, reading: Reading = READING) -> LiveState:
    """A run of the open model that has everything there is."""
    totals = RequestTotals()
    for number in range(endpoints):
        totals.add(("GET", f"/e{number}"), tally(0.5, 3.0, 700.0, failed=1), fit=True)
    rules = [InterimRule("p95 < 50 ms", 700.0, "700 ms", ok=False, message="")]
    checks = [
        InterimRule("node_cpu", 42.0, "42 %", ok=True, message=""),
        InterimRule("throttling", None, "–", None, ""),
    ]
    return LiveState(
        run="swarm-1",
        scenario="swarm",
        offset_s=30.0,
        left_s=45.0,
        users=7,
        users_planned=9,
        nodes={"running": nodes, "lost": 1},
        requests=totals.rows,
        latencies=totals.latencies,
        service_times=totals.service_times,
        in_flight=dict.fromkeys(totals.rows, (2, 1.5)),
        exceptions={("ApiUser", "KeyError"): 2},
        arrivals=ArrivalTally(90, 7, 5, 3),
        offered=101,
        dropped={"message can't be decoded": 4},
        reports=12,
        workers_restarted=1,
        excluded_share=0.02,
        interim=Interim(26, "FAIL", "", rules, checks),
        disk=DiskFigures(10_000, None),
        controller=READING,
        each_node=lambda: [NodeFigures(f"pi{n}", "running", 4, 0.004, -0.5, reading) for n in range(nodes)],
    )


def test_a_run_is_told_in_base_units_and_what_is_unknown_is_left_out() -> None:
    """Times are in seconds, shares from 0 to 1, and a figure that nobody knows has no sample."""
    found = samples(full_state(endpoints=1, nodes=1))
    expected = {
        ("piswarm_run_seconds", ()): 30,
        ("piswarm_users_planned", ()): 9,
        ("piswarm_nodes", ("lost",)): 1,
        ("piswarm_requests_total", ("GET", "/e0")): 4,
        ("piswarm_requests_failed_total", ("GET", "/e0")): 1,
        ("piswarm_latency_seconds_bucket", ("0.001", "GET", "/e0")): 1,
        ("piswarm_latency_seconds_bucket", ("0.5", "GET", "/e0")): 2,
        ("piswarm_latency_seconds_bucket", ("1.0", "GET", "/e0")): 3,
        ("piswarm_latency_seconds_count", ("GET", "/e0")): 3,
        ("piswarm_service_time_seconds_count", ()): 3,
        ("piswarm_oldest_request_seconds", ("GET", "/e0")): 1.5,
        ("piswarm_user_exceptions_total", ("KeyError", "ApiUser")): 2,
        ("piswarm_arrivals_offered_total", ()): 101,
        ("piswarm_arrivals_total", ("given up",)): 3,
        ("piswarm_threshold_ok", ("p95 < 50 ms",)): 0,
        ("piswarm_check_ok", ("node_cpu",)): 1,
        ("piswarm_excluded_ratio", ()): 0.02,
        ("piswarm_controller_cpu_ratio", ()): 0.42,
        ("piswarm_disk_free_bytes", ()): 10_000,
        ("piswarm_node_state", ("pi0", "running")): 1,
        ("piswarm_node_temperature_celsius", ("pi0",)): 61.5,
        ("piswarm_node_loop_lag_seconds", ("pi0",)): 0.004,
        ("piswarm_node_clock_offset_seconds", ("pi0",)): -0.5,
        ("piswarm_node_condition", ("throttled", "pi0", "now")): 1,
        ("piswarm_node_condition", ("under_voltage", "pi0", "ever")): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["piswarm_latency_seconds_sum", ("GET", "/e0")] == pytest.approx(0.7035, rel=0.01)
    assert ("piswarm_check_ok", ("throttling",)) not in found
    assert ("piswarm_disk_needed_bytes", ()) not in found
    assert ("piswarm_node_condition", ("frequency_capped", "pi0", "now")) not in found


def test_the_closed_model_has_no_arrivals_and_a_run_that_has_not_begun_no_nodes() -> None:
    """What does not exist is not told as 0."""
    found = samples(LiveState(run="swarm-1"))
    assert not [name for name, _ in found if "arrivals" in name or "service" in name or "node_" in name]


def test_the_number_of_series_is_bounded_whatever_the_run_has() -> None:
    """1000 endpoints and 500 nodes make no more series than the page says, and later endpoints share one histogram."""
    known = pack_flags(0)
    reading = replace(READING, conditions_lately=known, conditions_since_start=known)
    state = full_state(endpoints=1000, nodes=500, reading=reading)
    assert len(state.latencies) == MAX_LATENCY_ENDPOINTS + 1
    assert state.latencies[FURTHER].counts[0] == 1000 - MAX_LATENCY_ENDPOINTS
    assert 14_700 < len(samples(state)) < 14_800


def test_a_latency_counts_for_the_first_bound_that_it_does_not_exceed() -> None:
    """Counts are cumulative, and the last is of all latencies, however long."""
    buckets, latencies = LatencyBuckets(), Histogram()
    for latency_ms in (0.01, 24.0, 26.0, 45_000.0):
        latencies.add(latency_ms)
    buckets.add(latencies)
    found = dict(buckets.cumulative())
    assert (found["0.001"], found["0.025"], found["0.05"], found["30.0"], found["+Inf"]) == (1, 2, 3, 3, 4)
    assert list(found) == [*(str(bound_s) for bound_s in BOUNDS_S), "+Inf"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not installed")
@pytest.mark.parametrize("state", [full_state(), LiveState()], ids=["full", "not begun"])
def test_promtool_has_no_objection(state: LiveState) -> None:
    """Prometheus' own check of names, units and texts finds nothing."""
    checked = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=page(state), text=True, capture_output=True, timeout=30
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
