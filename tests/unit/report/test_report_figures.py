"""Latency distributions, errors by kind and events: bounded, and no other figures than run.db has."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_example import HOSTILE, tally

from master.judge.figures import latency_of
from master.report.figures.charts import Timeline
from master.report.figures.distribution import (
    ALL,
    MAX_ENDPOINTS,
    PERCENTS,
    BaselineCurves,
    distribution_figure,
    distributions,
)
from master.report.figures.errors_over_time import MAX_KINDS, errors_figure
from master.report.figures.events_over_time import (
    COLUMNS,
    MAX_LINES,
    MAX_TEXTS,
    events_figure,
    moments_of_the_run,
)
from master.report.figures.events_over_time import (
    MAX_KINDS as MAX_EVENT_KINDS,
)
from master.report.request_series import MAX_ERROR_POINTS, error_lines, request_lines
from master.report.series import Axis
from master.store import ErrorRow, Event, RequestRow, Store
from worker.load.histogram import Histogram


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


def histogram(number: int, seed: int = 1) -> Histogram:
    chance = random.Random(seed)
    found = Histogram()
    for _ in range(number):
        found.add(chance.lognormvariate(1, 1))
    return found


def timeline(end_s: int = 1000) -> Timeline:
    return Timeline(Axis(0, end_s, 1), [(10, end_s)])


def test_percentiles_are_those_of_the_result(store: Store) -> None:
    """The percentiles drawn of an endpoint are of the steady part and of fit workers, as the ones in result.json."""
    steady = histogram(3000)
    store.add_requests(3, ("GET", "/a"), tally(9999.0), fit=True)
    store.add_requests(20, ("GET", "/a"), tally(*[5000.0] * 900), fit=False)
    halves = random.Random(1)
    latencies_ms = [halves.lognormvariate(1, 1) for _ in range(3000)]
    store.add_requests(20, ("GET", "/a"), tally(*latencies_ms[:1500]), fit=True)
    store.add_requests(21, ("GET", "/a"), tally(*latencies_ms[1500:]), fit=True)
    lines = request_lines(store, Axis(0, 30, 5), [(10, 30)])
    whole, one = distributions(lines.steady_latencies)
    expected = latency_of(steady)
    assert (whole.name, one.name, one.requests) == (ALL, "GET /a", 3000)
    assert [one.at(percent) for percent in (50.0, 95.0, 99.0, 99.9)] == [
        expected.p50,
        expected.p95,
        expected.p99,
        expected.p999,
    ]


def test_a_percentile_that_no_request_is_beyond_is_not_known() -> None:
    """Of 500 requests the p99.9 would be the slowest one alone: the line ends before."""
    (_, one) = distributions({("GET", "/a"): histogram(500)})
    known = [percent for percent, value in zip(PERCENTS, one.percentiles_ms, strict=True) if value is not None]
    assert 99.7 < known[-1] <= 99.8
    assert one.at(99.9) is None
    assert one.percentiles_ms == sorted(one.percentiles_ms, key=lambda value: math.inf if value is None else value)


def test_the_slowest_endpoints_are_drawn_and_the_busiest_can_be_chosen() -> None:
    """All endpoints together come first, with the slowest four; of very many the busiest are kept."""
    found = distributions(
        {
            ("GET", f"/{number}"): Histogram({300 + number % 50: 10 + number}, 1e4)
            for number in range(MAX_ENDPOINTS + 50)
        }
    )
    assert len(found) == 1 + MAX_ENDPOINTS
    assert min(each.requests for each in found) == 10 + 50
    chart = distribution_figure(found).chart
    assert chart["shown"][0] == 0
    assert [chart["names"][index] for index in chart["shown"][1:]] == ["GET /249", "GET /199", "GET /149", "GET /99"]
    assert distributions({}) == []


def test_a_single_endpoint_is_drawn_once() -> None:
    """With one endpoint there is no line of all of them, which would be the same."""
    figure = distribution_figure(distributions({("GET", HOSTILE): histogram(100)}))
    assert figure.chart["shown"] == [1]
    assert HOSTILE not in figure.summary


def test_the_baseline_is_drawn_beside_it() -> None:
    """A baseline has percentiles of its own; an endpoint that it lacks has none."""
    found = distributions({("GET", "/a"): histogram(100), ("GET", "/b"): histogram(50)})
    chart = distribution_figure(found, BaselineCurves([50.0, 99.0], {"GET /a": [1.0, 2.0]})).chart
    assert chart["baseline"] == {"percents": [50.0, 99.0], "rows": [None, [1.0, 2.0], None]}


class Spans(Store):
    """A store in which requests are kept by the minute."""

    def requests(self) -> Iterator[RequestRow]:
        yield RequestRow(0, ("GET", "/a"), tally(*[2.0] * 600, failed=60), True, 60)
        yield RequestRow(60, ("GET", "/a"), tally(*[4.0] * 300), True, 30)
        yield RequestRow(90, ("GET", "/a"), tally(*[8.0] * 10), True, 1)


def test_what_is_counted_by_the_minute_is_spread_over_it(tmp_path: Path) -> None:
    """The requests of a span of a minute are a rate in each point of it, and its latencies are those of each."""
    store = Spans(tmp_path / "run.db", create=True)
    lines = request_lines(store, Axis(0, 91, 20), [(0, 91)])
    assert lines.total_per_s == pytest.approx([10, 10, 10, 10, (100 + 10) / 11])
    assert lines.failed_per_s == pytest.approx([1, 1, 1, 0, 0])
    assert [round(value or 0) for value in lines.percentiles_ms["p50"]] == [2, 2, 2, 4, 4]
    assert lines.steady_latencies["GET", "/a"].count == 910
    store.close()


def test_what_is_beyond_the_axis_is_left_out(tmp_path: Path) -> None:
    """Requests outside of the axis, as a damaged run.db may have them, are in no point of it."""
    store = Spans(tmp_path / "run.db", create=True)
    lines = request_lines(store, Axis(30, 60, 10))
    assert lines.total_per_s == pytest.approx([10, 10, 10])
    assert request_lines(store, Axis(200, 220, 10)).total_per_s == [0, 0]
    store.close()


def test_the_most_frequent_kinds_of_errors_have_lines(store: Store) -> None:
    """Kinds count over all endpoints; the frequent ones have a line each, further ones share one, and all add up."""
    for number in range(MAX_KINDS + 3):
        for second in (5, 25):
            store.add_error(ErrorRow("GET", f"/{second}", f"status {500 + number}", 20 - number, second))
    store.add_error(ErrorRow("GET", "/", HOSTILE * 9, 100, 995.0))
    store.commit()
    errors = error_lines(store, Axis(0, 1000, 1))
    assert (errors.axis.step_s, errors.axis.length) == (10, 100)
    figure = errors_figure(errors, timeline())
    assert [name for name, _ in figure.keys][1:] == [
        *(f"status {500 + number}" for number in range(MAX_KINDS - 1)),
        "4 other kinds",
    ]
    assert all(len(name) <= 80 for name, _ in figure.keys)
    counted = sum(sum(trace["y"][:-1]) * 10 for trace in figure.chart["data"])
    assert counted == pytest.approx(100 + 2 * sum(20 - number for number in range(MAX_KINDS + 3)))
    assert figure.summary.startswith("10 kinds, at most 14.4/s in all, from 0:00 on.")


def test_a_days_errors_are_few_points(store: Store) -> None:
    """A day of errors is thinned to the points that can be seen, on the axis that all charts share."""
    for second in range(0, 86400, 500):
        store.add_error(ErrorRow("GET", "/", "status 500", 2, second))
    store.commit()
    errors = error_lines(store, Axis(0, 86400, 120))
    assert errors.axis.length <= MAX_ERROR_POINTS
    assert errors.totals == {"status 500": 2 * 173}
    assert errors_figure(errors, timeline(86400)).chart["layout"]["xaxis"]["range"] == [0, 86400]


def marks_of(events: list[Event]) -> list[Any]:
    figure = events_figure(events, timeline())
    marks: list[Any] = figure.chart["marks"]
    assert len(marks) == len(figure.chart["data"][0]["x"]) == len(figure.chart["data"][0]["y"])
    return marks


def test_events_that_are_close_share_a_mark() -> None:
    """A mark tells of its first few events, and how many there are."""
    events = [Event(500 + number / 100, "lost", f"pi{number}", "no sample for 6 s") for number in range(20)]
    (mark,) = marks_of(events)
    assert mark[0] == 20
    assert mark[1][0] == ("8:20", "pi0 no sample for 6 s")
    assert len(mark[1]) == MAX_TEXTS


def test_ten_thousand_events_are_a_bounded_number_of_marks() -> None:
    """However many events and kinds there are, there are so many rows, columns and letters."""
    chance = random.Random(3)
    events = sorted(
        Event(chance.uniform(0, 1000), f"kind {chance.randrange(40)}", None, HOSTILE * 20) for _ in range(10_000)
    )
    marks = marks_of(events)
    assert len(marks) <= (MAX_EVENT_KINDS + 1) * (COLUMNS + 1)
    assert sum(mark[0] for mark in marks) == 10_000
    assert all(len(text) <= 160 for mark in marks for _, text in mark[1])
    assert len(moments_of_the_run(events, timeline())) == MAX_LINES


def test_names_of_events_are_no_markup() -> None:
    """The name of a row is escaped for Plotly, which takes texts for a kind of HTML."""
    (title,) = events_figure([Event(1.0, "<b>bold</b>", None, "")], timeline()).chart["titles"]
    assert title["text"] == "&lt;b&gt;bold&lt;/b&gt;"


def test_what_concerns_the_whole_run_is_a_line_in_every_chart() -> None:
    """Moments of the run itself are marked, those of single nodes are not, and none is beside another."""
    events = [
        Event(100.0, "lost", "pi1", ""),
        Event(200.0, "controller lost", None, ""),
        Event(201.0, "resumed", None, ""),
        Event(300.0, "disk", None, ""),
    ]
    assert moments_of_the_run(events, timeline()) == [200.0, 300.0]
