"""The numbers at the top of the report."""

from __future__ import annotations

from dataclasses import dataclass

from master import formatting
from master.judge.result import Load, Missed, Result


@dataclass(frozen=True)
class KeyFigure:
    """One number at the top: its name, the number, and what it is of."""

    name: str
    value: str
    note: str = ""


def key_figures(result: Result) -> list[list[KeyFigure]]:
    """What was asked of the target, what it answered, and what asked."""
    requests, users, latency_ms, nodes = result.requests, result.users, result.latency_ms, result.nodes
    steady = f"over {formatting.duration(result.steady_s)} steady" if result.steady_s else "no steady part"
    failed = f"{formatting.share(requests.failed / requests.total)} of all" if requests.total else "of none"
    slowest = f"slowest {formatting.latency(latency_ms.max)}" if latency_ms.max is not None else ""
    served = result.service_time_ms if result.load.model == "open" else None
    of_service = {
        name: "" if served is None else f"service time {formatting.latency(getattr(served, name))}"
        for name in ("p50", "p95", "p99", "p999")
    }
    return [
        *([_arrivals(result.load)] if result.load.model == "open" else []),
        [
            KeyFigure("requests", formatting.count(requests.total), "the whole run, ramps included"),
            KeyFigure("failed", formatting.count(requests.failed), failed),
            KeyFigure("rate", formatting.rate(requests.rate_per_s), steady),
            KeyFigure("users at peak", formatting.count(users.peak), f"of {formatting.count(users.target)} asked for"),
        ],
        [
            KeyFigure("latency p50", formatting.latency(latency_ms.p50), of_service["p50"]),
            KeyFigure("latency p95", formatting.latency(latency_ms.p95), of_service["p95"]),
            KeyFigure("latency p99", formatting.latency(latency_ms.p99), of_service["p99"]),
            KeyFigure("latency p99.9", formatting.latency(latency_ms.p999), of_service["p999"] or slowest),
        ],
        [
            KeyFigure("nodes at peak", formatting.count(nodes.peak), f"of {formatting.count(nodes.expected)} expected"),
            KeyFigure("nodes lost", formatting.count(nodes.lost), "for good or for a time"),
            KeyFigure("quarantined", formatting.count(nodes.quarantined), "nodes"),
            KeyFigure("excluded", _share(result.excluded_share), "of requests: their node was unfit"),
        ],
    ]


def _share(share: float | None) -> str:
    return formatting.NOTHING if share is None else formatting.share(share)


def _arrivals(load: Load) -> list[KeyFigure]:
    """What was due by the schedule, and what became of it."""
    missed, lateness_ms = load.missed, load.lateness_ms
    late = (
        ""
        if lateness_ms is None or lateness_ms.p99 is None
        else f"started {formatting.latency(lateness_ms.p99)} late at p99"
    )
    whose = "" if missed is None else _whose_fault(missed)
    return [
        KeyFigure("arrivals offered", _count(load.offered), f"{formatting.rate(load.offered_per_s)} while steady"),
        KeyFigure("started", _count(load.started), f"{formatting.rate(load.started_per_s)} while steady"),
        KeyFigure("missed", _count(None if missed is None else missed.total), whose),
        KeyFigure("late", _count(load.late), late),
    ]


def _whose_fault(missed: Missed) -> str:
    generators = missed.while_unfit + missed.given_up + (missed.lost or 0)
    return f"{formatting.count(missed.no_free_user)} by the target's fault, {formatting.count(generators)} by the generator's"


def _count(number: int | None) -> str:
    return formatting.NOTHING if number is None else formatting.count(number)
