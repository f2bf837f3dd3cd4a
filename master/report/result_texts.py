"""Parts of a result as one line of text, the same in the summary and on the page."""

from __future__ import annotations

from master import formatting
from master.judge.result import ExceptionResult, InFlight


def in_flight_text(in_flight: InFlight) -> str:
    """`peak 20, oldest 26 s (GET /a)`."""
    peak = f"peak {formatting.count(in_flight.peak)}"
    if in_flight.oldest_ms is None or in_flight.endpoint is None:
        return peak
    return (
        f"{peak}, oldest {formatting.duration(in_flight.oldest_ms / 1000)} ({formatting.shortened(in_flight.endpoint)})"
    )


def exception_text(row: ExceptionResult) -> str:
    """`12 × KeyError: 'id', Buyer, buyer.py:7 in on_start`."""
    said = f"{row.type}: {row.message}" if row.message else row.type
    where = ", ".join(part for part in (row.user_class, row.place) if part)
    return f"{formatting.count(row.count)} × {formatting.shortened(said)}{', ' if where else ''}{where}"
