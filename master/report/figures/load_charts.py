"""The report's charts of the open model: arrivals, how late they started, and service times beside latencies; and of a local target."""

from __future__ import annotations

from master import formatting
from master.report.figures.charts import Figure, Line, Timeline, latency_figure, peak, time_figure
from master.report.request_series import RequestLines
from master.report.series import ArrivalLines, Values


def arrivals_figure(lines: ArrivalLines, time: Timeline) -> Figure:
    """Arrivals that were due and that started; below, where there are any, those that were missed or late."""
    top, top_at = peak(lines.offered_per_s, time)
    summary = f"At most {formatting.rate(top)} were due, at {top_at}."
    drawn = [Line("offered", "--blue-light", lines.offered_per_s), Line("started", "--blue-dark", lines.started_per_s)]
    troubled = []
    for name, color, values in (("missed", "--red", lines.missed_per_s), ("late", "--orange", lines.late_per_s)):
        worst, worst_at = peak(values, time)
        if worst:
            drawn.append(Line(name, color, values, strip=True))
            troubled.append(f"{formatting.rate(worst)} {name} (at {worst_at})")
    if troubled:
        summary += f" At most {' and '.join(troubled)}, on a scale of their own below."
    else:
        summary += " None was missed or late."
    return time_figure("arrivals", drawn, time, title="Arrivals", unit="/s", summary=summary)


def lateness_figure(lines: ArrivalLines, time: Timeline) -> Figure:
    """How much later than due arrivals started."""
    worst, worst_at = peak(lines.lateness_ms["p99"], time)
    drawn = [Line("p99", "--purple", lines.lateness_ms["p99"]), Line("p50", "--blue-light", lines.lateness_ms["p50"])]
    summary = (
        f"How much later than due arrivals started: p99 at most {formatting.latency(worst)}, at {worst_at}."
        " Of that, the wait for a free user is in latencies; how late the worker itself was is in none."
    )
    return time_figure("lateness", drawn, time, title="Lateness", unit="ms", summary=summary)


def latency_figures(lines: RequestLines, time: Timeline) -> list[Figure]:
    """Latency, with the wait for a free user, and service time from the actual start, on the same scale."""
    latency = latency_figure(lines, time)
    service = latency_figure(RequestLines(lines.total_per_s, lines.failed_per_s, lines.service_ms, {}), time)
    worst, worst_at = peak(lines.service_ms["p99"], time)
    service.id = service.chart["id"] = "service-time"
    service.title = "Service time"
    service.summary = (
        f"The same requests from their actual start: p99 was at most {formatting.latency(worst)}, at {worst_at}."
        " What latency is above that, arrivals have waited for a free user."
    )
    service.log_scale = False
    service.chart["layout"]["yaxis"]["range"] = latency.chart["layout"]["yaxis"]["range"]
    return [latency, service]


def target_figure(lines: dict[str, Values], time: Timeline) -> Figure:
    """CPU and memory of the target's process, which ran on the controller's machine."""
    cpu, cpu_at = peak(lines["CPU"], time)
    memory, memory_at = peak(lines["memory"], time)
    drawn = [
        Line("CPU, % of a core", "--blue", lines["CPU"]),
        Line("memory, MiB", "--orange", lines["memory"], strip=True),
    ]
    summary = (
        f"The target's process, on the controller's machine: CPU at most {formatting.number(cpu)}\u00a0% of a core, at {cpu_at};"
        f" memory at most {formatting.number(memory)}\u00a0MiB, at {memory_at}, on a scale of its own below."
    )
    return time_figure("target", drawn, time, title="Target", unit="", summary=summary)
