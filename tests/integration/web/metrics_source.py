"""Serves the metrics of a made-up run, `healthy` or `sick`, on the port given, until it is ended: python metrics_source.py STATE PORT."""

from __future__ import annotations

import sys

import gevent

from master.judge.interim import Interim, InterimRule
from master.web.metrics.server import MetricsServer
from master.web.metrics.state import DiskFigures, LiveState, NodeFigures, RequestTotals
from worker.load.histogram import ArrivalTally, EndpointStats
from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.wire.messages import Reading


def state(totals: RequestTotals, second: int, *, sick: bool) -> LiveState:
    """The run in one second: well in all, or ill with all that there is an alert for."""
    flags = pack_flags(THROTTLED | UNDER_VOLTAGE if sick else 0)
    reading = Reading(
        cpu_percent=97.0 if sick else 20.0,
        memory_percent=30.0,
        memory_used_bytes=1 << 29,
        load_1min=0.5,
        temperature_c=84.0 if sick else 55.0,
        frequency_hz=1.5e9,
        conditions_lately=flags,
        conditions_since_start=flags,
    )
    arrivals = ArrivalTally(100 * second, 2 * second, second, second)
    ok = not sick
    interim = Interim(
        second,
        "INVALID" if sick else "PASS",
        "",
        [InterimRule("p95 < 50 ms", 700.0, "700 ms", ok, "")],
        [InterimRule("node_cpu", 97.0, "97 %", ok, "")],
    )
    return LiveState(
        run="played",
        scenario="played",
        offset_s=second,
        left_s=600.0 - second,
        users=10,
        users_planned=10,
        nodes={"running": 2, "lost": int(sick)},
        requests=totals.rows,
        latencies=totals.latencies,
        service_times=totals.service_times,
        in_flight={("GET", "/a"): (2, 1.5)},
        exceptions={("ApiUser", "KeyError"): second},
        arrivals=arrivals,
        offered=103 * second,
        dropped={"message can't be decoded": second},
        reports=second,
        excluded_share=0.2 if sick else 0.0,
        interim=interim,
        disk=DiskFigures(1 << 20, 1 << (30 if sick else 10)),
        controller=reading,
        each_node=lambda: [
            NodeFigures("pi1", "running", 5, 0.004, 3.0 if sick else 0.1, reading),
            NodeFigures("pi2", "lost" if sick else "running", 5, 0.004, 0.1, reading),
        ],
    )


def main() -> None:
    """Serve until ended."""
    server, totals, second = MetricsServer(int(sys.argv[2])), RequestTotals(), 0
    while True:
        second += 1
        tally = EndpointStats(100, 3, 30_000)
        for _ in range(97):
            tally.histogram.add(12.0)
        totals.add(("GET", "/a"), tally, fit=True)
        server.publish(state(totals, second, sick=sys.argv[1] == "sick"))
        gevent.sleep(1.0)


if __name__ == "__main__":
    main()
