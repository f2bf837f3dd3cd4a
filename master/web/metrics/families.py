"""A LiveState as families of Prometheus, in base units, with names as its users know them.

Their number is bounded: for each of 1000 endpoints at most 5 series and for 101 of them a histogram of 17 more, and for each node
at most 16. With 500 nodes that is 14 800 in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from master.web.metrics.state import LiveState, NodeFigures
from worker import __version__
from worker.telemetry.conditions import FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE, flag_state
from worker.wire.messages import Reading

CONDITIONS = {
    "under_voltage": UNDER_VOLTAGE,
    "frequency_capped": FREQUENCY_CAPPED,
    "throttled": THROTTLED,
    "soft_temperature_limit": SOFT_LIMITED,
}
_ENDPOINT = ("method", "name")
_Row = tuple[Sequence[str], float | None]


def families(state: LiveState) -> Iterator[Any]:
    """All families of a state; what is unknown has no sample."""
    yield InfoMetricFamily("piswarm", "This controller and its run.", _info(state))
    yield from _load(state)
    yield from _requests(state)
    if state.arrivals is not None:
        yield from _arrivals(state)
    yield from _verdict(state)
    yield from _controller(state)
    yield from _nodes(state)


def _info(state: LiveState) -> dict[str, str]:
    return {"version": __version__, "run": state.run, "scenario": state.scenario}


def _gauge(name: str, text: str, rows: Iterable[_Row], labels: Sequence[str] = ()) -> Any:
    return _filled(GaugeMetricFamily(name, text, labels=labels), rows)


def _counter(name: str, text: str, rows: Iterable[_Row], labels: Sequence[str] = ()) -> Any:
    return _filled(CounterMetricFamily(name, text, labels=labels), rows)


def _filled(family: Any, rows: Iterable[_Row]) -> Any:
    for labels, value in rows:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _load(state: LiveState) -> Iterator[Any]:
    yield _gauge("piswarm_run_seconds", "How long the load has been on.", [((), state.offset_s)])
    yield _gauge("piswarm_run_left_seconds", "How long it will be on still, by plan.", [((), state.left_s)])
    yield _gauge("piswarm_users", "Users that run.", [((), state.users)])
    yield _gauge("piswarm_users_planned", "Users that should run now.", [((), state.users_planned)])


def _requests(state: LiveState) -> Iterator[Any]:
    for place, (name, text) in enumerate(
        (
            ("piswarm_requests", "Requests that workers have reported."),
            ("piswarm_requests_failed", "Those of them that failed."),
            ("piswarm_received_bytes", "Bytes of their answers."),
        )
    ):
        yield _counter(name, text, [(each, row[place]) for each, row in state.requests.items()], _ENDPOINT)
    latency = HistogramMetricFamily(
        "piswarm_latency_seconds", "Latency of requests without failures, measured by fit workers.", labels=_ENDPOINT
    )
    for endpoint, buckets in list(state.latencies.items()):
        latency.add_metric(endpoint, buckets.cumulative(), buckets.sum_s)
    yield latency
    for place, (name, text) in enumerate(
        (
            (
                "piswarm_requests_in_flight",
                "Requests sent and not answered, at the end of the latest complete second.",
            ),
            ("piswarm_oldest_request_seconds", "How long the oldest of them had been waiting; 0 below a second."),
        )
    ):
        yield _gauge(name, text, [(each, values[place]) for each, values in state.in_flight.items()], _ENDPOINT)
    yield _counter(
        "piswarm_user_exceptions",
        "Exceptions that users' code let through.",
        [*state.exceptions.items()],
        ("user_class", "type"),
    )


def _arrivals(state: LiveState) -> Iterator[Any]:
    """Arrivals of the open model: what was due, what became of it, and how late it began."""
    tally = state.arrivals
    assert tally is not None
    yield _counter("piswarm_arrivals_offered", "Arrivals that were due by the schedule.", [((), state.offered)])
    outcomes = (("started", tally.started), ("missed", tally.missed), ("given up", tally.given_up))
    yield _counter(
        "piswarm_arrivals",
        "Arrivals that workers have reported, by what became of them.",
        [((outcome,), count) for outcome, count in outcomes],
        ("outcome",),
    )
    yield _counter(
        "piswarm_arrivals_late", "Of those started, the ones that a worker was late for.", [((), tally.late)]
    )
    if state.service_times is not None:
        service = HistogramMetricFamily(
            "piswarm_service_time_seconds", "The same requests' times from their actual start."
        )
        service.add_metric((), state.service_times.cumulative(), state.service_times.sum_s)
        yield service


def _verdict(state: LiveState) -> Iterator[Any]:
    """How the run stands."""
    interim = state.interim
    thresholds, checks = ([], []) if interim is None else (interim.thresholds, interim.validity)
    for name, label, text, rules in (
        ("piswarm_threshold_ok", "rule", "Whether a threshold on the target holds so far, 1 or 0.", thresholds),
        ("piswarm_check_ok", "check", "Whether the generator keeps a limit of its own so far, 1 or 0.", checks),
    ):
        yield _gauge(name, text, [((row.rule,), _number(row.ok)) for row in rules], (label,))
    excluded = "Share of the requests that is excluded, since their nodes were not fit to measure."
    yield _gauge("piswarm_excluded_ratio", excluded, [((), state.excluded_share)])


def _controller(state: LiveState) -> Iterator[Any]:
    reading, disk = state.controller, state.disk
    yield _gauge(
        "piswarm_controller_cpu_ratio",
        "Share of the controller's machine that is busy, all cores together.",
        [((), _share(reading, "cpu_percent"))],
    )
    yield _gauge(
        "piswarm_controller_memory_ratio",
        "Share of its memory that is in use.",
        [((), _share(reading, "memory_percent"))],
    )
    if disk is not None:
        yield _gauge("piswarm_disk_free_bytes", "Room on the disk of the run directory.", [((), disk.free_bytes)])
        yield _gauge(
            "piswarm_disk_needed_bytes",
            "What the rest of the run is estimated to take of it.",
            [((), disk.needed_bytes)],
        )
    yield _counter(
        "piswarm_dropped_messages",
        "Messages and connections that were dropped.",
        [((reason,), count) for reason, count in state.dropped.items()],
        ("reason",),
    )
    yield _counter("piswarm_reports", "Reports of workers that were accepted.", [((), state.reports)])
    yield _counter("piswarm_workers_restarted", "Workers started again.", [((), state.workers_restarted)])


def _nodes(state: LiveState) -> Iterator[Any]:
    yield _gauge("piswarm_nodes", "Nodes by state.", _by_label(state.nodes), ("state",))
    nodes = list(state.each_node())
    figures: dict[str, tuple[str, Callable[[NodeFigures], float | None]]] = {
        "piswarm_node_users": ("Users that run on a node.", lambda node: node.users),
        "piswarm_node_cpu_ratio": (
            "Share of a node's cores that is busy.",
            lambda node: _share(node.reading, "cpu_percent"),
        ),
        "piswarm_node_memory_ratio": (
            "Share of a node's memory that is in use.",
            lambda node: _share(node.reading, "memory_percent"),
        ),
        "piswarm_node_temperature_celsius": (
            "Temperature of a node's processor.",
            lambda node: None if node.reading is None else node.reading.temperature_c,
        ),
        "piswarm_node_clock_frequency_hertz": (
            "Clock of a node's cores, as its firmware measures it.",
            lambda node: None if node.reading is None else node.reading.frequency_hz,
        ),
        "piswarm_node_loop_lag_seconds": (
            "The largest lag of a node's workers in the latest second.",
            lambda node: node.lag_s,
        ),
        "piswarm_node_clock_offset_seconds": (
            "By how much a node's wall clock is ahead of the controller's.",
            lambda node: node.clock_offset_s,
        ),
    }
    yield _gauge(
        "piswarm_node_state",
        "1 for the state that a node is in.",
        [((node.name, node.state), 1) for node in nodes],
        ("node", "state"),
    )
    for name, (text, value) in figures.items():
        yield _gauge(name, text, [((node.name,), value(node)) for node in nodes], ("node",))
    yield _gauge(
        "piswarm_node_condition",
        "Whether a condition of a Raspberry Pi's power and clock holds: now, or at any time since its agent started.",
        [
            ((node.name, condition, period), _number(flag_state(flags, bit)))
            for node in nodes
            if node.reading is not None
            for period, flags in (
                ("now", node.reading.conditions_lately),
                ("ever", node.reading.conditions_since_start),
            )
            for condition, bit in CONDITIONS.items()
        ],
        ("node", "condition", "period"),
    )


def _by_label(counts: Mapping[str, int]) -> list[_Row]:
    return [((name,), count) for name, count in counts.items()]


def _number(ok: bool | None) -> float | None:
    return None if ok is None else float(ok)


def _share(reading: Reading | None, column: str) -> float | None:
    return None if reading is None else getattr(reading, column) / 100
