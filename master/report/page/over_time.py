"""What happened when: the charts over time that have something to show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby

from master.judge.faults import Faults
from master.report.figures import charts
from master.report.figures.charts import Figure, Timeline
from master.report.figures.distribution import distribution_figure, distributions
from master.report.figures.errors_over_time import errors_figure
from master.report.figures.events_over_time import events_figure, moments_of_the_run
from master.report.figures.load_charts import arrivals_figure, latency_figures, lateness_figure, target_figure
from master.report.request_series import error_lines, request_lines
from master.report.series import arrival_lines, controller_lines, target_lines
from master.store import Event, SecondRow, StoreReader


@dataclass
class OverTime:
    """The charts over time, and the one of latencies by endpoint, which comes from the same reading of all requests."""

    figures: list[Figure] = field(default_factory=list)
    distribution: Figure | None = None


def figures_over_time(
    store: StoreReader,
    time: Timeline,
    seconds: list[SecondRow],
    events: list[Event],
    faults: Faults,
    *,
    open_model: bool,
) -> OverTime:
    """The charts over time; one that can't be made is missing, and noted in `faults`."""
    none: list[Figure] = []
    found = OverTime()
    time = replace(time, moments=moments_of_the_run(events, time))
    for what, draw in (
        ("events over time", lambda: [events_figure(events, time)] if events else none),
        ("arrivals over time", lambda: _arrival_figures(store, time, seconds) if open_model else none),
        ("requests over time", lambda: _request_figures(store, time, found, open_model=open_model)),
        ("errors over time", lambda: _errors_figures(store, time)),
        ("users over time", lambda: _users_figures(time, seconds)),
        ("lag over time", lambda: _lag_figures(store, time)),
        ("nodes over time", lambda: _nodes_figures(time, seconds)),
        ("the controller over time", lambda: _controller_figures(store, time)),
        ("the target over time", lambda: _target_figures(store, time)),
    ):
        found.figures += faults.attempt(what, draw, none)
    return found


def _arrival_figures(store: StoreReader, time: Timeline, seconds: list[SecondRow]) -> list[Figure]:
    arrivals = arrival_lines(store, time.axis, seconds)
    drawn = []
    if any(arrivals.started_per_s) or any(arrivals.offered_per_s):
        drawn.append(arrivals_figure(arrivals, time))
    if any(value is not None for value in arrivals.lateness_ms["p50"]):
        drawn.append(lateness_figure(arrivals, time))
    return drawn


def _request_figures(store: StoreReader, time: Timeline, found: OverTime, *, open_model: bool) -> list[Figure]:
    drawn = []
    requests = request_lines(store, time.axis, time.steady)
    if by_endpoint := distributions(requests.steady_latencies):
        found.distribution = distribution_figure(by_endpoint)
    if any(requests.total_per_s):
        drawn.append(charts.rate_figure(requests, time))
    if any(value is not None for value in requests.percentiles_ms["p50"]):
        drawn += latency_figures(requests, time) if open_model else [charts.latency_figure(requests, time)]
    return drawn


def _errors_figures(store: StoreReader, time: Timeline) -> list[Figure]:
    errors = error_lines(store, time.axis)
    return [errors_figure(errors, time)] if errors.per_s else []


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
