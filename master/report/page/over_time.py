"""What happened when: the charts over time that have something to show."""

from __future__ import annotations

from itertools import groupby

from master.judge.faults import Faults
from master.report.figures import charts
from master.report.figures.charts import Figure, Timeline
from master.report.figures.load_charts import arrivals_figure, latency_figures, lateness_figure, target_figure
from master.report.series import arrival_lines, controller_lines, request_lines, target_lines
from master.store import SecondRow, StoreReader


def figures_over_time(
    store: StoreReader, time: Timeline, seconds: list[SecondRow], faults: Faults, *, open_model: bool
) -> list[Figure]:
    """The charts over time; one that can't be made is missing, and noted in `faults`."""
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


def _arrival_figures(store: StoreReader, time: Timeline, seconds: list[SecondRow]) -> list[Figure]:
    arrivals = arrival_lines(store, time.axis, seconds)
    drawn = []
    if any(arrivals.started_per_s) or any(arrivals.offered_per_s):
        drawn.append(arrivals_figure(arrivals, time))
    if any(value is not None for value in arrivals.lateness_ms["p50"]):
        drawn.append(lateness_figure(arrivals, time))
    return drawn


def _request_figures(store: StoreReader, time: Timeline, *, open_model: bool) -> list[Figure]:
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


def _lag_figures(store: StoreReader, time: Timeline) -> list[Figure]:
    lag_ms = time.axis.reduced(store.lag_by_second().items(), max)
    return [charts.lag_figure(lag_ms, time)] if any(value is not None for value in lag_ms) else []


def _nodes_figures(time: Timeline, seconds: list[SecondRow]) -> list[Figure]:
    if not seconds:
        return []
    ready = time.axis.reduced(((row.second, row.ready) for row in seconds), min)
    hot = time.axis.reduced(((row.second, row.hot) for row in seconds), max)
    lost = time.axis.reduced(((row.second, row.lost) for row in seconds), max)
    return [charts.nodes_figure(ready, hot, lost, time)]


def _controller_figures(store: StoreReader, time: Timeline) -> list[Figure]:
    controller = controller_lines(store, time.axis)
    return [charts.controller_figure(controller, time)] if controller else []


def _target_figures(store: StoreReader, time: Timeline) -> list[Figure]:
    target = target_lines(store, time.axis)
    return [target_figure(target, time)] if target else []


def stages(seconds: list[SecondRow]) -> list[tuple[int, str]]:
    """When each part of each stage began, for the charts' tooltips."""
    return [(next(rows).second, f"stage {stage}") for stage, rows in groupby(seconds, lambda row: row.stage)]
