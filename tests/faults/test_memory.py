"""L8: a long run must not need more memory with every hour; twice twenty minutes are reported in seconds, over the wire."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import msgspec
from apart import apart
from collected import Collected
from finding import Finding
from gevent.event import Event
from locust import __version__
from locust.stats import RequestStats
from our_fleet import RUN, OurFleet
from stock_fleet import StockFleet
from waiting import must_come

from master.run.collect import agents, collector
from worker.wire.messages import ClockReply, Facts, Hello, Reading, Ready, Sample
from worker.wire.reports import EndpointSecond, ErrorCount, Report, WorkerSecond

FAULT = "L8"
TITLE = "the master's memory grows with every hour"
SPAN_S = 1200
SPANS_PER_HOUR = 3600 / SPAN_S
REPORT_S = 3
ENDPOINTS = [f"/{number}" for number in range(5)]
MAX_GROWTH_MB = 0.1
"""In an hour; over a day that would be 2.4 MB."""

encode = msgspec.msgpack.encode


def stock() -> Finding:
    return apart(on_stock)


def ours() -> Finding:
    return apart(on_ours)


def on_stock() -> Finding:
    fleet = StockFleet()
    worker = fleet.stranger("worker")
    worker.send(encode(("client_ready", __version__, "worker")))
    must_come(lambda: fleet.connected == 1, "the worker")
    taken = Event()
    fleet.environment.events.worker_report.add_listener(lambda **_: taken.set())

    def report(second: int) -> None:
        taken.clear()
        worker.send(encode(("stats", _statistics(second), "worker")))
        assert taken.wait(10), f"the report of second {second} did not come"

    finding = found(report)
    stored = fleet.master.stats.num_requests
    assert stored == 2 * SPAN_S * len(ENDPOINTS), f"{stored} requests were counted"
    return finding


def on_ours() -> Finding:
    now = SimpleNamespace(s=0.0)
    collector.time = agents.time = SimpleNamespace(monotonic=lambda: now.s, time=lambda: now.s)
    with closing(Collected(["pi1"], users=1, hold_s=2 * SPAN_S)) as run:
        fleet = OurFleet(1, run.collector)
        run.server = fleet.server
        agent, worker = (fleet.peer(name, fleet.keys["pi1"]) for name in ("pi1", "pi1_0"))
        facts = Facts(simulated=True, model="m", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v")
        agent.send(encode(Hello(facts)))
        agent.send(encode(ClockReply(0.0, 0.0, 0.0)))
        worker.send(encode(("client_ready", Ready(__version__, 1, 1, RUN), "pi1_0")))
        must_come(lambda: fleet.connected == 1 and agent.poll(0), "the worker and its agent")
        run.collector.begin()
        run.collector.progress.hold_started(0)
        run.collector.on_order("pi1_0", {"Visitor": 1})
        taken = Event()

        def take(worker: str, report: Report) -> None:
            on_report(worker, report)
            taken.set()

        on_report, run.collector.on_report = run.collector.on_report, take

        def report(second: int) -> None:
            for at_s in range(second, second + REPORT_S):
                now.s = at_s + 1.0
                agent.send(encode(_sample(at_s)))
                agent.send(encode(ClockReply(now.s, now.s, now.s)))
                run.collector.tick(1, fleet.master.acknowledge)
            taken.clear()
            worker.send(encode(("stats", _report(second), "pi1_0")))
            assert taken.wait(10), f"the report of second {second} did not come"

        finding = found(report)
        run.collector.tick(1, fleet.master.acknowledge)
        stored = sum(run.per_second().values())
        assert stored == 2 * SPAN_S * len(ENDPOINTS), f"{stored} requests were kept"
    return finding


def found(report: Callable[[int], None]) -> Finding:
    """Find the growth when `report` has the master take in seconds from a given one on; memory filled by the first span is none."""
    tracemalloc.start()
    bytes_after = []
    for span in range(2):
        for second in range(span * SPAN_S, (span + 1) * SPAN_S, REPORT_S):
            report(second)
        gc.collect()
        bytes_after.append(tracemalloc.get_traced_memory()[0])
    growth_mb = (bytes_after[1] - bytes_after[0]) * SPANS_PER_HOUR / 1e6
    seen = f"{growth_mb:+.2f} MB an hour with {len(ENDPOINTS)} endpoints, one of which fails"
    return Finding(growth_mb <= MAX_GROWTH_MB, seen)


def _error(second: int) -> str:
    return f"404 for order {second}"  # every message another one, as those with a number in them are


def _statistics(second: int) -> dict[str, Any]:
    """Return three seconds as a stock worker would report them: one request a second to each endpoint."""
    stats = RequestStats(use_response_times_cache=False)
    for path in ENDPOINTS:
        for entry in (stats.entries[path, "GET"], stats.total):
            for at_s in range(second, second + REPORT_S):
                entry.num_requests += 1
                entry.num_reqs_per_sec[at_s] += 1
                entry.response_times[5] += 1
            entry.last_request_timestamp = float(second + REPORT_S)
    for at_s in range(second, second + REPORT_S):
        stats.log_error("GET", ENDPOINTS[0], _error(at_s))
    return {
        "stats": stats.serialize_stats(),
        "stats_total": stats.total.get_stripped_report(),
        "errors": stats.serialize_errors(),
        "user_classes_count": {"Visitor": 1},
        "user_count": 1,
    }


def _report(second: int) -> Report:
    """Return the same three seconds as a worker of piswarm would report them."""
    seconds = [
        WorkerSecond(
            at_s, 10.0, 1.0, {1: 20}, [EndpointSecond("GET", path, 1, 0, 100, 5.0, {431: 1}) for path in ENDPOINTS]
        )
        for at_s in range(second, second + REPORT_S)
    ]
    for row in seconds:
        row.endpoints[0] = EndpointSecond(
            "GET", ENDPOINTS[0], 1, 1, 100, 0.0, {}, failed_max_ms=5.0, failed_buckets={431: 1}
        )
    errors = [ErrorCount("GET", ENDPOINTS[0], _error(row.second), 1) for row in seconds]
    return Report(1, second // REPORT_S + 1, 0, second + REPORT_S, {"Visitor": 1}, seconds, errors)


def _sample(second: int) -> Sample:
    reading = Reading(cpu_percent=10.0, memory_percent=20.0, memory_used_bytes=1, load_1min=1.0, temperature_c=50.0)
    return Sample(second, float(second), second + 1.0, reading)


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
