"""The tables of a summary: endpoints, arrivals, errors and exceptions, the largest first, so that 80 columns hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from master import formatting
from master.judge.result import ClassLoad, EndpointResult, ErrorResult, ExceptionResult, Result
from worker.printable import printable

SHOWN_ENDPOINTS = 25
SHOWN_CLASSES = 10
SHOWN_ERRORS = 10
SHOWN_EXCEPTIONS = 10
MAX_NAME_LENGTH = 120
"""Characters shown of an endpoint's name; it is folded into lines of its column."""
MAX_TEXT_LENGTH = 240
"""Characters shown of the text of an error or exception."""
MIN_NAME_WIDTH = 12
"""Columns that a name has at least."""


def tables_of(result: Result) -> Iterator[RenderableType]:
    """What there is to show."""
    if result.endpoints:
        yield _endpoints(result)
    if result.load.model == "open" and result.load.user_classes:
        yield _arrivals(result.load.user_classes)
    if result.errors:
        yield _errors(result.errors, result.further_errors)
    if result.exceptions:
        yield _exceptions(result.exceptions, result.further_exceptions)


def _endpoints(result: Result) -> RenderableType:
    """Requests of the whole run, rate and latency of its steady part, as in result.json."""
    table = _table("endpoint", "requests", "failed", "p50 ms", "p95", "p99", "max", "rate/s")
    largest = sorted(result.endpoints, key=lambda row: (-row.total, row.name, row.method))
    for row in largest[:SHOWN_ENDPOINTS]:
        table.add_row(_cut(f"{row.method} {row.name}", MAX_NAME_LENGTH), *_counts(row.total, row.failed), *_times(row))
    everything, latency = result.requests, result.latency_ms
    together = (latency.p50, latency.p95, latency.p99, latency.max, everything.rate_per_s)
    table.add_row(
        Text("all requests", style="bold"),
        *_counts(everything.total, everything.failed),
        *map(formatting.number, together),
    )
    return _with_left(table, "endpoints", len(largest) - SHOWN_ENDPOINTS)


def _times(row: EndpointResult) -> Iterator[str]:
    latency_ms = row.latency_ms
    return map(formatting.number, (latency_ms.p50, latency_ms.p95, latency_ms.p99, latency_ms.max, row.rate_per_s))


def _counts(total: int, failed: int) -> tuple[str, Text]:
    if not failed:
        return formatting.count(total), Text("0", style="dim")
    return formatting.count(total), Text(
        f"{formatting.count(failed)} {formatting.share(failed / max(1, total)).replace(chr(0xA0), '')}", style="red"
    )


def _arrivals(classes: Sequence[ClassLoad]) -> RenderableType:
    table = _table("arrivals of", "started", "missed", "late", "late by p99 ms")
    largest = sorted(classes, key=lambda row: (-row.started, row.user_class))
    for row in largest[:SHOWN_CLASSES]:
        missed = row.missed.total
        if missed is None:  # of one class only those that were lost are unknown
            missed = row.missed.no_free_user + row.missed.while_unfit + row.missed.given_up
        table.add_row(
            _cut(row.user_class, MAX_NAME_LENGTH),
            formatting.count(row.started),
            _counts(row.started + missed, missed)[1],
            formatting.count(row.late),
            formatting.number(row.lateness_ms.p99),
        )
    return _with_left(table, "user classes", len(largest) - SHOWN_CLASSES)


def _errors(errors: Sequence[ErrorResult], further: int) -> RenderableType:
    table = _texts("errors", "endpoint", "error")
    for row in errors[:SHOWN_ERRORS]:
        endpoint = _cut(f"{row.method} {row.name}".strip(), MAX_NAME_LENGTH)
        table.add_row(formatting.count(row.count), endpoint, _cut(row.error, MAX_TEXT_LENGTH))
    return _with_left(table, "errors", further + len(errors) - SHOWN_ERRORS)


def _exceptions(exceptions: Sequence[ExceptionResult], further: int) -> RenderableType:
    table = _texts("exceptions", "where", "exception")
    for row in exceptions[:SHOWN_EXCEPTIONS]:
        where = "\n".join(part for part in (row.place, row.user_class) if part)
        said = f"{row.type}: {row.message}" if row.message else row.type
        table.add_row(formatting.count(row.count), _cut(where, MAX_NAME_LENGTH), _cut(said, MAX_TEXT_LENGTH))
    return _with_left(table, "exceptions", further + len(exceptions) - SHOWN_EXCEPTIONS)


def _table(name: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    table.add_column(name, overflow="fold", min_width=MIN_NAME_WIDTH)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _texts(number: str, where: str, what: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    table.add_column(number, justify="right", no_wrap=True, style="red")
    table.add_column(where, overflow="fold", ratio=2)
    table.add_column(what, overflow="fold", ratio=3)
    return table


def _cut(text: str, length: int) -> Text:
    """Literally, whatever is in it."""
    lines = "\n".join(map(printable, text.split("\n")))
    return Text(lines if len(lines) <= length else f"{lines[:length]}…")


def _with_left(table: Table, what: str, left: int) -> RenderableType:
    """The table, and how many rows it has not."""
    if left <= 0:
        return table
    return Group(table, Text(f"and {formatting.count(left)} more {what}: see the report", style="dim"))
