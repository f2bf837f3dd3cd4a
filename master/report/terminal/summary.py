"""What the command prints when a run is over."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from master.formatting import listed
from master.judge.result import NO_DATA, Latency, Load, Requests, Result, ThresholdResult, ValidityResult
from master.report.comparison.terminal import comparison_line
from master.report.result_texts import data_text, in_flight_text, target_text
from master.report.terminal.soak import soak_lines, soak_table
from master.report.terminal.tables import tables_of
from master.run.directory import RunDirectory
from worker.printable import printable

STYLES = {"PASS": "bold green", "FAIL": "bold red", "INVALID": "bold yellow", "ABORTED": "bold yellow"}
SHOWN_NODES = 3


def print_summary(console: Console, result: Result, directory: RunDirectory) -> None:
    """Print the verdict, what it rests on, and where the rest is."""
    figures = Table.grid(padding=(0, 2))
    figures.add_column(style="dim")
    # A run that was aborted before its load has no figures, and a row for each that says so would hide why.
    measured = result.verdict != "ABORTED" or result.requests.total > 0 or result.users.peak > 0
    if measured:
        _add_figures(figures, result)
    _add_notes(figures, result)
    console.print()
    console.print(figures, highlight=False)
    if measured:
        for table in tables_of(result):
            console.print()
            console.print(table, highlight=False)
        console.print()
        console.print(_rules(result), highlight=False)
        console.print()
        if result.soak is not None:
            if result.soak.blocks:
                console.print(soak_table(result.soak), highlight=False)
            for line in soak_lines(result.soak):
                console.print(line, highlight=False, soft_wrap=not console.is_terminal)
            console.print()
    if result.comparison is not None:
        console.print(comparison_line(result.comparison), soft_wrap=not console.is_terminal)
        console.print()
    said = Text.assemble((result.verdict, STYLES[result.verdict]), f"  {result.reason}")
    console.print(said, soft_wrap=not console.is_terminal)  # in a log it is one line, for programs to find
    console.print(f"report  {_short(directory.report)}", highlight=False, markup=False, soft_wrap=True)


def _add_figures(figures: Table, result: Result) -> None:
    simulated = " simulated" if result.nodes.simulated else ""
    for name, value in (
        *(_arrivals(result.load) if result.load.model == "open" else []),
        ("requests", _requests(result.requests)),
        ("latency ms", _percentiles(result.latency_ms)),
        *_service_time(result),
        ("own lag ms", _own_lag(result)),
        ("users", f"{result.users.peak} of {result.users.target}"),
        (
            "nodes",
            f"{result.nodes.peak} of {result.nodes.expected}{simulated}{_ready(result.nodes.ready_s)}, {result.nodes.lost} lost",
        ),
        ("excluded", _excluded(result.excluded_share)),
    ):
        figures.add_row(name, value)
    if result.target_figures is not None:
        figures.add_row("target", target_text(result.target_figures))


def _rules(result: Result) -> Table:
    """Thresholds and validity checks, a row each."""
    rules = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for heading in ("", "threshold or check", "observed", "limit", "nodes beyond it"):
        rules.add_column(heading)
    for threshold in result.thresholds:
        rules.add_row(_rule_mark(result, threshold), Text(threshold.rule), Text(threshold.observed_text))
    for check in result.validity:
        rules.add_row(
            _rule_mark(result, check),
            check.check,
            check.observed_text,
            check.limit_text,
            listed(check.nodes, SHOWN_NODES),
        )
    return rules


def _add_notes(figures: Table, result: Result) -> None:
    """What is said where there is anything to say."""
    if result.in_flight is not None and result.in_flight.oldest_ms is not None:
        figures.add_row("in flight", Text(in_flight_text(result.in_flight)))
    for table in result.data:
        figures.add_row("data", Text(data_text(table)))
    if result.nodes.simulation_assumptions:
        figures.add_row("simulated", result.nodes.simulation_assumptions)
    if result.clocks_off:
        worst = max(result.clocks_off, key=lambda clock: abs(clock.offset_s))
        many = len(result.clocks_off)
        figures.add_row(
            "clocks",
            f"{many} node(s) off by more than 1 s, {worst.node} by {worst.offset_s:+.1f} s; no figure depends on it",
        )
    for warning in result.warnings:
        figures.add_row("warning", Text(warning))
    for fault in result.faults:
        figures.add_row("fault", Text(fault))
    for gap in result.gaps:
        figures.add_row("gap", f"no controller from {gap.from_s:.1f} s to {gap.to_s:.1f} s")


def _arrivals(load: Load) -> list[tuple[str, str]]:
    """What was due by the schedule, and what became of it."""
    missed = load.missed
    if missed is None:
        return [("arrivals", "unknown")]
    parts = (
        (missed.no_free_user, "no user free"),
        (missed.while_unfit, "by unfit workers"),
        (missed.given_up, "given up"),
    )
    whose = ", ".join(f"{number} {what}" for number, what in (*parts, (missed.lost, "lost")) if number)
    rate = "" if load.started_per_s is None else f" ({load.started_per_s:.1f}/s in the holds)"
    said = f"{_number(load.offered)} offered, {_number(load.started)} started{rate}, {_number(missed.total)} missed"
    found = [("arrivals", f"{said}{f' ({whose})' if whose else ''}, {_number(load.late)} late")]
    if load.lateness_ms is not None:
        found.append(("lateness ms", _percentiles(load.lateness_ms)))
    return found


def _service_time(result: Result) -> list[tuple[str, str]]:
    if result.load.model != "open" or result.service_time_ms is None:
        return []
    return [("service ms", _percentiles(result.service_time_ms))]


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)


def _requests(requests: Requests) -> str:
    unanswered = f" ({requests.unanswered} got no answer)" if requests.unanswered else ""
    rate = "–" if requests.rate_per_s is None else f"{requests.rate_per_s:.1f}"
    return f"{requests.total}, {requests.failed} failed{unanswered}, {rate}/s in the holds"


def _excluded(share: float | None) -> str:
    return "–" if share is None else f"{share:.2%} of requests, measured by unfit nodes"


def _percentiles(latency: Latency) -> str:
    shown = (
        ("p50", latency.p50),
        ("p95", latency.p95),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
        ("max", latency.max),
    )
    return "  ".join(f"{name} {_ms(value)}" for name, value in shown) if latency.max is not None else NO_DATA


def _own_lag(result: Result) -> str:
    lag = result.generator_lag_ms
    inside = "service times" if result.load.model == "open" else "latencies"
    return _percentiles(lag) + (f": so much may be in {inside} beside the target's time" if lag.max is not None else "")


def _ready(seconds: float | None) -> str:
    return "" if seconds is None else f", ready in {seconds:.1f} s"


def _rule_mark(result: Result, row: ThresholdResult | ValidityResult) -> Text:
    """A run that was aborted before anything was measured broke no threshold and no check."""
    if row.without_data and result.verdict == "ABORTED":
        return Text(NO_DATA, style="dim")
    return _mark(row.ok)


def _mark(ok: bool | None) -> Text:
    if ok is None:
        return Text("unknown", style="dim")
    return Text("ok", style="green") if ok else Text("broken", style="bold red")


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return printable(str(path) if relative.startswith("..") else relative)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
