"""Parts of a result as one line of text, the same in the summary and on the page."""

from __future__ import annotations

from master import formatting
from master.judge.result import DataResult, InFlight, TargetFigures


def in_flight_text(in_flight: InFlight) -> str:
    """`peak 20, oldest 26 s (GET /a)`."""
    peak = f"peak {formatting.count(in_flight.peak)}"
    if in_flight.oldest_ms is None or in_flight.endpoint is None:
        return peak
    return (
        f"{peak}, oldest {formatting.duration(in_flight.oldest_ms / 1000)} ({formatting.shortened(in_flight.endpoint)})"
    )


def data_text(table: DataResult) -> str:
    """`accounts (unique): 950 of 1,000 rows used, 3 perhaps, 12 of 950 takes waited, 0.8 s at most`."""
    count = formatting.count
    if table.used is None:
        said = [f"{count(table.rows)} rows, {count(table.taken)} taken"]
    else:
        said = [f"{count(table.used)} of {count(table.rows)} rows used"]
        if table.unsure:
            said.append(f"{count(table.unsure)} perhaps, with workers that were lost")
    if table.ended_s is not None:
        said.append(f"all from {formatting.duration(table.ended_s)} on ({count(table.stopped_users)} users stopped)")
    if table.waits:
        longest = formatting.duration(table.longest_wait_ms / 1000)
        said.append(f"{count(table.waits)} of {count(table.taken)} takes waited, {longest} at most")
    if table.timeouts:
        said.append(f"{count(table.timeouts)} in vain")
    return f"{table.name} ({table.use}): {', '.join(said)}"


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
