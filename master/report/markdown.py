"""A run's outcome in Markdown, for the pages that CI systems make of what a job writes, such as GitHub's step summary.

Names and errors come from the target and are hostile input: they stand in code, and all that could be a sign of Markdown or HTML in
them is written as a character reference, which no reader of Markdown takes for one (CommonMark 0.31, section 2.5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from master import formatting
from master.judge.result import EndpointResult, Result, ThresholdResult, ValidityResult
from worker.printable import printable

MAX_ENDPOINTS = 50
"""Rows of endpoints, the largest first: a step's summary on GitHub holds 1 MiB."""
MAX_ERRORS = 10
SHOWN_NODES = 5
MAX_TEXT_LENGTH = 500
"""Characters shown of a text that names what the target or users' code chose."""
_SIGNS = {"PASS": "✅", "FAIL": "❌", "INVALID": "⚠️", "ABORTED": "⛔"}
_OUTCOMES = {True: "held", False: "**broken**", None: "unknown"}
_FIT = {True: "fit", False: "**not fit**", None: "unknown"}
_SPECIAL = re.compile(r"[\\`*\[\]<>&|~#@$]|(?<!\w)_|_(?!\w)|:(?!\s|$)|(?<=www)\.", re.IGNORECASE)
"""What may mean something in Markdown, in HTML or to GitHub, or would make an address of a text."""


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
    """Verdict and why, what ran, thresholds, validity checks, endpoints, and what went wrong."""
    sections = [
        f"## {_SIGNS[result.verdict]} {result.verdict}: {_text(result.scenario)}",
        _text(result.reason),
        _facts(result),
        *_section(
            "Thresholds", ("rule", "outcome", "observed"), [_threshold(result, row) for row in result.thresholds]
        ),
        *_section(
            "Was the generator fit to measure?",
            ("check", "outcome", "observed", "limit", "nodes beyond it"),
            [_check(result, row) for row in result.validity],
        ),
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
        ("target", _code(result.target)),
        ("started", f"{_text(formatting.clock(result.started_at))}, {formatting.duration(result.duration_s)}{steady}"),
        ("nodes", f"{formatting.count(result.nodes.peak)}{simulated} of {formatting.count(result.nodes.expected)}"),
        ("users", f"{formatting.count(result.users.peak)} at most"),
        (
            "requests",
            f"{formatting.count(result.requests.total)}, {formatting.count(result.requests.failed)} failed{rate}",
        ),
        ("run", _code(result.run_id)),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in rows)


def _threshold(result: Result, row: ThresholdResult) -> list[str]:
    return [_code(row.rule), _outcome(result, row, _OUTCOMES), _text(row.observed_text)]


def _check(result: Result, row: ValidityResult) -> list[str]:
    nodes = _code(formatting.listed(row.nodes, SHOWN_NODES)) if row.nodes else ""
    return [_text(row.check), _outcome(result, row, _FIT), _text(row.observed_text), _text(row.limit_text), nodes]


def _outcome(result: Result, row: ThresholdResult | ValidityResult, words: dict[bool | None, str]) -> str:
    """A run that was aborted before anything was measured broke nothing."""
    return "no data" if row.without_data and result.verdict == "ABORTED" else words[row.ok]


def _endpoints(result: Result) -> list[str]:
    largest = sorted(result.endpoints, key=lambda row: (-row.total, row.name, row.method))
    left = len(largest) - MAX_ENDPOINTS
    return [
        *_section(
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
        _code(f"{row.method} {row.name}"),
        formatting.count(row.total),
        formatting.count(row.failed),
        *map(formatting.number, figures),
    ]


def _errors(result: Result) -> list[str]:
    rows = [
        [formatting.count(row.count), _code(f"{row.method} {row.name}"), _code(row.error)]
        for row in result.errors[:MAX_ERRORS]
    ]
    rows += [
        [formatting.count(row.count), _code(row.place or row.user_class), _code(f"{row.type}: {row.message}")]
        for row in result.exceptions[:MAX_ERRORS]
    ]
    return _section("Errors and exceptions", ("how often", "where", "what"), rows)


def _notes(result: Result) -> list[str]:
    notes = [f"- {_text(text)}" for text in [*result.warnings, *result.faults]]
    return ["### To know", "\n".join(notes)] if notes else []


def _section(
    heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None
) -> list[str]:
    """A heading and a table; nothing without rows. Columns from `numbers_from` on are numbers."""
    lines = [_line(row) for row in rows]
    if not lines:
        return []
    right = len(columns) if numbers_from is None else numbers_from
    rule = ["---"] * right + ["--:"] * (len(columns) - right)
    return [f"### {heading}", "\n".join([_line(columns), _line(rule), *lines])]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """A text that somebody else chose, in code, where nobody takes it for a mention or an address."""
    return f"<code>{_text(text)}</code>" if text.strip() else ""


def _text(text: str) -> str:
    """A text on one line in which nothing means anything to a reader of Markdown."""
    line = " ".join(printable(text).split())
    cut = line if len(line) <= MAX_TEXT_LENGTH else f"{line[:MAX_TEXT_LENGTH]}…"
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", cut)
