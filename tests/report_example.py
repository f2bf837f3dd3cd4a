"""A small run to make reports of: every kind of row, and names as a hostile target would choose them."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Callable

import msgspec

from master.judge.result import (
    EndpointResult,
    Excluded,
    Latency,
    Nodes,
    Requests,
    Result,
    Users,
    ValidityResult,
    Versions,
)
from master.judge.rule_results import threshold_result
from master.judge.target.thresholds import ThresholdOutcome
from master.scenario import parse_threshold
from master.store import ErrorRow, Event, FitnessRow, SecondRow, Store
from worker.load.histogram import EndpointStats, Histogram
from worker.telemetry import conditions
from worker.wire.messages import Facts, Reading

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028<!-- \u202e\x00"
SCENARIO_YAML = "name: example # </pre></details><script>alert(3)</script>\n"

FACTS = Facts(
    simulated=True,
    model="Raspberry Pi 4 Model B",
    cpu_count=4,
    memory_bytes=4 << 30,
    os="Debian 13",
    python="3.13.5",
    piswarm="0.1.0",
)


def unpacked(source: str, name: str) -> str:
    """What a report has packed under a name, `data` or `plotly`."""
    found = re.search(rf'<script type="text/plain" id="{name}">(.*?)</script>', source)
    assert found
    return gzip.decompress(base64.b64decode(found[1], validate=True)).decode()


def tally(*latencies_ms: float, failed: int = 0) -> EndpointStats:
    """A tally of these latencies."""
    histogram = Histogram()
    for latency_ms in latencies_ms:
        histogram.add(latency_ms)
    return EndpointStats(len(latencies_ms), failed, 100 * len(latencies_ms), histogram)


def reading(temperature_c: float | None = 50.0, cpu_percent: float = 20.0) -> Reading:
    """A reading of these values."""
    return Reading(
        cpu_percent=cpu_percent,
        memory_percent=30.0,
        memory_used_bytes=1 << 30,
        load_1min=1.0,
        temperature_c=temperature_c,
    )


def fill(store: Store, *, nodes: int = 3, seconds: int = 30) -> None:
    """A run with a ramp of 10 s, a lost node, a hot one, unfit seconds, errors and events."""
    names = [f"pi{number}" for number in range(1, nodes + 1)]
    for name in [*names, "controller"]:
        store.put_node(name, FACTS)
    for second in range(seconds):
        store.put_second(
            SecondRow(second, "1 ramp" if second < 10 else "1 hold", second >= 10, 5, nodes - 1, 0, second > 20)
        )
        store.add_requests(second, ("GET", "/a"), tally(1.0, 2.0, 3.0), fit=True)
        store.add_requests(second, ("GET", HOSTILE), tally(40.0, failed=1), fit=True)
        if second == 15:
            store.add_requests(second, ("GET", "/a"), tally(900.0), fit=False)
        store.put_samples(
            (name, second, reading(50.0 + second, 20.0 + index))
            for index, name in enumerate(names)
            if not (index == 1 and second > 20)
        )
        store.put_samples([("controller", second, reading(None))])
        unfit = "loop lag 84.2 ms above 50 ms; worker CPU unknown" if second == 15 else ""
        store.put_fitness([FitnessRow(names[0], second, 84.2 if unfit else 3.0, None if unfit else 40.0, 4, unfit)])
    store.add_event(Event(20.5, "lost", names[1], HOSTILE))
    store.add_error(ErrorRow("GET", HOSTILE, f"no {HOSTILE}", seconds, 0.2))
    store.commit()


PI4 = msgspec.structs.replace(FACTS, kernel="6.12.47+rpt-rpi-v8")
PI5 = msgspec.structs.replace(PI4, model="Raspberry Pi 5 Model B")
ZERO = msgspec.structs.replace(PI4, model="Raspberry Pi Zero 2 W", python="3.11.2", os="Debian 12")
FULL_HZ = {PI4.model: 1.8e9, PI5.model: 2.4e9, ZERO.model: 1.0e9}


def fill_hot(store: Store, *, nodes: int = 12, seconds: int = 300) -> None:
    """A run that is held steady from a tenth on, in which some nodes are held back and carry less.

    pi1 is throttled by heat from 40 % to 70 % of the time and has half of its users then; pi2's supply is weak from 50 % to
    55 %, which caps and throttles it; pi3 knows neither its clock nor what holds it back; pi4 is silent from 60 % to 75 %;
    pi5, a Zero, can't know that its supply is good, and comes to its soft limit at the end. The others bear it all.
    """
    names = [f"pi{number}" for number in range(1, nodes + 1)]
    for number, name in enumerate(names, 1):
        store.put_node(name, ZERO if number == 5 else PI5 if number % 3 == 0 else PI4)
    store.put_node("controller", FACTS)
    for second in range(seconds):
        part = second / seconds
        steady = part >= 0.1
        stage = "1 hold" if steady else "1 ramp"
        planned = 4 if steady else int(40 * part)
        store.put_second(SecondRow(second, stage, steady, planned * nodes, nodes, 0.4 <= part < 0.7, 0))
        store.add_requests(second, ("GET", "/a"), tally(1.0, 2.0, 3.0), fit=True)
        for number, name in enumerate(names, 1):
            if number == 4 and 0.6 <= part < 0.75:
                continue
            facts = ZERO if number == 5 else PI5 if number % 3 == 0 else PI4
            store.put_samples([(name, second, hot_reading(number, part, FULL_HZ[facts.model]))])
            halved = number == 1 and 0.45 <= part < 0.8
            unfit = "node CPU 97 % above 90 %" if number == 2 and 0.5 <= part < 0.55 else ""
            row = FitnessRow(name, second, 3.0, 40.0, 4, unfit, users=planned // 2 if halved else planned)
            store.put_fitness([row])
    store.commit()


def hot_reading(number: int, part: float, full_hz: float) -> Reading:
    """What node `number` of the run of `fill_hot` reads after a `part` (0 to 1) of it."""
    temperature_c, slowed, holding, known = 48.0 + number % 7 + 8 * min(1.0, 3 * part), 1.0, 0, 15
    if number == 1:
        temperature_c = 55 + 29 * min(1.0, part / 0.4) if part < 0.7 else 84 - 40 * (part - 0.7)
        if 0.4 <= part < 0.7:
            slowed, holding = 0.4, conditions.THROTTLED
    elif number == 2 and 0.5 <= part < 0.55:
        slowed = 0.6
        holding = conditions.UNDER_VOLTAGE | conditions.FREQUENCY_CAPPED | conditions.THROTTLED
    elif number == 3:
        known = 0
    elif number == 5:
        known = 15 ^ conditions.UNDER_VOLTAGE
        if part >= 0.9:
            slowed, holding = 0.8, conditions.SOFT_LIMITED
    told = conditions.pack_flags(holding, known)
    return msgspec.structs.replace(
        reading(temperature_c, 90.0 if holding else 30.0),
        frequency_hz=slowed * full_hz if known else None,
        conditions=told,
        conditions_lately=told,
    )


def result(verdict: str = "PASS") -> Result:
    """The outcome that goes with it."""
    latency_ms = Latency(p50=2.0, p90=3.0, p95=40.0, p99=40.0, p999=40.0, max=40.0)
    return Result(
        run_id="example-1",
        scenario="example",
        verdict=verdict,
        reason=f"Because of {HOSTILE}.",
        started_at="2026-05-04T03:02:01+02:00",
        duration_s=30.0,
        steady_s=20.0,
        gaps=[],
        clocks_off=[],
        target="http://127.0.0.1:8000",
        nodes=Nodes(expected=3, peak=3, lost=1, quarantined=0, ready_s=7.5, simulated=True),
        users=Users(target=5, peak=5),
        requests=Requests(total=121, failed=30, rate_per_s=4.05),
        latency_ms=latency_ms,
        endpoints=[
            EndpointResult(
                method="GET",
                name=name,
                total=total,
                failed=failed,
                rate_per_s=total / 30,
                latency_ms=Latency(p50=p50, p90=p50, p95=p50, p99=p50, p999=p50, max=p50),
            )
            for name, total, failed, p50 in (("/a", 91, 0, 2.0), (HOSTILE, 30, 30, 40.0), ("/never", 0, 0, None))
        ],
        thresholds=[
            threshold_result(ThresholdOutcome(parse_threshold("p95 < 50 ms"), 40.0, "40 ms", ok=True)),
            threshold_result(
                ThresholdOutcome(
                    parse_threshold("errors < 5 %"), 0.25, "25 %", ok=False, message="errors was 25 %, above 5 %"
                )
            ),
        ],
        validity=[
            ValidityResult(
                check="node_cpu",
                op="<=",
                limit_percent=90.0,
                limit_text="≤ 90 %",
                observed_percent=20.0,
                observed_text="20 %",
                ok=True,
                nodes=[],
                message="",
            ),
            ValidityResult(
                check="loop_lag_p99",
                op="<=",
                limit_ms=50.0,
                limit_text="≤ 50 ms",
                observed_ms=84.0,
                observed_text="84 ms",
                ok=False,
                nodes=[f"pi{number}" for number in range(1, 8)],
                message="loop_lag_p99 was 84 ms, above 50 ms",
            ),
        ],
        excluded_share=0.0083,
        excluded=[
            Excluded(
                node="pi1",
                unfit_s=8,
                requests=32,
                reasons_s={"loop lag above 50 ms": 8},
                spans_s=[(20, 28)],
                further_spans=0,
            )
        ],
        latency_all_ms=msgspec.structs.replace(latency_ms, max=900.0),
        generator_lag_ms=Latency(p50=0.4, p90=1.1, p95=1.6, p99=3.0, p999=12.0, max=31.0),
        dropped_messages={"unknown key": 2},
        unreported_workers=["pi2_0"],
        versions=Versions(piswarm="0.1.0", locust="2.47.0", python="3.13.5"),
    )


def nothing() -> Result:
    """The outcome of a run that was aborted before it began."""
    none = Latency(p50=None, p90=None, p95=None, p99=None, p999=None, max=None)
    change: Callable[..., Result] = msgspec.structs.replace
    return change(
        result("ABORTED"),
        reason="The target did not answer.",
        duration_s=0.0,
        steady_s=0.0,
        gaps=[],
        clocks_off=[],
        nodes=Nodes(expected=3, peak=0, lost=0, quarantined=0, ready_s=7.5, simulated=False),
        users=Users(target=5, peak=0),
        requests=Requests(total=0, failed=0, rate_per_s=None),
        latency_ms=none,
        latency_all_ms=none,
        generator_lag_ms=none,
        endpoints=[],
        thresholds=[],
        validity=[],
        excluded_share=None,
        excluded=[],
        dropped_messages={},
        unreported_workers=[],
    )
