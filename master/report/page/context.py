"""What stands on the report's page: everything the template asks for, read from run.db and the result."""

from __future__ import annotations

from typing import Any

from master import formatting
from master.judge.faults import Faults
from master.judge.result import Gap, Result
from master.judge.seconds.unfit_nodes import UnfitNode, unfit_nodes
from master.report.figures.charts import Timeline
from master.report.fleet import FleetMap, fleet_map
from master.report.page.compared import compared_section
from master.report.page.fitness import fitness_section
from master.report.page.grouped_events import EventGroup, grouped_events
from master.report.page.judged_rows import rule_rows
from master.report.page.key_figures import key_figures
from master.report.page.nodes import nodes_section
from master.report.page.over_time import OverTime, figures_over_time, stages
from master.report.page.soak import soak_rows
from master.report.series import MAX_POINTS, Axis, steady_spans
from master.store import ErrorRow, Event, SecondRow, StoreReader

MAX_ROWS = 200
"""Rows of events, errors and unfit nodes on the page; run.db has all of them."""

MAX_ENDPOINTS = MAX_NODES = 1000

MAX_NAMED = 10
"""Gaps that a sentence names; result.json has all of them."""


def page(result: Result, store: StoreReader, scenario_yaml: str, faults: Faults) -> dict[str, Any]:
    """The template's variables; `data` is for the page's script. What can't be worked out is missing from it, and noted in `faults`."""
    attempt = faults.attempt
    seconds: list[SecondRow] = attempt("the seconds of the run", store.seconds, [])
    start_s, end_s = attempt("when the run began and ended", store.extent, (0, 0))
    axis = Axis.of(start_s, end_s, MAX_POINTS)
    gaps = [(gap.from_s, gap.to_s) for gap in result.gaps]
    steady = steady_spans(seconds)
    time = Timeline(axis, steady, gaps)
    open_model = result.load.model == "open"
    events: list[Event] = attempt("what happened", store.events, [])
    over_time = OverTime()
    if axis.length:
        over_time = figures_over_time(store, time, seconds, events, faults, open_model=open_model)
    # Samples are due while the run's state is kept; the second cut off by its end holds requests at most.
    samples_end_s = seconds[-1].second + 1 if seconds else end_s
    nobody = FleetMap(Axis.of(0, 0, 1), 1, [])
    fleet = attempt("the fleet", lambda: fleet_map(store, start_s, samples_end_s, steady), nobody)
    groups: list[EventGroup] = attempt("what happened, in groups", lambda: grouped_events(events), [])
    errors: list[ErrorRow] = attempt("the errors", store.errors, [])
    unfit: list[UnfitNode] = attempt("the nodes that were unfit", lambda: unfit_nodes(store.unfit()), [])
    nodes = nodes_section(fleet, unfit, steady, gaps, faults)
    distribution = over_time.distribution
    compared = compared_section(result.comparison, faults)
    compared_figure = compared.figure if compared else None
    drawn = [
        *([compared_figure] if compared_figure else []),
        *over_time.figures,
        *([distribution] if distribution else []),
        *nodes.drawn,
    ]
    return {
        "result": result,
        "open_model": open_model,
        "judged": result.verdict in ("PASS", "FAIL"),
        "key_figures": key_figures(result),
        "gaps": formatting.listed(_gaps(result.gaps), MAX_NAMED),
        "unfit_because": [row.message or row.check for row in result.validity if row.ok is False or row.fault],
        "fitness": fitness_section(result),
        "compared": compared,
        "promises": rule_rows(result.thresholds),
        "recorded": bool(over_time.figures or nodes.maps or result.endpoints),
        "over_time": over_time.figures,
        "distribution": distribution,
        "nodes": nodes,
        "soak": soak_rows(result.soak),
        "max_rows": MAX_ROWS,
        "max_nodes": MAX_NODES,
        "conditions": list(formatting.CONDITIONS.values()),
        "drawn": drawn,
        "axis": axis,
        "endpoints": result.endpoints[:MAX_ENDPOINTS],
        "errors": errors[:MAX_ROWS],
        "errors_left": len(errors) - MAX_ROWS,
        "events": groups[:MAX_ROWS],
        "events_left": len(groups) - MAX_ROWS,
        "scenario_yaml": scenario_yaml,
        "faults": [*result.faults, *faults.found],
        "data": {
            "charts": [figure.chart for figure in drawn],
            "stages": stages(seconds),
            "start": start_s,
            "end": end_s,
            "gaps": gaps,
            "fleet": {
                "nodes": fleet.nodes,
                "start": fleet.axis.start_s,
                "step": fleet.axis.step_s,
                "full_hz": [track.full_hz for track in fleet.tracks],
                "conditions": [track.conditions for track in fleet.tracks],
                "rows": nodes.rows,
            },
        },
    }


def _gaps(gaps: list[Gap]) -> list[str]:
    return [
        f"from {formatting.moment(gap.from_s)} to {formatting.moment(gap.to_s)} ({formatting.duration(gap.to_s - gap.from_s)})"
        for gap in gaps
    ]
