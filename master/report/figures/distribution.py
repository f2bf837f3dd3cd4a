"""How latencies are distributed, endpoint by endpoint: percentiles from the median to p99.99, on two logarithmic axes.

The axis of percentiles is 1 / (1 - p), as in HdrHistogram's plots (Gil Tene): each nine is as wide as the one before, so that the tail,
where the promises of a target break, takes as much room as all the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from master import formatting
from master.report.figures.charts import BOTTOM_PX, LEFT_PX, RIGHT_PX, TOP_PX, Chart, Figure
from master.report.series import Values
from worker.load.histogram import Histogram
from worker.load.in_flight import Endpoint

POINTS_PER_NINE = 10
FIRST_NINE, LAST_NINE = math.log10(2), 4
"""Of the axis, which begins at the median."""
TICKS = {2: "p50", 10: "p90", 20: "p95", 100: "p99", 1000: "p99.9", 10000: "p99.99"}
"""By 1 / (1 - p)."""
ALL = "all endpoints"
MAX_SHOWN = 6
"""Lines drawn together; the page has as many colours."""
MAX_ENDPOINTS = 200
"""Endpoints to choose from, those with the most requests; run.db has all of them."""
HEIGHT_PX = 300


def _percents() -> list[float]:
    """From p50 on as many for each nine, and all of TICKS."""
    steps = range(math.ceil(FIRST_NINE * POINTS_PER_NINE), LAST_NINE * POINTS_PER_NINE + 1)
    shares = [1 / x for x in TICKS] + [10 ** -(step / POINTS_PER_NINE) for step in steps]
    return sorted({round(100 * (1 - share), 6) for share in shares})


PERCENTS = _percents()


@dataclass(frozen=True)
class Distribution:
    """One endpoint's latencies: percentiles in ms at PERCENTS, None where there are too few requests to tell them from the largest."""

    name: str
    requests: int
    percentiles_ms: Values

    @classmethod
    def of(cls, name: str, latencies: Histogram) -> Distribution:
        """The percentiles of a histogram."""
        number = latencies.count
        known = [percent for percent in PERCENTS if (100 - percent) / 100 * number >= 1]
        found = [None if value is None else float(f"{value:.4g}") for value in latencies.percentiles(known)]
        return cls(name, number, found + [None] * (len(PERCENTS) - len(found)))

    def at(self, percent: float) -> float | None:
        """The percentile, which is one of PERCENTS."""
        return self.percentiles_ms[PERCENTS.index(percent)]


@dataclass(frozen=True)
class BaselineCurves:
    """The same of another run, to be drawn dashed: percentiles in ms at `percents`, by name."""

    percents: Sequence[float] = ()
    by_name: Mapping[str, Values] = field(default_factory=dict)


def distributions(steady_latencies: Mapping[Endpoint, Histogram]) -> list[Distribution]:
    """All endpoints together, and each that has a latency: the first MAX_ENDPOINTS by their number of requests."""
    whole = Histogram()
    for latencies in steady_latencies.values():
        whole.merge(latencies)
    most = sorted(steady_latencies.items(), key=lambda row: (-row[1].count, row[0]))[:MAX_ENDPOINTS]
    each = [
        Distribution.of(f"{method} {name}".strip(), latencies) for (method, name), latencies in most if latencies.count
    ]
    return [Distribution.of(ALL, whole), *each] if each else []


def distribution_figure(found: Sequence[Distribution], baseline: BaselineCurves | None = None) -> Figure:
    """The first of `found`, which is of all endpoints, and the slowest; the reader may choose others. `found` is not empty."""
    order = sorted(range(1, len(found)), key=lambda index: -(found[index].at(99.0) or found[index].at(50.0) or 0.0))
    shown = [0, *order[: MAX_SHOWN - 2]] if len(found) > 2 else [len(found) - 1]
    chart = percentiles_chart(
        "distribution",
        [each.name for each in found],
        PERCENTS,
        [each.percentiles_ms for each in found],
        shown=shown,
        baseline=baseline,
    )
    return Figure("distribution", "Latency distribution", "ms", _summary(found, shown), HEIGHT_PX, chart)


def percentiles_chart(
    name: str,
    names: Sequence[str],
    percents: Sequence[float],
    rows: Sequence[Values],
    *,
    shown: Sequence[int],
    baseline: BaselineCurves | None = None,
) -> Chart:
    """Lines of `rows`, each with a value in ms at each of `percents`, of which those `shown` are drawn at first."""
    layout: Chart = {
        "margin": {"l": LEFT_PX, "r": RIGHT_PX + 10, "t": TOP_PX, "b": BOTTOM_PX},
        "hovermode": "x",
        "showlegend": False,
        "xaxis": {
            "type": "log",
            "range": [FIRST_NINE - 0.04, LAST_NINE + 0.06],
            "fixedrange": True,
            "zeroline": False,
            "tickvals": list(TICKS),
            "ticktext": list(TICKS.values()),
        },
        "yaxis": {"type": "log", "fixedrange": True, "zeroline": False},
    }
    return {
        "id": name,
        "kind": "distribution",
        "unit": "ms",
        "shown": list(shown),
        "most": MAX_SHOWN,
        "percents": list(percents),
        "names": list(names),
        "rows": list(rows),
        "baseline": None
        if baseline is None
        else {"percents": list(baseline.percents), "rows": [baseline.by_name.get(each) for each in names]},
        "data": [],
        "layout": layout,
    }


def _summary(found: Sequence[Distribution], shown: Sequence[int]) -> str:
    whole = found[0]
    said = ", ".join(
        f"{TICKS[x]} {formatting.latency(whole.at(percent))}"
        for x, percent in ((2, 50.0), (100, 99.0), (1000, 99.9), (10000, 99.99))
        if whole.at(percent) is not None
    )
    text = f"Of {formatting.count(whole.requests)} latencies of the steady part: {said}."
    if len(shown) > 1:
        text += " Shown are all endpoints together and those with the largest p99."
    return text + " A line ends where fewer than one request is beyond."
