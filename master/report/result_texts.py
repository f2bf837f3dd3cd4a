"""Parts of a result as one line of text, the same in the summary and on the page."""

from __future__ import annotations

from master import formatting
from master.judge.result import ExceptionResult, InFlight, TargetFigures


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


def target_text(target: TargetFigures) -> str:
    """`CPU 60.6 % of a core (80 % at most), memory 107 MiB at peak (grew by 14.9 MiB), cache hits 89.7 %`."""
    said = []
    if target.cpu_percent_mean is not None:
        highest = f" ({formatting.number(target.cpu_percent_max)} % at most)"
        said.append(f"CPU {formatting.number(target.cpu_percent_mean)} % of a core{highest}")
    if target.memory_peak_bytes is not None:
        growth = f" (grew by {formatting.memory(target.memory_growth_bytes)})"
        said.append(f"memory {formatting.memory(target.memory_peak_bytes)} at peak{growth}")
    if target.cache_hit_share is not None:
        said.append(f"cache hits {formatting.share(target.cache_hit_share)}")
    return ", ".join(said) or formatting.NOTHING
