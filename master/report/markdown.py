"""A run's outcome in Markdown, for the pages that CI systems make of what a job writes, such as GitHub's step summary."""

from __future__ import annotations

import os
from pathlib import Path

from master import formatting
from master.judge.result import EndpointResult, Result, Soak, SoakMetric, ThresholdResult, ValidityResult
from master.report.comparison.markdown import comparison_lines
from master.report.markdown_parts import as_code, as_text, section

MAX_ENDPOINTS = 50
"""Rows of endpoints, the largest first: a step's summary on GitHub holds 1 MiB."""
MAX_ERRORS = 10
SHOWN_NODES = 5
_SIGNS = {"PASS": "✅", "FAIL": "❌", "INVALID": "⚠️", "ABORTED": "⛔"}
_OUTCOMES = {True: "held", False: "**broken**", None: "unknown"}
_FIT = {True: "fit", False: "**not fit**", None: "unknown"}


def append_summary(result: Result, path: Path) -> None:
    """Add the summary to the end of a file, as several steps of a job write into one. Raises OSError when it can't be written."""
    content = summary(result).encode(errors="replace")
    with path.open("ab") as file:
        if file.tell():
            content = b"\n" + content
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def summary(result: Result) -> str:
    """Verdict and why, what ran, thresholds, validity checks, what changed since the baseline, endpoints, and what went wrong."""
    sections = [
        f"## {_SIGNS[result.verdict]} {result.verdict}: {as_text(result.scenario)}",
        as_text(result.reason),
        _facts(result),
        *section("Thresholds", ("rule", "outcome", "observed"), [_threshold(result, row) for row in result.thresholds]),
        *section(
            "Was the generator fit to measure?",
            ("check", "outcome", "observed", "limit", "nodes beyond it"),
            [_check(result, row) for row in result.validity],
        ),
        *_soak(result.soak),
        *([] if result.comparison is None else comparison_lines(result.comparison)),
        *_endpoints(result),
        *_errors(result),
        *_notes(result),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(result: Result) -> str:
    steady = f", {formatting.duration(result.steady_s)} of it steady" if result.steady_s else ""
    simulated = " simulated" if result.nodes.simulated else ""
    rate = "" if result.requests.rate_per_s is None else f", {formatting.rate(result.requests.rate_per_s)} while steady"
    rows = [
        ("target", as_code(result.target)),
        (
            "started",
            f"{as_text(formatting.clock(result.started_at))}, {formatting.duration(result.duration_s)}{steady}",
        ),
        ("nodes", f"{formatting.count(result.nodes.peak)}{simulated} of {formatting.count(result.nodes.expected)}"),
        ("users", f"{formatting.count(result.users.peak)} at most"),
        (
            "requests",
            f"{formatting.count(result.requests.total)}, {formatting.count(result.requests.failed)} failed{rate}",
        ),
        ("run", as_code(result.run_id)),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in rows)


def _threshold(result: Result, row: ThresholdResult) -> list[str]:
    return [as_code(row.rule), _outcome(result, row, _OUTCOMES), as_text(row.observed_text)]


def _check(result: Result, row: ValidityResult) -> list[str]:
    nodes = as_code(formatting.listed(row.nodes, SHOWN_NODES)) if row.nodes else ""
    return [as_text(row.check), _outcome(result, row, _FIT), as_text(row.observed_text), as_text(row.limit_text), nodes]


def _outcome(result: Result, row: ThresholdResult | ValidityResult, words: dict[bool | None, str]) -> str:
    """A run that was aborted before anything was measured broke nothing."""
    return "no data" if row.without_data and result.verdict == "ABORTED" else words[row.ok]


def _soak(soak: Soak | None) -> list[str]:
    """What drifted, with a row for each metric that was looked at."""
    if soak is None:
        return []
    rows = [
        [as_text(row.metric), _drift(row), as_text(row.message)]
        for row in soak.metrics
        if row.subjects or row.limit_per_day is not None
    ]
    return [
        f"### Drift: {as_text(soak.verdict)}",
        as_text(soak.reason),
        *section("", ("drift of", "outcome", "what was found"), rows)[1:],
    ]


def _drift(row: SoakMetric) -> str:
    if row.drifting:
        return "**drift**"
    unknown = not row.subjects or (row.limit_per_day is not None and row.ok is None)
    return "unknown" if unknown else "no drift"


def _endpoints(result: Result) -> list[str]:
    largest = sorted(result.endpoints, key=lambda row: (-row.total, row.name, row.method))
    left = len(largest) - MAX_ENDPOINTS
    return [
        *section(
            "Endpoints",
            ("endpoint", "requests", "failed", "rate /s", "p50 ms", "p95 ms", "p99 ms", "max ms"),
            map(_endpoint, largest[:MAX_ENDPOINTS]),
            numbers_from=1,
        ),
        *([f"{formatting.count(left)} more endpoints are in the report."] if left > 0 else []),
    ]


def _endpoint(row: EndpointResult) -> list[str]:
    latency_ms = row.latency_ms
    figures = (row.rate_per_s, latency_ms.p50, latency_ms.p95, latency_ms.p99, latency_ms.max)
    return [
        as_code(f"{row.method} {row.name}"),
        formatting.count(row.total),
        formatting.count(row.failed),
        *map(formatting.number, figures),
    ]


def _errors(result: Result) -> list[str]:
    rows = [
        [formatting.count(row.count), as_code(f"{row.method} {row.name}"), as_code(row.error)]
        for row in result.errors[:MAX_ERRORS]
    ]
    rows += [
        [formatting.count(row.count), as_code(row.place or row.user_class), as_code(f"{row.type}: {row.message}")]
        for row in result.exceptions[:MAX_ERRORS]
    ]
    return section("Errors and exceptions", ("how often", "where", "what"), rows)


def _notes(result: Result) -> list[str]:
    notes = [f"- {as_text(text)}" for text in [*result.warnings, *result.faults]]
    return ["### To know", "\n".join(notes)] if notes else []
