"""Thinning out a run's series: nothing is averaged away."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_example import FACTS, fill, reading, tally

from master.judge.seconds.unfit_nodes import MAX_SPANS, unfit_nodes
from master.report.fleet import MAX_COLUMNS, fleet_map
from master.report.request_series import request_lines
from master.report.series import MAX_POINTS, Axis, controller_lines, steady_spans
from master.store import FitnessRow, SecondRow, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


def test_an_axis_has_no_more_spans_than_asked_for() -> None:
    """The axis of a day is cut into whole minutes, that of a shorter run into parts of one; the last span may be shorter."""
    assert Axis.of(0, 110, 1200) == Axis(0, 110, 1)
    day = Axis.of(5, 5 + 86400, 1000)
    assert (day.step_s, day.length) == (120, 720)
    assert (day.index(5), day.index(5 + 86399)) == (0, 719)
    assert sum(day.seconds_in(index) for index in range(day.length)) == 86400
    assert Axis.of(0, 100, 1200, min_step_s=10).length == 10
    assert Axis.of(0, 9000, 1200) == Axis(0, 9000, 10)
    assert Axis.of(0, 0, 1200).length == 0


def test_a_span_shows_its_extreme() -> None:
    """A span shows the largest or the smallest value of its seconds, and NaN counts as unknown."""
    axis = Axis(0, 7, 3)
    rows = [(0, 1.0), (2, 9.0), (3, 4.0), (4, float("inf")), (9, 99.0)]
    assert axis.reduced(rows, max) == [9.0, 4.0, None]
    assert axis.reduced(rows, min) == [1.0, 4.0, None]


def test_percentiles_of_a_span_are_those_of_its_pooled_requests(store: Store) -> None:
    """Percentiles of a span come from merged histograms, so that they are those of all its latencies together."""
    chance = random.Random(1)
    pooled = []
    for second in range(4):
        for name in ("/a", "/b"):
            latencies_ms = [chance.lognormvariate(second, 1) for _ in range(50)]
            pooled += latencies_ms
            store.add_requests(second, ("GET", name), tally(*latencies_ms, failed=2), fit=True)
    store.add_requests(2, ("GET", "/a"), tally(9000.0, 9000.0), fit=False)
    lines = request_lines(store, Axis(0, 4, 4))
    expected = [round(value or 0, 3) for value in tally(*pooled).histogram.percentiles((50, 95, 99))]
    assert [line[0] for line in lines.percentiles_ms.values()] == expected
    assert lines.total_per_s == [(400 + 2) / 4]
    assert lines.failed_per_s == [16 / 4]


def test_seconds_without_requests_are_no_gap_in_the_rate(store: Store) -> None:
    """Seconds in which no request ended have a rate of zero and no latency."""
    store.add_requests(2, ("GET", "/a"), tally(5.0), fit=True)
    lines = request_lines(store, Axis(0, 4, 1))
    assert lines.total_per_s == [0, 0, 1, 0]
    assert [value is None for value in lines.percentiles_ms["p99"]] == [True, True, False, True]


def test_a_days_fleet_fits_the_map_and_keeps_its_hottest_moment(store: Store) -> None:
    """A fleet's day is thinned to the map's columns without losing a peak of one second."""
    store.put_second(SecondRow(86399, "1 hold", True, 1, 1, 0, 0))
    store.put_second(SecondRow(0, "1 hold", True, 1, 1, 0, 0))
    store.put_node("pi10", FACTS)
    store.put_node("pi2", FACTS)
    store.put_node("controller", FACTS)
    store.put_samples(
        ("pi2", second, reading(84.96 if second == 40000 else 50.0, 30.4)) for second in range(0, 86400, 10)
    )
    fleet = fleet_map(store, *store.extent())
    assert (fleet.nodes, fleet.period_s, fleet.axis.step_s) == (["pi2", "pi10"], 10, 180)
    assert fleet.axis.length == 480 <= MAX_COLUMNS
    assert [len(row) for row in fleet.temperature_c] == [480] * 2
    assert max(value or 0 for value in fleet.temperature_c[0]) == fleet.temperature_c[0][40000 // 180] == 85.0
    assert fleet.cpu_percent[0][0] == 30
    assert fleet.empty_cells == 480
    assert Axis.of(*store.extent(), MAX_POINTS).length == 720


def test_missing_samples_are_not_made_up(store: Store) -> None:
    """A node that fell silent has empty cells from then on, and one without a sensor no temperature."""
    fill(store)
    store.put_samples(("pi3", second, reading(None)) for second in range(30))
    fleet = fleet_map(store, 0, 30)
    assert fleet.cpu_percent[1][20:] == [21, *[None] * 9]
    assert (fleet.empty_cells, fleet.unknown_temperatures) == (9, 30)


def test_the_controller_is_no_node_of_the_fleet(store: Store) -> None:
    """The machine of the master has lines of its own, in place of a row in the map."""
    assert controller_lines(store, Axis(0, 30, 1)) == {}
    fill(store)
    assert "controller" not in fleet_map(store, 0, 30).nodes
    assert controller_lines(store, Axis(0, 30, 10)) == {"CPU": [20.0] * 3, "memory": [30.0] * 3}


def test_steady_parts_are_spans() -> None:
    """Each hold is a span of steady seconds from its first to the end of its last."""
    rows = [SecondRow(second, "", second in {2, 3, 6}, 0, 0, 0, 0) for second in range(8)]
    assert steady_spans(rows) == [(2, 4), (6, 7)]


def test_what_nothing_is_known_of_is_not_steady() -> None:
    """The seconds between a controller's loss in a hold and the resumed hold are of neither span."""
    rows = [SecondRow(second, "1 hold", True, 0, 0, 0, 0) for second in (3, 4, 9, 10)]
    assert steady_spans(rows) == [(3, 5), (9, 11)]


def test_unfit_seconds_add_up_by_kind_of_reason() -> None:
    """Unfit seconds add up by their reason, though what was observed differs from second to second."""
    rows = [
        FitnessRow("pi2", 4, 81.0, None, 10, "loop lag 81 ms above 50 ms; worker CPU unknown"),
        FitnessRow("pi1", 7, 3.0, 95.5, 1, "worker CPU 95.5 % above 90 %"),
        FitnessRow("pi2", 9, 1200.0, 40.0, 5, "loop lag 1.2 s above 50 ms"),
        FitnessRow("pi3", 9, 3.0, 40.0, 5, "EMFILE: no descriptor left: raise the limit, or fewer users a node"),
    ]
    first, second, third = unfit_nodes(rows)
    assert third.reasons == {"EMFILE: no descriptor left: raise the limit, or fewer users a node": 1}
    assert (first.name, first.seconds, first.spans, first.requests) == ("pi2", 2, [(4, 5), (9, 10)], 15)
    assert first.lag_max_ms == 1200.0
    assert first.reasons == {"loop lag above 50 ms": 2, "worker CPU unknown": 1}
    assert second.reasons == {"worker CPU above 90 %": 1}


def test_an_unfit_second_of_two_workers_is_one_second() -> None:
    """An unfit second of two workers counts once, with the requests of both and each reason once."""
    reason = "node CPU 97 % above 90 %"
    (node,) = unfit_nodes(
        FitnessRow("pi1", second, 1.0, 1.0, 10, reason, worker=worker) for second in (3, 4, 5) for worker in (0, 1)
    )
    assert (node.seconds, node.spans, node.requests, node.reasons) == (3, [(3, 6)], 60, {"node CPU above 90 %": 3})


def test_the_spans_told_of_a_node_are_bounded() -> None:
    """A node's first unfit spans are listed as they are, and of the others only the number."""
    unfit = [second for second in range(100) if second % 4 < 2]
    (node,) = unfit_nodes(FitnessRow("pi1", second, 1.0, 1.0, 0, "worker CPU unknown") for second in unfit)
    assert node.seconds == 50
    assert node.spans == [(start, start + 2) for start in range(0, 4 * MAX_SPANS, 4)]
    assert node.further_spans == 25 - MAX_SPANS
