"""What stands on the report's page: everything the template asks for, read from run.db and the result."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from master import formatting
from master.judge.faults import Faults
from master.judge.result import ClockOffset, Gap, Latency, Result
from master.judge.seconds.unfit_nodes import UnfitNode, unfit_nodes
from master.report import charts
from master.report.charts import Figure, Timeline
from master.report.fleet import FleetMap, fleet_map
from master.report.fleet_makeup import Boards, boards
from master.report.key_figures import key_figures
from master.report.load_charts import arrivals_figure, latency_figures, lateness_figure, target_figure
from master.report.node_comparison import comparison_figure
from master.report.series import (
    MAX_POINTS,
    Axis,
    Values,
    arrival_lines,
    controller_lines,
    request_lines,
    runs,
    steady_spans,
    target_lines,
)
from master.report.throttling_table import ThrottlingRow, flagged_nodes, shown_first, throttling_row, throttling_unknown
from master.store import ErrorRow, Event, SecondRow, Store

MAX_ROWS = 200
"""Rows of events, errors and unfit nodes on the page; run.db has all of them."""

EXCLUDING_CHECKS = ("loop_lag_p99", "worker_cpu", "node_cpu", "node_memory", "node_temperature", "clock_error")
"""The checks whose limits also decide whether a single second of a worker is excluded."""

MAX_ENDPOINTS = 1000

MAX_NAMED = 10
"""Gaps, and nodes whose clock is off, that a sentence names; result.json has all of them."""


Maps = tuple[list[Figure], dict[str, list[Values]]]


def page(result: Result, store: Store, scenario_yaml: str, faults: Faults) -> dict[str, Any]:
    """The template's variables; `data` is for the page's script. What can't be worked out is missing from it, and noted in `faults`."""
    attempt = faults.attempt
    seconds: list[SecondRow] = attempt("the seconds of the run", store.seconds, [])
    start_s, end_s = attempt("when the run began and ended", store.extent, (0, 0))
    axis = Axis.of(start_s, end_s, MAX_POINTS)
    gaps = [(gap.from_s, gap.to_s) for gap in result.gaps]
    steady = steady_spans(seconds)
    time = Timeline(axis, steady, gaps)
    open_model = result.load.model == "open"
    over_time = _over_time(store, time, seconds, faults, open_model=open_model) if axis.length else []
    # Samples are due while the run's state is kept; the second cut off by its end holds requests at most.
    samples_end_s = seconds[-1].second + 1 if seconds else end_s
    nobody = FleetMap(Axis.of(0, 0, 1), 1, [])
    fleet = attempt("the fleet", lambda: fleet_map(store, start_s, samples_end_s, steady), nobody)
    events: list[Event] = attempt("what happened", store.events, [])
    errors: list[ErrorRow] = attempt("the errors", store.errors, [])
    unfit: list[UnfitNode] = attempt("the nodes that were unfit", lambda: unfit_nodes(store.unfit()), [])
    no_maps: Maps = ([], {})
    maps, rows = attempt("the heat maps", lambda: _maps(fleet), no_maps)
    shown: list[int] = attempt(
        "the nodes to be shown first", lambda: shown_first(fleet, {node.name: node.seconds for node in unfit}), []
    )
    together = attempt(
        "the nodes side by side",
        lambda: (
            comparison_figure(fleet, Timeline(fleet.axis, steady, gaps), shown, unfit=bool(unfit)) if shown else None
        ),
        None,
    )
    flagged: list[ThrottlingRow] = attempt(
        "the nodes with a throttling flag",
        lambda: [throttling_row(track, fleet.period_s) for track in flagged_nodes(fleet)],
        [],
    )
    none_of_either: tuple[list[str], list[str]] = ([], [])
    never_known, not_always_known = attempt("throttling", lambda: throttling_unknown(fleet), none_of_either)
    of_boards: list[Boards] = attempt("the boards", lambda: boards(fleet.tracks), [])
    drawn = [*over_time, *([together] if together else []), *maps]
    return {
        "result": result,
        "open_model": open_model,
        "judged": result.verdict in ("PASS", "FAIL"),
        "key_figures": key_figures(result),
        "gaps": formatting.listed(_gaps(result.gaps), MAX_NAMED),
        "clocks_off": formatting.listed(_clocks_off(result.clocks_off), MAX_NAMED),
        "unfit_because": [row.message or row.check for row in result.validity if row.ok is False or row.fault],
        "over_time": over_time,
        "boards": of_boards,
        "together": together,
        "shown_nodes": [fleet.nodes[index] for index in shown],
        "throttling": flagged[:MAX_ROWS],
        "throttling_nodes": len(flagged),
        "throttling_left": len(flagged) - MAX_ROWS,
        "throttling_unknown": never_known,
        "throttling_at_times_unknown": not_always_known,
        "conditions": list(formatting.CONDITIONS.values()),
        "maps": maps,
        "drawn": drawn,
        "axis": axis,
        "fleet": fleet,
        "endpoints": result.endpoints[:MAX_ENDPOINTS],
        "latencies": _latencies(result),
        "differences": _differences(result),
        "excluded": formatting.share(result.excluded_share),
        "excluded_limit": next((row for row in result.validity if row.check == "excluded_share"), None),
        "unfit_limits": [f"{row.check} {row.limit}" for row in result.validity if row.check in EXCLUDING_CHECKS],
        "errors": errors[:MAX_ROWS],
        "errors_left": len(errors) - MAX_ROWS,
        "events": events[:MAX_ROWS],
        "events_left": len(events) - MAX_ROWS,
        "unfit": unfit[:MAX_ROWS],
        "unfit_nodes": len(unfit),
        "unfit_left": len(unfit) - MAX_ROWS,
        "unfit_seconds": sum(node.seconds for node in unfit),
        "scenario_yaml": scenario_yaml,
        "faults": [*result.faults, *faults.found],
        "data": {
            "charts": [figure.chart for figure in drawn],
            "stages": _stages(seconds),
            "start": start_s,
            "end": end_s,
            "gaps": gaps,
            "fleet": {
                "nodes": fleet.nodes,
                "start": fleet.axis.start_s,
                "step": fleet.axis.step_s,
                "full_hz": [track.full_hz for track in fleet.tracks],
                "conditions": [runs(track.conditions) for track in fleet.tracks],
                "rows": rows,
            },
        },
    }


def _over_time(
    store: Store, time: Timeline, seconds: list[SecondRow], faults: Faults, *, open_model: bool
) -> list[Figure]:
    """The charts that have something to show."""
    none: list[Figure] = []
    drawn = []
    for what, draw in (
        ("arrivals over time", lambda: _arrival_figures(store, time, seconds) if open_model else none),
        ("requests over time", lambda: _request_figures(store, time, open_model=open_model)),
        ("users over time", lambda: _users_figures(time, seconds)),
        ("lag over time", lambda: _lag_figures(store, time)),
        ("nodes over time", lambda: _nodes_figures(time, seconds)),
        ("the controller over time", lambda: _controller_figures(store, time)),
        ("the target over time", lambda: _target_figures(store, time)),
    ):
        drawn += faults.attempt(what, draw, none)
    return drawn


def _arrival_figures(store: Store, time: Timeline, seconds: list[SecondRow]) -> list[Figure]:
    arrivals = arrival_lines(store, time.axis, seconds)
    drawn = []
    if any(arrivals.started_per_s) or any(arrivals.offered_per_s):
        drawn.append(arrivals_figure(arrivals, time))
    if any(value is not None for value in arrivals.lateness_ms["p50"]):
        drawn.append(lateness_figure(arrivals, time))
    return drawn


def _request_figures(store: Store, time: Timeline, *, open_model: bool) -> list[Figure]:
    drawn = []
    requests = request_lines(store, time.axis)
    if any(requests.total_per_s):
        drawn.append(charts.rate_figure(requests, time))
    if any(value is not None for value in requests.percentiles_ms["p50"]):
        drawn += latency_figures(requests, time) if open_model else [charts.latency_figure(requests, time)]
    return drawn


def _users_figures(time: Timeline, seconds: list[SecondRow]) -> list[Figure]:
    users = time.axis.reduced(((row.second, row.users) for row in seconds), max)
    return [charts.users_figure(users, time)] if seconds else []


def _lag_figures(store: Store, time: Timeline) -> list[Figure]:
    lag_ms = time.axis.reduced(store.lag_by_second().items(), max)
    return [charts.lag_figure(lag_ms, time)] if any(value is not None for value in lag_ms) else []


def _nodes_figures(time: Timeline, seconds: list[SecondRow]) -> list[Figure]:
    if not seconds:
        return []
    ready = time.axis.reduced(((row.second, row.ready) for row in seconds), min)
    hot = time.axis.reduced(((row.second, row.hot) for row in seconds), max)
    lost = time.axis.reduced(((row.second, row.lost) for row in seconds), max)
    return [charts.nodes_figure(ready, hot, lost, time)]


def _controller_figures(store: Store, time: Timeline) -> list[Figure]:
    controller = controller_lines(store, time.axis)
    return [charts.controller_figure(controller, time)] if controller else []


def _target_figures(store: Store, time: Timeline) -> list[Figure]:
    target = target_lines(store, time.axis)
    return [target_figure(target, time)] if target else []


def _maps(fleet: FleetMap) -> Maps:
    """The heat maps that have something to show; and what all of them would show, in runs, by their names."""
    rows = {
        "temperature": fleet.temperature_c,
        "clock": fleet.clock_percent,
        "node-users": fleet.users,
        "cpu": fleet.cpu_percent,
    }
    drawn = []
    if fleet.has_temperature:
        drawn.append(charts.heat_map("temperature", "Temperature", fleet, rows["temperature"], charts.TEMPERATURE))
    if fleet.has_clock:
        drawn.append(charts.heat_map("clock", "Clock", fleet, rows["clock"], charts.CLOCK, lowest=True))
    if fleet.has_users:
        drawn.append(charts.heat_map("node-users", "Users", fleet, fleet.users, charts.users_scale(fleet.users)))
    if fleet.has_samples:
        drawn.append(charts.heat_map("cpu", "CPU", fleet, rows["cpu"], charts.CPU))
    return drawn, {name: [runs(row) for row in values] for name, values in rows.items()}


def _stages(seconds: list[SecondRow]) -> list[tuple[int, str]]:
    """When each part of each stage began, for the charts' tooltips."""
    return [(next(rows).second, f"stage {stage}") for stage, rows in groupby(seconds, lambda row: row.stage)]


def _gaps(gaps: list[Gap]) -> list[str]:
    return [
        f"from {formatting.moment(gap.from_s)} to {formatting.moment(gap.to_s)} ({formatting.duration(gap.to_s - gap.from_s)})"
        for gap in gaps
    ]


def _clocks_off(clocks: list[ClockOffset]) -> list[str]:
    """The worst first."""
    ordered = sorted(clocks, key=lambda clock: (-abs(clock.offset_s), formatting.natural(clock.node)))
    return [f"{clock.node} ({formatting.ahead(clock.offset_s)})" for clock in ordered]


def _latencies(result: Result) -> list[tuple[str, Latency]]:
    """With and without the excluded requests; nothing when there were none."""
    if not result.excluded_share:
        return []
    return [("fit nodes only, as above", result.latency_ms), ("all nodes", result.latency_all_ms)]


def _differences(result: Result) -> list[str]:
    """By how much each percentile would be more with the excluded requests."""
    fit, everything = result.latency_ms, result.latency_all_ms
    names = ("p50", "p90", "p95", "p99", "p999", "max")
    return [formatting.difference(getattr(fit, name), getattr(everything, name)) for name in names]
